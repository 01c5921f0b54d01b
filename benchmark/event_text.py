# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""One core, pure Python, processor time, the best of several rounds. The parser and the formatter
cache lines that they met: `first` is with an empty cache, `again` with a full one, as in a node
that runs. Reading by mido and the conversion from and to MIDI are measured beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import io
from pathlib import Path
import random
from time import process_time

from benchmark.harness import Column, Result, option
from improv_ros.event_text import (
    Event,
    Text,
    format_text,
    midi_to_text,
    parse,
    read_midi,
    text_format,
    text_to_midi,
    write_midi,
)

JOBS = (
    'parse first',
    'parse again',
    'format first',
    'format again',
    'mido reads',
    'MIDI to text',
    'text to MIDI',
)
CACHES = (
    text_format._read_delta,
    text_format._read_body,
    text_format._format_delta,
    text_format._cached_body,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'files',
        nargs='*',
        type=Path,
        metavar='FILE.mid',
        help='MIDI files to measure with (default: 20,000 random notes)',
    )
    option(parser, '--rounds', 5, 'rounds, of which the fastest counts')


def run(arguments: argparse.Namespace, result: Result) -> None:
    table = result.table(
        'Events per second',
        Column('file', width=32),
        Column('events', ',d', 9),
        *(Column(job, ',.0f', 12) for job in JOBS),
    )
    files = [(path.name, path.read_bytes()) for path in arguments.files]
    for name, data in files or [('20,000 random notes', random_file())]:
        table.add(name[-32:], *measure(data, arguments.rounds))


def random_file() -> bytes:
    """Return a MIDI file of 20,000 random notes."""
    generator = random.Random(0)
    events = []
    for _ in range(20_000):
        pitch = generator.randrange(21, 109)
        velocity = generator.randrange(1, 128)
        events.append(Event(generator.randrange(480), 'no', (pitch, velocity, 0)))
        events.append(Event(generator.randrange(480), 'no', (pitch, 0, 0)))
    file = io.BytesIO()
    write_midi(text_to_midi(Text(480, [events])), file)
    return file.getvalue()


def measure(data: bytes, rounds: int) -> list[float]:
    """Return the number of events, and for each job how many of them per second."""
    midi = read_midi(io.BytesIO(data))
    text = midi_to_text(midi)
    written = format_text(text)
    jobs: list[Callable[[], object]] = [
        lambda: parse(written),
        lambda: parse(written),
        lambda: format_text(text),
        lambda: format_text(text),
        lambda: read_midi(io.BytesIO(data)),
        lambda: midi_to_text(midi),
        lambda: text_to_midi(text),
    ]
    events = sum(map(len, text.tracks))
    rates = [
        events / fastest(job, rounds, name.endswith('first'))
        for name, job in zip(JOBS, jobs, strict=True)
    ]
    return [events, *rates]


def fastest(job: Callable[[], object], rounds: int, empty: bool) -> float:
    """Return the seconds of the fastest round, each with empty caches if `empty`."""
    times = []
    for _ in range(rounds):
        if empty:
            for cache in CACHES:
                cache.cache_clear()
        start = process_time()
        job()
        times.append(process_time() - start)
    return min(times)
