# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Files that are written completely or not at all, even if the process is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file by calling `write(file)`; the old file stays until the new one is complete.

    Raises OSError, which names the path and the remedy, if the disk is full or fails.
    """
    with replace_atomically(path) as unfinished, unfinished.open('wb') as file:
        write(file)


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the same suffixes, which replaces `path` on success.

    Raises the same errors as `write_atomically`.
    """
    unfinished = path.with_name(f'part-{os.getpid()}-{path.name}')
    try:
        yield unfinished
        with unfinished.open('rb+') as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OSError(
            error.errno,
            f'{path} could not be written ({error.strerror or error}). The previous file is '
            'unchanged. Free some disk space and run the same command again',
        ) from error
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
