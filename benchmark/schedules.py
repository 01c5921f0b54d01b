# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Each schedule has its own latency, tolerance and limit. Its notes and pedals overlap, are
repeated, late or in any order; there are clears, all notes off, program changes, and one of
three endings. Checked at each step: no note-on for a key that sounds, no note-off for one that
does not, no event before it is due or too late, and the schedule knows which notes sound.
Checked at the end: no note sounds, no pedal is down, and every note was played whole or is
counted as dropped, refused or withdrawn. If there is no limit and no latency by velocity, an
independent model computes from the events which notes sound from when to when and which pedals
move, and exactly that must have been played.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing import Pool
from random import Random
import time
from typing import NamedTuple

from benchmark.harness import Column, Result, option
from improv_ros.event_text import (
    TimedEvent,
    clear,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.playing.note_schedule import (
    Latency,
    NoteSchedule,
    strike_latency,
)

# A note that was played: beginning, end, note-on. Another event: time, kind, values.
PlayedNote = tuple[int, int, tuple[int, ...]]
OtherEvent = tuple[int, str, tuple[int, ...]]

MILLISECOND = 1_000_000
PITCHES = (60, 61, 62)
CHANNELS = (0, 1)
DISKLAVIER = strike_latency('disklavier')
ENDINGS = ('clear', 'release', 'play on')
BATCH = 1000
UNLIMITED = 10_000
BEFORE_EVERYTHING = -(10**18)
SUSTAIN, ALL_SOUND_OFF, ALL_NOTES_OFF = 64, 120, 123


class ScheduleFaultError(AssertionError):
    """A schedule was played wrongly; the message names the seed and the fault."""


class Instrument:
    """Receives events, and checks each."""

    def __init__(self, tolerance: int) -> None:
        self.sounding: dict[tuple[int, int], tuple[int, tuple[int, ...]]] = {}  # by channel, pitch
        self.pedals: set[int] = set()
        self.note_ons: Counter[tuple[int, ...]] = Counter()
        self.played: list[PlayedNote] = []
        self.others: list[OtherEvent] = []
        self._tolerance = tolerance

    def play(self, events: Iterable[TimedEvent], now: int) -> None:
        for event in events:
            if is_note_on(event):
                pitch, velocity, channel = event.values
                expect(
                    (channel, pitch) not in self.sounding,
                    'a note-on was sent for a key that sounds',
                )
                expect(now - event.time <= self._tolerance, 'a note was played too late')
                self.sounding[channel, pitch] = (now, event.values)
                self.note_ons[pitch, velocity, channel] += 1
            elif is_note_off(event):
                key = event.values[-1], event.values[0]
                expect(key in self.sounding, 'a note-off was sent for a key that does not sound')
                began, values = self.sounding.pop(key)
                self.played.append((began, now, values))
            else:
                self.others.append((now, event.kind, event.values))
                if event.kind == 'cc' and event.values[1] == SUSTAIN:
                    pedal = self.pedals.add if event.values[2] >= 64 else self.pedals.discard
                    pedal(event.values[0])
            expect(event.time <= now, 'an event was sent before it was due')


def expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ScheduleFaultError(otherwise)


class Model:
    """
    Computes from all events together what must be played.

    `add` takes the events and `poll` the times at which the schedule was polled for due events, in
    their order; `performance` then returns what must be played.
    """

    def __init__(self, latency: int) -> None:
        self._latency = latency
        self._given: list[tuple[TimedEvent, int]] = []  # with the number of polls before it
        self._polls: list[int] = []  # times of the polls

    def add(self, events: Iterable[TimedEvent]) -> None:
        self._given += [(event, len(self._polls)) for event in events]

    def poll(self, now: int) -> None:
        self._polls.append(now)

    def silence(self, now: int) -> None:
        """Withdraw everything, and release all notes now."""
        self.add([clear(BEFORE_EVERYTHING)])
        self.poll(now)

    def performance(self, tolerance: int) -> tuple[list[PlayedNote], list[OtherEvent], int, int]:
        """Return (notes, other events, number withdrawn, number dropped) that must result."""
        events = [event for event, _ in self._given]
        clears = [number for number, event in enumerate(events) if event.kind == 'cl']
        strokes = [number for number, event in enumerate(events) if is_note_on(event)]
        positions = [self._position(number) for number in range(len(events))]
        stays = {
            position.number for position in positions if not self._is_withdrawn(position, clears)
        }
        ends = self._ends()
        played = [
            number
            for number in strokes
            if number in stays
            and positions[number].when - positions[number].due <= tolerance
            and (number not in ends or positions[number] < positions[ends[number]])
        ]
        notes = []
        for number in played:
            pitch, _, channel = events[number].values
            enders = {ends.get(number, number), *(one for one in clears if one > number)}
            enders |= {one for one in played if _key(events[one]) == (channel, pitch)}
            enders |= {one for one in stays if _ends_all_of(channel, events[one])}
            end = min(positions[one] for one in enders if positions[one] > positions[number])
            notes.append((positions[number].when, end.when, events[number].values))
        return (
            sorted(notes),
            sorted(self._others([*stays, *clears], positions)),
            len(strokes) - len(stays.intersection(strokes)),
            len(stays.intersection(strokes)) - len(played),
        )

    def _position(self, number: int) -> Position:
        """Return the position of an event in the order of sending."""
        event, poll = self._given[number]
        due = event.time - self._latency
        while poll < len(self._polls) and self._polls[poll] < due:
            poll += 1
        when = self._polls[poll] if poll < len(self._polls) else due
        return Position(poll, due, number, when)

    def _is_withdrawn(self, position: Position, clears: Iterable[int]) -> bool:
        """Return whether a clear withdraws an event: it was added later, before the sending."""
        return any(
            one > position.number
            and self._given[position.number][0].time >= self._given[one][0].time
            and position.poll >= self._given[one][1]
            for one in clears
        )

    def _ends(self) -> dict[int, int]:
        """Return the event that ends each note: its note-off, or the next note-on of its key."""
        ends: dict[int, int] = {}
        unended: dict[tuple[int, int], int] = {}
        for number, (event, _) in enumerate(self._given):
            if event.kind == 'cl':
                unended.clear()
            elif is_note_on(event) or is_note_off(event):
                if _key(event) in unended:
                    ends[unended.pop(_key(event))] = number
                if is_note_on(event):
                    unended[_key(event)] = number
        return ends

    def _others(
        self, numbers: Iterable[int], positions: Sequence[Position]
    ) -> Iterator[OtherEvent]:
        """Yield all events but notes; a clear releases the pedals that were pressed before it."""
        down: dict[int, int] = {}
        for number in sorted(numbers, key=positions.__getitem__):
            event, when = self._given[number][0], positions[number].when
            if event.kind == 'cl':
                for channel in [one for one, given in down.items() if given < number]:
                    del down[channel]
                    yield when, 'cc', (channel, SUSTAIN, 0)
            elif not is_note_on(event) and not is_note_off(event):
                yield when, event.kind, event.values
                if event.kind == 'cc' and event.values[1] == SUSTAIN:
                    down.pop(event.values[0], None)
                    if event.values[2] >= 64:
                        down[event.values[0]] = number


class Position(NamedTuple):
    """When an event is sent: at which poll, when it is due, its number, and the time (ns)."""

    poll: int
    due: int
    number: int
    when: int


def _key(event: TimedEvent) -> tuple[int, int]:
    return event.values[-1], event.values[0]


def _ends_all_of(channel: int, event: TimedEvent) -> bool:
    return event.kind == 'cc' and event.values in (
        (channel, ALL_SOUND_OFF, 0),
        (channel, ALL_NOTES_OFF, 0),
    )


def random_events(random: Random, now: int, grid: int, whole_notes: bool) -> Iterator[TimedEvent]:
    """Yield a few events near now, of any kind, or only whole notes and clears."""
    for _ in range(random.randrange(7)):
        time = (now // grid + random.randrange(-60, 250) * MILLISECOND // grid) * grid
        pitch, channel = random.choice(PITCHES), random.choice(CHANNELS)
        choice = random.random()
        if choice < 0.03:
            yield clear(time)
        elif whole_notes:
            end = time + random.choice((0, 1, 20, 200)) * MILLISECOND
            pair = note_on(time, pitch, random.choice((1, 30, 64, 100, 127)), channel)
            for _ in range(random.choice((1, 1, 1, 2))):  # some are repeated
                yield from (pair, note_off(end, pitch, channel))
        elif choice < 0.45:
            yield note_on(time, pitch, random.choice((1, 30, 64, 100, 127)), channel)
        elif choice < 0.75:
            yield note_off(time, pitch, channel)
        elif choice < 0.80:
            yield TimedEvent(time, 'nf', (pitch, 64, channel))
        elif choice < 0.90:
            yield control_change(time, SUSTAIN, random.choice((0, 127)), channel)
        elif choice < 0.95:
            yield control_change(time, random.choice((ALL_SOUND_OFF, ALL_NOTES_OFF)), 0, channel)
        else:
            yield TimedEvent(time, 'pc', (channel, 5))


def play_one(random: Random) -> tuple[int, int]:
    """Play one random schedule; return the numbers of notes given and played.

    Raises ScheduleFaultError.
    """
    whole_notes = random.random() < 0.5
    fixed = random.choice((0, 0, 20, 100)) * MILLISECOND
    latency = Latency(fixed, random.choice((None, DISKLAVIER)))
    tolerance = random.choice((0, 10, 200)) * MILLISECOND
    limit = random.choice((1, 4, UNLIMITED, UNLIMITED, UNLIMITED))
    schedule = NoteSchedule(tolerance, limit, latency)
    instrument = Instrument(tolerance)
    model = Model(fixed)
    given: Counter[tuple[int, ...]] = Counter()
    punctual = random.random() < 0.7  # otherwise the schedule is polled late
    grid = random.choice((1, 20)) * MILLISECOND  # on the coarse one, events coincide

    def play(now: int) -> None:
        model.poll(now)
        instrument.play(schedule.pop_due(now), now)

    def play_next(now: int) -> None:
        waiting = len(schedule)
        play(now)
        expect(len(schedule) < waiting, 'the schedule does not return a due event')

    def silence(now: int) -> None:
        model.silence(now)
        instrument.play(schedule.release_all(now), now)

    now = 0
    for _ in range(random.randrange(1, 7)):
        until = now + random.randrange(90) * MILLISECOND
        while punctual and (due := schedule.next_time()) is not None and due <= until:
            now = max(now, due)
            play_next(now)
        now = until
        events = list(random_events(random, now, grid, whole_notes))
        given.update(event.values for event in events if is_note_on(event))
        schedule.add(events, now)
        model.add(events)
        play(now)
        expect(
            set(schedule.sounding) == set(instrument.sounding),
            'the schedule does not know which notes sound',
        )
    ending = random.choice(ENDINGS)
    if ending == 'clear':
        last = now + random.randrange(300) * MILLISECOND
        schedule.clear(last)
        model.add([clear(last)])
    if ending == 'release':
        silence(now)
    while (due := schedule.next_time()) is not None:
        now = max(now, due)
        play_next(now)
    if ending == 'play on' and not whole_notes:
        # A note without a note-off sounds until the player stops.
        silence(now)
    expect(not instrument.sounding, 'a note hangs')
    if not (whole_notes and ending == 'play on'):
        expect(not instrument.pedals, 'a pedal hangs')
    check_account(schedule, instrument, given)
    if limit == UNLIMITED and latency.strike is None:
        check_performance(schedule, instrument, model)
    return sum(given.values()), sum(instrument.note_ons.values())


def check_performance(schedule: NoteSchedule, instrument: Instrument, model: Model) -> None:
    """Check that exactly what the model computes was played, at the same times."""
    notes, others, withdrawn, dropped = model.performance(schedule.late_tolerance)
    expect(sorted(instrument.played) == notes, 'other notes were played, or at other times')
    expect(
        sorted(instrument.others) == others, 'other control changes were sent, or at other times'
    )
    expect((schedule.withdrawn, schedule.dropped) == (withdrawn, dropped), 'a wrong count')


def check_account(schedule: NoteSchedule, instrument: Instrument, given: Counter) -> None:
    """Check that every note was played once, or is counted as not played."""
    expect(not instrument.note_ons - given, 'a note was played that was never given')
    played = sum(instrument.note_ons.values())
    not_played = schedule.dropped + schedule.refused + schedule.withdrawn
    # `refused` counts control changes too.
    controls = schedule.refused if schedule.limit < UNLIMITED else 0
    missing = sum(given.values()) - played - not_played
    expect(-controls <= missing <= 0, 'a note is not accounted for')


def play_batch(seeds: Sequence[int]) -> tuple[int, int, int]:
    """Play one schedule per seed; return the numbers of schedules, notes, and notes played."""
    notes = played = 0
    for seed in seeds:
        try:
            one = play_one(Random(seed))
        except ScheduleFaultError as wrong:
            raise ScheduleFaultError(f'seed {seed}: {wrong}') from wrong
        notes += one[0]
        played += one[1]
    return len(seeds), notes, played


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option(parser, '--schedules', 100_000, 'number of schedules to play')
    option(parser, '--processes', 2, 'number of processes')
    option(parser, '--seed', 0, 'seed of the first schedule')


def run(arguments: argparse.Namespace, result: Result) -> None:
    seeds = range(arguments.seed, arguments.seed + arguments.schedules)
    batches = [seeds[start : start + BATCH] for start in range(0, len(seeds), BATCH)]
    table = result.table(
        'Random schedules',
        Column('schedules', ',d', 12),
        Column('notes', ',d', 12),
        Column('played', ',d', 12),
        Column('seconds', '.0f'),
    )
    began = time.monotonic()
    with Pool(arguments.processes) as pool:
        try:
            results = list(pool.imap_unordered(play_batch, batches))
        except ScheduleFaultError as wrong:
            result.fault(str(wrong))
            return
    table.add(*map(sum, zip(*results, strict=True)), time.monotonic() - began)
