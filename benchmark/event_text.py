"""How many events a second are parsed and formatted, beside the time mido takes over a file.

    python benchmark/event_text.py [FILE.mid ...]

One core, pure Python, processor time, best of several rounds. The parser and the formatter
remember lines they met; `first` is with that memory empty, `again` as in a node that runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import io
from pathlib import Path
import random
from time import process_time

from improv_ros.event_text import (
    Event,
    Text,
    format_text,
    formatting,
    midi_to_text,
    parse,
    parsing,
    read_midi,
    text_to_midi,
    write_midi,
)

DATA = Path(__file__).parents[2] / 'shared' / 'data'
HEADINGS = ('', '', 'parse', 'parse', 'format', 'format', 'mido', 'MIDI', 'text')
SUBHEADINGS = ('file', 'events', 'first', 'again', 'first', 'again', 'reads', 'to text', 'to MIDI')
MEMORIES = (
    parsing._read_delta,
    parsing._read_body,
    formatting._format_delta,
    formatting._remembered_body,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('files', nargs='*', type=Path, metavar='FILE.mid')
    parser.add_argument('--rounds', type=int, default=5)
    arguments = parser.parse_args()
    for headings in (HEADINGS, SUBHEADINGS):
        print(f'{headings[0]:32}' + ''.join(f'{heading:>11}' for heading in headings[1:]))
    for name, data in inputs(arguments.files):
        events, rates = measure(data, arguments.rounds)
        print(f'{name[-32:]:32}{events:11,}' + ''.join(f'{rate:11,.0f}' for rate in rates))
    print('all but the number of events: events a second')


def inputs(files: list[Path]) -> list[tuple[str, bytes]]:
    """Return (name, contents) of the files asked for, or of some data sets, or of a made one."""
    if not files and DATA.is_dir():
        for folder in ('piano-rolls', 'piano-midi-de', 'maestro-v3'):
            found = sorted((DATA / folder).rglob('*.mid*'))
            files += found[:: max(1, len(found) // 2)][:2]
    return [(path.name, path.read_bytes()) for path in files] or [('made at random', made())]


def made() -> bytes:
    """Return a MIDI file of 20,000 notes at random."""
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


def measure(data: bytes, rounds: int) -> tuple[int, list[float]]:
    """Return the number of events, and for each column how many of them a second."""
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
    first = (0, 2)
    return events, [
        events / fastest(job, rounds, forgetful=number in first) for number, job in enumerate(jobs)
    ]


def fastest(job: Callable[[], object], rounds: int, forgetful: bool) -> float:
    """Return the seconds of the fastest round, each with empty memories if `forgetful`."""
    times = []
    for _ in range(rounds):
        if forgetful:
            for memory in MEMORIES:
                memory.cache_clear()
        start = process_time()
        job()
        times.append(process_time() - start)
    return min(times)


if __name__ == '__main__':
    main()
