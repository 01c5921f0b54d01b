# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Files and standard streams (`-`) for `improv parse` and `improv render`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import sys

STANDARD = '-'


class CommandError(Exception):
    """A sentence for the user about what a command could not do."""


def read_input(path: str) -> bytes:
    """Return the bytes of a file or of standard input."""
    with _sentences(path):
        return sys.stdin.buffer.read() if path == STANDARD else Path(path).read_bytes()


def write_output(path: str, data: bytes) -> None:
    """Write the bytes to a file or to standard output, whose reader may leave early."""
    with _sentences(path):
        if path != STANDARD:
            Path(path).write_bytes(data)
            return
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Python flushes once more when it ends: redirect that to /dev/null.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _sentences(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f'{path}: {error.strerror or error}') from None
