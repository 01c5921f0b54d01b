"""Files that are there whole or not at all, whenever their writer is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file by `write`, which is given it open; until all is on the disk the old stays.

    Raises OSError, with the path and the remedy, where the disk is full or refuses.
    """
    with replacing(path) as unfinished, unfinished.open('wb') as file:
        write(file)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, which takes its place when all is written.

    The unfinished file's suffixes are those of `path`. Errors as in `write_whole`.
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
            f'{path} could not be written ({error.strerror or error}); what was there before '
            'is as it was: make room on the disk and start the same command again',
        ) from error
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
