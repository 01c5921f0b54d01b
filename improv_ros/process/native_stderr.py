# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Discards the messages that native libraries write to file descriptor 2."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os
import sys
from threading import Lock

STDERR = 2

_lock = Lock()
_depth = 0  # of nested and concurrent `native_stderr_discarded`
_kept = -1  # a duplicate of descriptor 2 from before the outermost call


@contextlib.contextmanager
def native_stderr_discarded() -> Iterator[None]:
    """Discard what any thread writes to descriptor 2 in this context; keep it short."""
    global _depth, _kept
    with _lock:
        if _depth == 0:
            _kept = _redirect()
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                os.dup2(_kept, STDERR)
                os.close(_kept)


def discard_native_stderr() -> None:
    """Discard it until this process ends; `sys.stderr` of Python, with tracebacks, still works.

    This is for helper processes, whose native libraries write when they start and, from threads
    of their own, when a sound server ends.
    """
    sys.stderr = os.fdopen(_redirect(), 'w', buffering=1)


def _redirect() -> int:
    """Redirect descriptor 2 to /dev/null; return a duplicate of the old one."""
    kept = os.dup(STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDERR)
    os.close(nowhere)
    return kept
