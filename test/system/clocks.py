# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Clocks that are wrong."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import mmap
from pathlib import Path
import subprocess

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


class SettableClock:
    """A system clock that can be set while processes run which were started under it."""

    def __init__(self, file: Path) -> None:
        file.write_bytes(bytes(8))
        with file.open('r+b') as opened:
            self._ahead = memoryview(mmap.mmap(opened.fileno(), 8)).cast('q')

    def set_ahead(self, seconds: float) -> None:
        """Set the clock to so much later than the truth, at once for all."""
        self._ahead[0] = round(seconds * 1e9)


@contextlib.contextmanager
def a_settable_clock(folder: Path) -> Iterator[SettableClock]:
    """Give processes started meanwhile one system clock, which can be set; the rest is true."""
    source, library = Path(__file__).with_name('set_clock.c'), folder / 'set_clock.so'
    command = ['cc', '-O2', '-shared', '-fPIC', '-o', str(library), str(source), '-ldl']
    subprocess.run(command, check=True)
    clock = SettableClock(folder / 'clock_ahead')
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv('LD_PRELOAD', str(library))
        environment.setenv('CLOCK_AHEAD', str(folder / 'clock_ahead'))
        yield clock
