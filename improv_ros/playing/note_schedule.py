# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""
The schedule of an output: which event to send when. It has no clock and no thread.

A note-on and its note-off belong together, so both are withdrawn, dropped or refused, and no note
hangs. Events are due earlier than they sound by the latency of the output.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import heapq
from typing import NamedTuple

from improv_ros.event_text import (
    PEDALS,
    SECOND,
    LatencyCurve,
    TimedEvent,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
)
from improv_ros.playing import PlayingError

MAX_VELOCITY = 127
MAX_STRIKE_LATENCY = 1.0  # seconds

# (velocity, seconds). The Disklavier's is a published one, of which no source is recorded here:
# measure your instrument.
PROFILES = {'disklavier': ((10, 0.155), (100, 0.0))}


@dataclass(frozen=True)
class Latency:
    """
    The time from sending an event to its sound.

    fixed: nanoseconds, of every event.
    strike: nanoseconds added for a note-on, by its velocity: a hammer moves slowly to a soft blow.
        None adds nothing.
    """

    fixed: int = 0
    strike: LatencyCurve | None = None

    def of(self, event: TimedEvent) -> int:
        """Return the nanoseconds from sending an event to its sound."""
        if self.strike and is_note_on(event):
            return self.fixed + self.strike(event.values[1])
        return self.fixed


NO_LATENCY = Latency()


def strike_latency(profile: str) -> LatencyCurve | None:
    """
    Return the strike latency that a parameter describes.

    profile: '' (none), the name of a profile ('disklavier'), or a list of velocity:seconds such
        as '10:0.155, 60:0.07, 100:0'. Raises PlayingError that says what is wrong with any other.
    """
    if not profile:
        return None
    points = PROFILES.get(profile) or _parse(profile)
    return LatencyCurve((velocity, round(seconds * SECOND)) for velocity, seconds in points)


def _parse(profile: str) -> list[tuple[int, float]]:
    points = []
    for part in profile.split(','):
        velocity, _, seconds = part.partition(':')
        try:
            points.append((int(velocity), float(seconds)))
        except ValueError:
            raise PlayingError(
                f'strike latency {profile!r}: {part.strip()!r} is not velocity:seconds; '
                f'write 10:0.155, 100:0 or one of {", ".join(PROFILES)}'
            ) from None
    if len(dict(points)) < len(points):
        raise PlayingError(f'strike latency {profile!r} has a velocity twice')
    for point, latency in points:
        if not (0 <= point <= MAX_VELOCITY and 0 <= latency <= MAX_STRIKE_LATENCY):
            raise PlayingError(
                f'strike latency {profile!r}: {point}:{latency:g} is out of range; '
                f'a velocity is 0 to {MAX_VELOCITY}, a latency 0 to {MAX_STRIKE_LATENCY:g} s'
            )
    return points


DEFAULT_LIMIT = 65536

# All sound off, all notes off, and the mode messages (MIDI 1.0), which end all notes too.
NOTE_ENDING_CONTROLLERS = frozenset({120, 123, 124, 125, 126, 127})
FILE_KINDS = frozenset({'st', 'mt'})  # meta messages, which an instrument does not understand

# Latency compensation never sends two note-ons of a key closer than this (ns).
MIN_REPEAT = 30_000_000

WAITING, SOUNDING, DONE = range(3)


class _Note:
    __slots__ = ('due', 'key', 'order', 'state', 'time')

    def __init__(self, key: tuple[int, int], time: int, due: int, order: int) -> None:
        self.key = key  # (channel, pitch)
        self.time = time  # when it is to sound
        self.due = due  # when its note-on is sent
        self.order = order
        self.state = WAITING


class _Entry(NamedTuple):
    due: int  # when it is sent
    order: int  # in which it was added
    event: TimedEvent  # its time is when it is to sound
    note: _Note | None


class NoteSchedule:
    """
    Takes events in any order and returns them in time; every note that sounds is released.

    All times are nanoseconds of one monotonic clock.

    late_tolerance: a note that is due longer ago than this is dropped, with its note-off. All
        other late events (note-offs, pedals, programs) are returned at once.
    limit: the most events that wait; a further note or control change is refused and counted.
        Note-offs and pedal-ups of accepted events are always accepted.
    latency: events are due before their times by this latency. If soft notes are due earlier
        than loud ones, a note-on never overtakes the note before it on its key, nor a program
        change or an all-notes-off of its channel: it is then due later, but not after its time
        less the fixed latency. A key that still sounds is released right before it is struck
        again. No other event changes its place.
    """

    def __init__(
        self,
        late_tolerance: int,
        limit: int = DEFAULT_LIMIT,
        latency: Latency = NO_LATENCY,
    ) -> None:
        self.late_tolerance = late_tolerance
        self.limit = limit
        self.latency = latency
        self.late = 0  # notes that were already due when they were added
        self.dropped = 0  # notes that were later than `late_tolerance`
        self.refused = 0  # events that were added when the schedule was full
        self.withdrawn = 0  # notes that were withdrawn before they were returned
        self.channels: set[int] = set()  # channels of all notes returned so far
        self._pending: list[_Entry] = []
        self._order = 0
        self._unended: dict[tuple[int, int], _Note] = {}  # their note-offs were not added yet
        self._latest: dict[tuple[int, int], _Note] = {}  # added last on each key
        self._barriers: dict[int, int] = {}  # channel: no note-on may be sent before this time
        self._unlifted_pedals: set[tuple[int, int]] = set()  # their pedal-ups were not added yet
        self._sounding: dict[tuple[int, int], _Note] = {}
        self._pedals_down: dict[tuple[int, int], int] = {}  # pedal: order of the press

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def sounding(self) -> list[tuple[int, int]]:
        """The (channel, pitch) of the notes that sound now."""
        return list(self._sounding)

    def add(self, events: Iterable[TimedEvent], now: int) -> None:
        """
        Add events; `now` decides which are late. A `cl` withdraws events added before it.

        A note-off without a note-on is ignored. A second note-on of a key without a note-off in
        between ends the first note.
        """
        for event in events:
            if event.kind == 'cl':
                self.clear(event.time)
            elif is_note_on(event):
                self._add_note_on(event, now)
            elif is_note_off(event):
                note = self._unended.pop(_key(event), None)
                if note is not None and note.state != DONE:
                    self._push(event, note)
            elif event.kind not in FILE_KINDS:
                self._add_control(event)

    def clear(self, time: int) -> None:
        """
        Withdraw all events at or after `time`, and release then all that sounds, and all pedals.

        Events added after the clear stay. If the schedule is still full, events before `time` are
        withdrawn as well.
        """
        self._withdraw(time)
        if len(self._pending) >= self.limit:
            self._withdraw(None)
        self._push(TimedEvent(time, 'cl', ()), None)

    def next_time(self) -> int | None:
        """Return when the next event is due; None if none waits."""
        return self._pending[0].due if self._pending else None

    def pop_due(self, now: int) -> list[TimedEvent]:
        """
        Return the events to send now, in order; their times are when they were due.

        A note-on is returned only for a key that does not sound, a note-off only for one that
        does.
        """
        due: list[TimedEvent] = []
        while self._pending and self._pending[0].due <= now:
            time, order, (_, kind, values), note = heapq.heappop(self._pending)
            event = TimedEvent(time, kind, values)
            if kind == 'cl':
                due += self._release_older(time, order)
            elif note is None:
                due += self._play_control(event, order)
            elif is_note_on(event):
                if note.state == DONE or now - time > self.late_tolerance:
                    note.state = DONE
                    self.dropped += 1
                else:
                    due += self._begin_note(event, note)
            elif note.state == SOUNDING:
                due += self._end_notes([note.key], time, event)
            else:
                note.state = DONE
        return due

    def release_all(self, now: int) -> list[TimedEvent]:
        """Withdraw everything; return the events that release all notes and pedals."""
        self._withdraw(None)
        return self._release_older(now, self._order)

    def _withdraw(self, time: int | None) -> None:
        """Withdraw the events at `time` or later; None withdraws all."""
        kept = []
        for entry in self._pending:
            if time is not None and entry.event.time < time:
                kept.append(entry)
            elif entry.note and is_note_on(entry.event):
                entry.note.state = DONE
                self.withdrawn += 1
        heapq.heapify(kept)
        self._pending = kept
        self._unended.clear()
        self._unlifted_pedals.clear()
        self._barriers = {
            channel: barrier
            for channel, barrier in self._barriers.items()
            if time is not None and barrier < time
        }

    def _push(self, event: TimedEvent, note: _Note | None, due: int | None = None) -> None:
        if due is None:
            due = event.time - self.latency.fixed
        heapq.heappush(self._pending, _Entry(due, self._order, event, note))
        self._order += 1

    def _due(self, event: TimedEvent, key: tuple[int, int]) -> int:
        """Return when a note-on is due: not before the events that it may not overtake."""
        latest = event.time - self.latency.fixed
        due = event.time - self.latency.of(event)
        before = self._latest.get(key)
        if before and before.state != DONE and before.time <= event.time:
            due = max(due, before.due + MIN_REPEAT)
        barrier = self._barriers.get(key[0])
        if barrier is not None and barrier <= event.time:
            due = max(due, barrier - self.latency.fixed)
        return min(due, latest)

    def _add_note_on(self, event: TimedEvent, now: int) -> None:
        key = _key(event)
        due = self._due(event, key)
        note = _Note(key, event.time, due, self._order)
        earlier = self._unended.get(key)
        if earlier is not None and earlier.state != DONE:
            self._push(note_off(event.time, key[1], key[0]), earlier)
        self._unended[key] = note
        if len(self._pending) >= self.limit:
            note.state = DONE
            self.refused += 1
            return
        if due < now:
            self.late += 1
        self._latest[key] = note
        self._push(event, note, due)

    def _add_control(self, event: TimedEvent) -> None:
        pedal = _pedal(event)
        if pedal in self._unlifted_pedals and event.values[2] < 64:
            self._unlifted_pedals.remove(pedal)
        elif len(self._pending) >= self.limit:
            self.refused += 1
            return
        elif pedal is not None and event.values[2] >= 64:
            self._unlifted_pedals.add(pedal)
        elif _is_barrier(event):
            channel = event.values[0]
            self._barriers[channel] = max(event.time, self._barriers.get(channel, event.time))
        self._push(event, None)

    def _play_control(self, event: TimedEvent, order: int) -> list[TimedEvent]:
        pedal = _pedal(event)
        if pedal is not None:
            if event.values[2] >= 64:
                self._pedals_down[pedal] = order
            else:
                self._pedals_down.pop(pedal, None)
        elif _ends_notes(event):
            keys = [key for key in self._sounding if key[0] == event.values[0]]
            return [*self._end_notes(keys, event.time), event]
        return [event]

    def _begin_note(self, event: TimedEvent, note: _Note) -> list[TimedEvent]:
        ended = self._end_notes([note.key] if note.key in self._sounding else [], event.time)
        note.state = SOUNDING
        self._sounding[note.key] = note
        self.channels.add(note.key[0])
        return [*ended, event]

    def _end_notes(
        self, keys: list[tuple[int, int]], time: int, event: TimedEvent | None = None
    ) -> list[TimedEvent]:
        for key in keys:
            self._sounding.pop(key).state = DONE
        return [event] if event else [note_off(time, pitch, channel) for channel, pitch in keys]

    def _release_older(self, time: int, order: int) -> list[TimedEvent]:
        """Return the releases of notes and pedals that were added before `order`."""
        keys = [key for key, note in self._sounding.items() if note.order < order]
        pedals = sorted(pedal for pedal, down in self._pedals_down.items() if down < order)
        for pedal in pedals:
            del self._pedals_down[pedal]
        lifted = [control_change(time, controller, 0, channel) for channel, controller in pedals]
        return self._end_notes(keys, time) + lifted


def _key(event: TimedEvent) -> tuple[int, int]:
    pitch, _, channel = event.values
    return channel, pitch


def _pedal(event: TimedEvent) -> tuple[int, int] | None:
    """Return (channel, controller) if an event moves a pedal, else None."""
    if event.kind != 'cc' or event.values[1] not in PEDALS:
        return None
    return event.values[0], event.values[1]


def _ends_notes(event: TimedEvent) -> bool:
    return event.kind == 'cc' and event.values[1] in NOTE_ENDING_CONTROLLERS


def _is_barrier(event: TimedEvent) -> bool:
    """Return whether note-ons may not be moved to before this event."""
    return event.kind == 'pc' or _ends_notes(event)
