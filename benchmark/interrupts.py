# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Each run starts an executable, waits until it catches signals and then for a random time, and
sends two SIGINTs 10 to 100 microseconds apart, as a terminal and `ros2 launch` do. Before it
catches signals, Python itself starts, not this package. A fault is a process that runs longer than
the limit after the signals, prints a traceback, or ends with an exit code other than 0 or 130.
"""

from __future__ import annotations

import argparse
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import tempfile
import time

from benchmark.harness import Column, Result, option

NODES = (
    'microphone',
    'midi_keyboard',
    'transcriber',
    'improviser',
    'midi_player',
    'robot_performer',
    'simulated_robot',
    'keyboard_markers',
    'live_page',
)
COMMANDS = ('run', 'demo', 'record', 'replay')
INTERVAL = (10e-6, 100e-6)  # seconds between the two signals
START_TIMEOUT = 60.0  # seconds that a process may take until it catches signals
KILL_TIMEOUT = 30.0  # seconds after the signals when a process that still runs is killed


@dataclass
class Ending:
    """How one process ended."""

    seconds: float  # from the signals to the end
    code: int
    printed: str


def command_of(name: str, folder: Path) -> list[str]:
    """Return the command line of a node or of a command of `improv`."""
    if name in NODES:
        return [sys.executable, '-m', f'improv_ros.nodes.{name}']
    words = {
        'run': ['--output', 'file', '--input', 'keyboard'],
        'demo': ['--out', 'out'],
        'record': ['bag'],
        'replay': [str(folder / 'replayed'), '--loop'],
    }
    return [sys.executable, '-m', 'improv_ros.cli', name, *words[name]]


def write_bag(folder: Path) -> None:
    """Write the bag that `improv replay` replays: a held note, and nothing for a minute."""
    from rclpy.serialization import serialize_message
    from std_msgs.msg import String

    from improv_ros.bags.bag_format import STRING
    from improv_ros.bags.bag_writer import BagWriter
    from improv_ros.event_text import StreamWriter, note_off, note_on

    topic = '/improv/heard_notes'
    bag = BagWriter(folder / 'replayed', {topic: STRING})
    writer = StreamWriter()
    for event in (note_on(10**9, 60, 64), note_off(60 * 10**9, 60)):
        (text,) = writer.write([event])
        bag.write(topic, serialize_message(String(data=text)), event.time, event.time)
    bag.close()


def interrupt(name: str, folder: Path, domain: int, delay: float, limit: float) -> Ending:
    """Start an executable and send two SIGINTs `delay` seconds after it catches signals."""
    with tempfile.TemporaryDirectory(dir=folder) as place, tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command_of(name, folder),
            cwd=place,
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'ROS_LOG_DIR': place},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        await_handlers(process)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        second = time.perf_counter() + random.uniform(*INTERVAL)
        while time.perf_counter() < second:
            pass
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        try:
            process.wait(max(limit, KILL_TIMEOUT))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        took = time.monotonic() - began
        log.seek(0)
        return Ending(took, process.returncode, log.read().decode(errors='replace'))


def await_handlers(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process catches SIGHUP, which Python by itself does not."""
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        for line in Path(f'/proc/{process.pid}/status').read_text().splitlines():
            word, _, mask = line.partition(':')
            if word == 'SigCgt' and int(mask, 16) >> (signal.SIGHUP - 1) & 1:
                return
        time.sleep(0.002)
    raise RuntimeError(f'{process.args!r} does not catch signals')


def is_clean(ending: Ending, limit: float) -> bool:
    """Tell whether a process ended in time, without a traceback, with the right exit code."""
    return (
        ending.seconds <= limit and ending.code in (0, 130) and 'Traceback' not in ending.printed
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option(parser, '--runs', 300, 'runs of each executable')
    parser.add_argument(
        '--only', nargs='+', choices=(*NODES, *COMMANDS), help='only these (default: all)'
    )
    option(parser, '--limit', 2.0, 'seconds within which a process must end')
    option(parser, '--longest-delay', 2.0, 'longest delay before the signals, in seconds')
    option(parser, '--parallel', 1, 'runs at the same time')
    parser.add_argument('--domain', type=int, help='ROS domain of all runs (default: 1 to 100)')
    parser.add_argument('--seed', type=int, help='seed of the random delays (default: random)')


def run(arguments: argparse.Namespace, result: Result) -> None:
    generator = random.Random(arguments.seed)
    table = result.table(
        '',
        Column('executable', width=16),
        Column('runs', ',d', 6),
        Column('over the limit', ',d'),
        Column('tracebacks', ',d'),
        Column('slowest end, s', '.2f'),
        Column('exit codes: runs'),
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(arguments.parallel) as threads,
    ):
        write_bag(Path(folder))
        for name in arguments.only or (*NODES, *COMMANDS):
            tries = [
                threads.submit(
                    interrupt,
                    name,
                    Path(folder),
                    1 + number % 100 if arguments.domain is None else arguments.domain,
                    generator.uniform(0, arguments.longest_delay),
                    arguments.limit,
                )
                for number in range(arguments.runs)
            ]
            endings = [attempt.result() for attempt in tries]
            codes = Counter(ending.code for ending in endings)
            table.add(
                name,
                len(endings),
                sum(ending.seconds > arguments.limit for ending in endings),
                sum('Traceback' in ending.printed for ending in endings),
                max(ending.seconds for ending in endings),
                ', '.join(f'{code}: {count}' for code, count in sorted(codes.items())),
            )
            for ending in endings:
                if not is_clean(ending, arguments.limit):
                    result.fault(
                        f'{name} ended after {ending.seconds:.2f} s with exit code {ending.code}: '
                        f'{ending.printed}'
                    )
