# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What processes use: memory, open files, threads and processor time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
import contextlib
import os
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

from benchmark.harness import Column, Table

GROWTH_FROM = 2  # the minute whose memory the last minute's is compared with
LARGEST_GROWTH = 5.0  # percent
OURSELVES = 'this benchmark'
PROCESS_COLUMNS = (
    Column('process', width=26),
    Column('memory, MiB, minute 1', '.1f'),
    Column('minute 2', '.1f'),
    Column('last minute', '.1f'),
    Column('growth from minute 2, %', '+.1f'),
    Column('open files, first and last minute'),
    Column('threads, first and last minute'),
    Column('share of a processor, %', '.0f'),
)


class Usage(NamedTuple):
    """What a process uses: resident memory (MiB), open files, threads, processor time (s)."""

    memory: float
    files: int
    threads: int
    seconds: float


class Processes:
    """Measures the processes of the nodes, and this one, minute by minute.

    `pids` returns the processes that run, by name. minutes: for each minute that has ended, the
    median memory, the most files and threads, and the share of a processor instead of its time.
    """

    def __init__(self, pids: Callable[[], dict[str, int]]) -> None:
        self._pids = pids
        self._known: set[str] = set()
        self._looks: defaultdict[str, list[Usage]] = defaultdict(list)
        self.faults: list[str] = []
        self.minutes: list[dict[str, Usage]] = []

    def look(self) -> None:
        """Measure every process once; a process that has ended is a fault."""
        found = self._pids()
        self.faults += [f'{name} has ended' for name in sorted(self._known - set(found))]
        self._known = set(found)
        for name, pid in {**found, OURSELVES: os.getpid()}.items():
            with contextlib.suppress(OSError):
                self._looks[name].append(usage_of(pid))

    def end_minute(self, seconds: float) -> None:
        """Sum up the looks since the last call, `seconds` ago."""
        minute = {}
        for name, looks in self._looks.items():
            memory, files, threads, times = zip(*looks, strict=True)
            used = (times[-1] - times[0]) / seconds
            minute[name] = Usage(median(memory), max(files), max(threads), used)
            del looks[:-1]
        self.minutes.append(minute)

    def growths(self) -> dict[str, float]:
        """Return the growth of the memory of each node, in percent."""
        if len(self.minutes) <= GROWTH_FROM:
            return {}
        first, last = self.minutes[GROWTH_FROM - 1], self.minutes[-1]
        return {
            name: 100 * (last[name].memory / first[name].memory - 1)
            for name in last
            if name in first and name != OURSELVES
        }

    def growth_faults(self) -> list[str]:
        """Return a fault for each node whose memory has grown too much."""
        return [
            f'{name}: memory has grown by {percent:.1f} % from minute {GROWTH_FROM} to the last'
            for name, percent in self.growths().items()
            if percent > LARGEST_GROWTH
        ]

    def report(self, table: Table) -> None:
        """Add a row for each process to the table PROCESS_COLUMNS."""
        growths = self.growths()
        for name in self.minutes[-1] if self.minutes else {}:
            used = [minute[name] for minute in self.minutes if name in minute]
            first, last = used[0], used[-1]
            table.add(
                name,
                first.memory,
                used[GROWTH_FROM - 1].memory if len(used) >= GROWTH_FROM else None,
                last.memory,
                growths.get(name),
                f'{first.files}, {last.files}',
                f'{first.threads}, {last.threads}',
                100 * mean(each.seconds for each in used),
            )


def usage_of(pid: int) -> Usage:
    """Return the usage of a process; OSError if it has ended."""
    folder = Path('/proc', str(pid))
    # After the name, which may hold anything; the state is field 3 of proc(5).
    fields = (folder / 'stat').read_text().rpartition(')')[2].split()
    pages = int((folder / 'statm').read_text().split()[1])
    return Usage(
        memory=pages * os.sysconf('SC_PAGE_SIZE') / 2**20,
        files=len(os.listdir(folder / 'fd')),
        threads=int(fields[17]),
        seconds=(int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK'),
    )
