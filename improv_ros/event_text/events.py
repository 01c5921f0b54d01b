# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Events: a line of event text, an event at an absolute time, a whole text; held notes; errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

SECOND = 1_000_000_000  # nanoseconds
SUSTAIN = 64  # the controller number of the sustain pedal
LINE_SHOWN = 80  # characters of a malformed line that its error quotes


class EventTextError(ValueError):
    """A malformed line: its number (from 1), its text (cut to 80 characters) and the reason."""

    def __init__(self, line_number: int, line: str, reason: str) -> None:
        line = line if len(line) <= LINE_SHOWN else line[:LINE_SHOWN] + '...'
        super().__init__(line_number, line, reason)
        self.line_number = line_number
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return f'line {self.line_number}, {self.line!r}: {self.reason}'


class TimestampOutOfRangeError(EventTextError):
    """A live message with an event further than `HORIZON` from now."""


class Event(NamedTuple):
    """One line of event text.

    `values` are all fields in the order of the text: (pitch, velocity, channel) for `no` and `nf`,
    (beats per minute, microseconds per quarter note) for `st`, (channel, controller, value) for
    `cc`, (bytes,) for `sx` and `sy`, (type, bytes) for `mt`, () for `cl`.
    """

    delta: int  # ticks after the event before it in the same track
    kind: str
    values: tuple


class TimedEvent(NamedTuple):
    """An event at an absolute time, in nanoseconds of a clock that the user chooses."""

    time: int
    kind: str
    values: tuple


@dataclass
class Text:
    """A whole event text. A live message also has `at`, `sequence` and, usually, `publisher`."""

    resolution: int  # ticks per quarter note
    tracks: list[list[Event]] = field(default_factory=lambda: [[]])  # never empty
    at: int | None = None  # time of tick zero, nanoseconds
    sequence: int | None = None
    publisher: str | None = None  # tells the publishers of one topic apart

    @property
    def events(self) -> list[Event]:
        """The events of a text of one track; ValueError where there are more."""
        if len(self.tracks) != 1:
            raise ValueError(f'the text has {len(self.tracks)} tracks, not one')
        return self.tracks[0]


def note_on(time: int, pitch: int, velocity: int, channel: int = 0) -> TimedEvent:
    """Return a note-on."""
    return TimedEvent(time, 'no', (pitch, velocity, channel))


def note_off(time: int, pitch: int, channel: int = 0) -> TimedEvent:
    """Return a note-off in its usual form, `no` with velocity 0."""
    return TimedEvent(time, 'no', (pitch, 0, channel))


def control_change(time: int, controller: int, value: int, channel: int = 0) -> TimedEvent:
    """Return a control change."""
    return TimedEvent(time, 'cc', (channel, controller, value))


def clear(time: int) -> TimedEvent:
    """Return a `cl`, which withdraws later events and releases sounding notes."""
    return TimedEvent(time, 'cl', ())


def is_note_on(event: Event | TimedEvent) -> bool:
    """Return whether the event begins a note."""
    return event.kind == 'no' and event.values[1] > 0


def is_note_off(event: Event | TimedEvent) -> bool:
    """Return whether the event ends a note: an `nf`, or a `no` with velocity 0."""
    return event.kind == 'nf' or (event.kind == 'no' and event.values[1] == 0)


# Controllers: sustain, sostenuto, soft, hold 2 (MIDI 1.0 specification, table of controllers).
PEDALS = frozenset({SUSTAIN, 66, 67, 69})


class HeldNotes:
    """
    The keys and pedals that a stream of events holds down.

    keys: maps (channel, pitch) to the note-on that pressed the key.
    pedals: maps (channel, controller) to the latest control change; its value is above 0.
    """

    def __init__(self) -> None:
        self.keys: dict[tuple[int, int], TimedEvent] = {}
        self.pedals: dict[tuple[int, int], TimedEvent] = {}

    def update(self, event: TimedEvent) -> None:
        """Follow one event of the stream; events that move no key and no pedal change nothing."""
        if is_note_on(event):
            pitch, _, channel = event.values
            self.keys[channel, pitch] = event
        elif is_note_off(event):
            pitch, _, channel = event.values
            self.keys.pop((channel, pitch), None)
        elif event.kind == 'cc' and event.values[1] in PEDALS:
            channel, controller, value = event.values
            if value:
                self.pedals[channel, controller] = event
            else:
                self.pedals.pop((channel, controller), None)

    def release_all(self, time: int) -> list[TimedEvent]:
        """
        Return the events that release every key and pedal, in the order of time.

        Each is at `time`, or at the time of the press if that is later. Then nothing is held.
        """
        releases = [
            note_off(max(time, pressed.time), pitch, channel)
            for (channel, pitch), pressed in sorted(self.keys.items())
        ]
        releases += [
            control_change(max(time, pressed.time), controller, 0, channel)
            for (channel, controller), pressed in sorted(self.pedals.items())
        ]
        self.keys.clear()
        self.pedals.clear()
        return sorted(releases, key=attrgetter('time'))
