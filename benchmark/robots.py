# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Each note becomes known --lead seconds before it sounds (in the chain: half of the improviser's
lookahead to all of it). The greedy planner decides each note when it becomes known, and gives
it to the nearest striker that can reach the key in time. Both planners fold octaves, and
neither moves a note in time. The melody is the highest note that sounds. The slowest step is
that of the planner that is not greedy.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import random
import time

from benchmark.harness import Column, Result, option
from improv_ros.bringup.shared_files import shared_file
from improv_ros.event_text import (
    SECOND,
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
from improv_ros.performing.body import Body
from improv_ros.performing.body_file import read_body
from improv_ros.performing.planner import TICK, Planner
from improv_ros.performing.voices import MELODY, VoiceTracker

LOOKAHEAD = round(0.12 * SECOND)
PREPARATION = 3 * SECOND


def pieces(files: Sequence[Path], seconds: float) -> dict[str, list[list[TimedEvent]]]:
    """Return the beginnings of pieces, by their source."""
    demo = to_timed(parse(shared_file('demo/fuer_elise.txt').read_text()))
    found = {'demo phrase': [beginning(demo, seconds)]}
    for path in files:
        found.setdefault(path.parent.name, []).append(beginning(midi_events(path), seconds))
    if files:
        return found
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
    """The counts of the notes of several pieces."""

    def __init__(self) -> None:
        self.notes = self.in_range = self.kept = self.melody = self.melody_kept = 0
        self.slowest = 0.0

    def perform(
        self, body: Body, events: Sequence[TimedEvent], lead: int, assign: Assign, immediate: bool
    ) -> None:
        """Plan a piece for a body, and add its counts."""
        planner = Planner(body, LOOKAHEAD, assign, immediate)
        melody = melody_of(body, events)
        kept: set[tuple[int, int]] = set()
        waiting = list(reversed(events))
        now, end = 0, events[-1].time + SECOND
        while now < end:
            known = []
            while waiting and waiting[-1].time - lead <= now:
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
    """Return the (time, pitch as played) of the notes that are highest when they begin."""
    voices = VoiceTracker()
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


def percent(part: int, whole: int) -> float | None:
    """Return a share in percent; None if the whole is 0."""
    return 100 * part / whole if whole else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'files',
        nargs='*',
        type=Path,
        metavar='FILE.mid',
        help='MIDI files to play (default: random music and random drums)',
    )
    option(parser, '--seconds', 60.0, 'length of each piece that is played, in seconds')
    option(
        parser, '--lead', 1.0, 'time from when a note becomes known until it sounds, in seconds'
    )


def run(arguments: argparse.Namespace, result: Result) -> None:
    lead = round(arguments.lead * SECOND)
    music = pieces(arguments.files, arguments.seconds)
    table = result.table(
        'Notes that each body keeps',
        Column('body', width=14),
        Column('music', width=13),
        Column('notes', 'd', 6),
        Column('in range', 'd'),
        Column('notes kept, %', '.1f'),
        Column('greedy, %', '.1f'),
        Column('melody kept, %', '.1f'),
        Column('greedy, %', '.1f'),
        Column('slowest step, ms', '.0f'),
    )
    for path in sorted(shared_file('config/bodies').glob('*.yaml')):
        body = read_body(path)
        for source, played in music.items():
            planned, greedy = Outcome(), Outcome()
            for events in played:
                planned.perform(body, events, lead, assign_best, False)
                greedy.perform(body, events, lead, assign_greedily, True)
            if planned.in_range:
                table.add(
                    path.stem,
                    source,
                    planned.notes,
                    planned.in_range,
                    percent(planned.kept, planned.in_range),
                    percent(greedy.kept, greedy.in_range),
                    percent(planned.melody_kept, planned.melody),
                    percent(greedy.melody_kept, greedy.melody),
                    1000 * planned.slowest,
                )
