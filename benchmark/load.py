# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Plays a recording into the whole chain, again and again, and measures what each node uses of the
processor and of the memory, its helper processes included.

By default the robot accompanies all the time, and its sound is rendered into a WAV file, so that
no audio device is needed: that is the most that a chain without a robot's body does. Memory is the
proportional set size (PSS): what several processes share is divided among them, so the sum is what
the chain takes from the machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import os
from pathlib import Path
import random
import re
import tempfile
import time

from benchmark.harness import Column, Result, option
from benchmark.process_usage import usage_of
from improv_ros.bringup import chain_spec
from improv_ros.bringup.ensemble import Ensemble
from improv_ros.commands.demo import render_phrase


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    option(parser, '--seconds', 60.0, 'how long to measure')
    option(parser, '--warm-up', 15.0, 'seconds before, in which the nodes start')
    parser.add_argument(
        '--input', type=Path, help='recording; without it, the phrase of the demonstration'
    )
    option(parser, '--output', 'wav', 'outputs of the player, as for improv run')
    option(parser, '--mode', 'accompany', 'mode of the improviser')
    option(parser, '--body', '', 'body of a simulated robot; empty: none')


def run(arguments: argparse.Namespace, result: Result) -> None:
    """Start the chain, and measure it."""
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.randrange(1, 100)))
    with tempfile.TemporaryDirectory(prefix='load_') as folder:
        recording = arguments.input or render_phrase(Path(folder) / 'phrase.wav')
        ensemble = Ensemble(nodes_of(arguments, recording, Path(folder)), log_level='error')
        try:
            ensemble.start()
            time.sleep(arguments.warm_up)
            before = used_by(ensemble)
            began = time.monotonic()
            time.sleep(arguments.seconds)
            after, seconds = used_by(ensemble), time.monotonic() - began
        finally:
            ensemble.stop()
    table = result.table(
        'What the chain uses',
        Column('node', width=16),
        Column('of a core, %', '.1f'),
        Column('memory, MiB', '.0f'),
    )
    sums = [0.0, 0.0]
    for name in before:
        if name not in after:
            result.fault(f'{name} has ended')
            continue
        share = 100 * (after[name][0] - before[name][0]) / seconds
        table.add(name, share, after[name][1])
        sums = [sums[0] + share, sums[1] + after[name][1]]
    table.add('all', *sums)
    result.note(f'The load average at the end was {os.getloadavg()[0]:.1f}.')


def nodes_of(
    arguments: argparse.Namespace, recording: Path, folder: Path
) -> list[chain_spec.NodeSpec]:
    """Return the chain that listens to a recording in a loop, and writes into a folder."""
    nodes = chain_spec.chain(
        {
            'input': 'file',
            'file': str(recording.absolute()),
            'output': arguments.output,
            'mode': arguments.mode,
            'body': arguments.body,
            'simulate': 'true' if arguments.body else 'false',
            'page_port': '0',
        }
    )
    more: dict[str, dict[str, object]] = {
        'microphone': {'loop': True},
        'midi_player': {
            'midi_file': str(folder / 'played.mid'),
            'wav_file': str(folder / 'played.wav'),
        },
        'robot_performer': {'learned_file': str(folder / 'learned.yaml')},
    }
    for node in nodes:
        node.parameters.update(more.get(node.executable, {}))
    return nodes


def used_by(ensemble: Ensemble) -> dict[str, tuple[float, float]]:
    """Return the processor time (s) and the PSS (MiB) of each node with its helpers, by name."""
    used = {}
    for name, pid in ensemble.pids().items():
        seconds, memory = zip(*map(used_by_process, family_of(pid)), strict=True)
        used[name] = sum(seconds), sum(memory)
    return used


def used_by_process(pid: int) -> tuple[float, float]:
    """Return the processor time (s) and the PSS (MiB) of a process; nothing if it has ended."""
    try:
        text = Path('/proc', str(pid), 'smaps_rollup').read_text()
        found = re.search(r'^Pss:\s+(\d+) kB', text, re.MULTILINE)
        return usage_of(pid).seconds, int(found[1]) / 1024 if found else 0.0
    except OSError:
        return 0.0, 0.0


def family_of(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield pid
    for children in Path('/proc', str(pid), 'task').glob('*/children'):
        for child in children.read_text().split():
            yield from family_of(int(child))
