"""Clocks that are wrong."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
from pathlib import Path

import pytest


@contextlib.contextmanager
def a_clock_ahead_by(seconds: float) -> Iterator[None]:
    """Give processes started meanwhile a system clock that is ahead by that; the rest is true."""
    library = next(Path('/usr/lib').glob('*/faketime/libfaketime.so.1'))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv('LD_PRELOAD', str(library))
        environment.setenv('FAKETIME', f'{seconds:+}')
        environment.setenv('FAKETIME_DONT_FAKE_MONOTONIC', '1')
        yield
