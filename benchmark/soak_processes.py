"""Memory, open files, threads and processor time of the nodes this process has started."""

from __future__ import annotations

from collections import defaultdict
import contextlib
from dataclasses import dataclass, field
import os
from pathlib import Path
from statistics import median

PROC = Path('/proc')
TICKS = os.sysconf('SC_CLK_TCK')
MIB = 1024 * 1024
PAGE = os.sysconf('SC_PAGE_SIZE')


@dataclass
class Usage:
    """What a process used at one moment."""

    memory: int  # resident, bytes
    files: int
    threads: int
    seconds: float  # of processor time since its start


@dataclass
class Stretch:
    """What a process used over a stretch of time."""

    memory: float  # MiB, median
    files: int  # most
    threads: int  # most
    cpu: float  # percent of one processor


@dataclass
class Processes:
    """The nodes below this process, found anew at each look, by `namespace/executable`."""

    pids: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    _looks: defaultdict[str, list[Usage]] = field(default_factory=lambda: defaultdict(list))

    def look(self) -> None:
        """Measure every node; one that has gone or has another process is a fault."""
        found = _nodes(os.getpid())
        for name, pid in self.pids.items():
            if found.get(name) != pid:
                self.faults.append(f'{name} has {"started again" if name in found else "ended"}')
        self.pids = found
        for name, pid in {**found, 'soak': os.getpid()}.items():
            with contextlib.suppress(OSError):
                self._looks[name].append(_usage(pid))

    def stretch(self, seconds: float) -> dict[str, Stretch]:
        """Return what each used since the last call, `seconds` ago, and begin anew."""
        result = {}
        for name, looks in self._looks.items():
            result[name] = Stretch(
                median(look.memory for look in looks) / MIB,
                max(look.files for look in looks),
                max(look.threads for look in looks),
                100 * (looks[-1].seconds - looks[0].seconds) / seconds,
            )
            del looks[:-1]
        return result


def _usage(pid: int) -> Usage:
    folder = PROC / str(pid)
    # After the name, which may hold anything: state is field 3 of proc(5).
    fields = (folder / 'stat').read_text().rpartition(')')[2].split()
    return Usage(
        memory=int((folder / 'statm').read_text().split()[1]) * PAGE,
        files=len(os.listdir(folder / 'fd')),
        threads=int(fields[17]),
        seconds=(int(fields[11]) + int(fields[12])) / TICKS,
    )


def _nodes(parent: int) -> dict[str, int]:
    """Return the processes of nodes which descend from a process."""
    parents = {}
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                stat = (folder / 'stat').read_text()
                parents[int(folder.name)] = int(stat.rpartition(')')[2].split()[1])
    nodes = {}
    for pid in parents:
        ancestor = pid
        while ancestor in parents and ancestor != parent:
            ancestor = parents[ancestor]
        if ancestor == parent and pid != parent:
            with contextlib.suppress(OSError):
                words = (PROC / str(pid) / 'cmdline').read_text().split('\0')
                name = _name(words)
                if name:
                    nodes[name] = pid
    return nodes


def _name(words: list[str]) -> str:
    """Return namespace/executable of a node's command line; '' where it is none."""
    module = next((word for word in words if word.startswith('improv_ros.nodes.')), '')
    namespace = next((word for word in words if word.startswith('__ns:=/')), '')
    if not module or not namespace:
        return ''
    return f'{namespace.removeprefix("__ns:=/")}/{module.rpartition(".")[2]}'
