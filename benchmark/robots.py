"""The share of notes that each shipped body keeps, beside what a greedy one would.

    python benchmark/robots.py [FILE.mid ...] [--seconds 60] [--notice 1]

Every note is made known `notice` seconds before it sounds (in the chain: at least half of the
improviser's lookahead, mostly nearly all of it). The greedy body takes each note as it comes and
gives it to the nearest striker that can be there. Both fold octaves, and neither moves a note in
time. Also shown: how much of the melody is kept (the highest of what sounds), and the longest that
one step of planning took.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import random
import time

from improv_ros.bringup import share
from improv_ros.event_text import (
    TimedEvent,
    is_note_on,
    midi_to_text,
    note_off,
    note_on,
    parse,
    read_midi,
    to_timed,
)
from improv_ros.performing.assignment import Assign, assign_best, assign_greedily
from improv_ros.performing.body import SECOND, Body
from improv_ros.performing.body_file import read_body
from improv_ros.performing.planner import TICK, Planner
from improv_ros.performing.voices import MELODY, Voices

DATA = Path(__file__).parents[2] / 'shared' / 'data'
LOOKAHEAD = round(0.12 * SECOND)
FILES = 12  # of each folder of the data
PREPARATION = 3 * SECOND


def pieces(files: Sequence[Path], seconds: float) -> dict[str, list[list[TimedEvent]]]:
    """Return the beginnings of pieces, by where they are from."""
    demo = to_timed(parse(share('demo/fuer_elise.txt').read_text()))
    found = {'demo phrase': [beginning(demo, seconds)]}
    if files:
        found['files given'] = [beginning(midi_events(path), seconds) for path in files]
        return found
    for folder in ('piano-rolls', 'piano-midi-de'):
        paths = sorted((DATA / folder).rglob('*.mid'))
        chosen = paths[:: max(1, len(paths) // FILES)][:FILES]
        if chosen:
            found[folder] = [beginning(midi_events(path), seconds) for path in chosen]
    found['random music'] = [beginning(random_music(seed), seconds) for seed in range(4)]
    found['random drums'] = [beginning(random_drums(seed), seconds) for seed in range(4)]
    return found


def midi_events(path: Path) -> list[TimedEvent]:
    """Return the events of a MIDI file."""
    return to_timed(midi_to_text(read_midi(path)))


def beginning(events: Sequence[TimedEvent], seconds: float) -> list[TimedEvent]:
    """Return the notes of the first seconds from the first note on, after a preparation."""
    first = next(event.time for event in events if is_note_on(event))
    return [
        event._replace(time=event.time - first + PREPARATION)
        for event in events
        if first <= event.time < first + seconds * SECOND
    ]


def random_music(seed: int) -> list[TimedEvent]:
    """Return four minutes of a melody over an accompaniment."""
    source = random.Random(seed)
    events = []
    for beat in range(1000):
        at = beat * SECOND // 4
        pitches = [source.choice([72, 74, 76, 77, 79, 81, 83, 84])]
        pitches += source.sample(range(40, 66), source.choice([0, 1, 1, 2, 3]))
        for pitch in pitches:
            events += [
                note_on(at, pitch, source.randint(30, 110)),
                note_off(at + SECOND // 5, pitch),
            ]
    return sorted(events, key=lambda event: event.time)


def random_drums(seed: int) -> list[TimedEvent]:
    """Return four minutes of sixteenths on a drum set, with rolls and flams."""
    source = random.Random(seed)
    events = []
    for step in range(2000):
        at = step * SECOND // 8
        for pitch in source.sample([36, 38, 40, 42, 46, 45, 50, 49, 51], source.randint(0, 3)):
            for again in range(source.choice([1, 1, 1, 2])):
                begin = at + again * SECOND // 16
                events += [
                    note_on(begin, pitch, source.randint(30, 120)),
                    note_off(begin + SECOND // 40, pitch),
                ]
    return sorted(events, key=lambda event: event.time)


class Outcome:
    """What became of the notes of several pieces."""

    def __init__(self) -> None:
        self.notes = self.in_range = self.kept = self.melody = self.melody_kept = 0
        self.slowest = 0.0

    def perform(
        self, body: Body, events: Sequence[TimedEvent], notice: int, assign: Assign, at_once: bool
    ) -> None:
        """Let a body perform a piece."""
        planner = Planner(body, LOOKAHEAD, assign, at_once)
        melody = melody_of(body, events)
        kept: set[tuple[int, int]] = set()
        waiting = list(reversed(events))
        now, end = 0, events[-1].time + SECOND
        while now < end:
            known = []
            while waiting and waiting[-1].time - notice <= now:
                known.append(waiting.pop())
            began = time.perf_counter()
            commands = planner.add(known, now) + planner.advance(now)
            self.slowest = max(self.slowest, time.perf_counter() - began)
            kept |= {(c.sound, c.pitch) for c in commands if c.kind == 'strike'}
            now += TICK
        counts = planner.counts
        self.notes += counts.received
        self.in_range += counts.received - counts.unplayable
        self.kept += counts.performed
        self.melody += len(melody)
        self.melody_kept += len(melody & kept)


def melody_of(body: Body, events: Sequence[TimedEvent]) -> set[tuple[int, int]]:
    """Return (time, pitch as played) of the highest notes of what sounds, knowing all of it."""
    voices = Voices()
    for event in events:
        if event.kind in ('no', 'nf'):
            source = (event.values[2], event.values[0])
            (voices.begin if is_note_on(event) else voices.end)(source, event.time)
    return {
        (event.time, pitch)
        for event in events
        if is_note_on(event)
        and (pitch := body.pitch_for(event.values[0])) is not None
        and voices.weight(event.values[0], event.time) == MELODY
    }


def share_of(part: int, whole: int) -> str:
    """Return a share as a column of the table."""
    return f'{part / whole:7.1%}' if whole else f'{"none":>7}'


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('files', nargs='*', type=Path, metavar='FILE.mid')
    parser.add_argument('--seconds', type=float, default=60, help='of each piece (default: 60)')
    parser.add_argument('--notice', type=float, default=1.0, help='in seconds (default: 1)')
    arguments = parser.parse_args()
    notice = round(arguments.notice * SECOND)
    music = pieces(arguments.files, arguments.seconds)
    print(f'{"":14} {"":13} {"":>6} {"in":>6}  {"notes kept":^15}  {"melody kept":^15}  slowest')
    print(
        f'{"body":14} {"music":13} {"notes":>6} {"range":>6}  '
        f'{"planned":>7} {"greedy":>7}  {"planned":>7} {"greedy":>7}  step'
    )
    for path in sorted(share('config/bodies').glob('*.yaml')):
        body = read_body(path)
        for source, played in music.items():
            planned, greedy = Outcome(), Outcome()
            for events in played:
                planned.perform(body, events, notice, assign_best, False)
                greedy.perform(body, events, notice, assign_greedily, True)
            if planned.in_range:
                print(
                    f'{path.stem:14} {source:13} {planned.notes:6} {planned.in_range:6}  '
                    f'{share_of(planned.kept, planned.in_range)} '
                    f'{share_of(greedy.kept, greedy.in_range)}  '
                    f'{share_of(planned.melody_kept, planned.melody)} '
                    f'{share_of(greedy.melody_kept, greedy.melody)}  '
                    f'{planned.slowest * 1000:.0f} ms'
                )


if __name__ == '__main__':
    main()
