"""Events: one line of event text, the same at an absolute time, and a whole text of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

SUSTAIN = 64  # the controller of the sustain pedal


class Event(NamedTuple):
    """One line of event text.

    `values` are the fields in the order of the text, none left out: `no` and `nf` hold
    (pitch, velocity, channel), `st` (beats per minute, microseconds per quarter note),
    `cc` (channel, controller, value), `sx` and `sy` (bytes,), `mt` (type, bytes), `cl` ().
    """

    delta: int  # ticks after the event before it in the same track
    kind: str
    values: tuple


class TimedEvent(NamedTuple):
    """An event at an absolute time, in nanoseconds of whatever clock its user goes by."""

    time: int
    kind: str
    values: tuple


@dataclass
class Text:
    """A whole event text; a live message has `at` and `sequence` as well."""

    resolution: int  # ticks per quarter note
    tracks: list[list[Event]] = field(default_factory=lambda: [[]])  # never empty
    at: int | None = None  # time of tick zero, nanoseconds
    sequence: int | None = None

    @property
    def events(self) -> list[Event]:
        """The events of a text of one track; ValueError where there are more."""
        if len(self.tracks) != 1:
            raise ValueError(f'the text has {len(self.tracks)} tracks, not one')
        return self.tracks[0]


def note_on(time: int, pitch: int, velocity: int, channel: int = 0) -> TimedEvent:
    """Return a note's beginning."""
    return TimedEvent(time, 'no', (pitch, velocity, channel))


def note_off(time: int, pitch: int, channel: int = 0) -> TimedEvent:
    """Return a note's end, as the language writes it most often: `no` with velocity 0."""
    return TimedEvent(time, 'no', (pitch, 0, channel))


def control_change(time: int, controller: int, value: int, channel: int = 0) -> TimedEvent:
    """Return a control change."""
    return TimedEvent(time, 'cc', (channel, controller, value))


def clear(time: int) -> TimedEvent:
    """Return what withdraws everything from this time on and releases what sounds."""
    return TimedEvent(time, 'cl', ())


def is_note_on(event: Event | TimedEvent) -> bool:
    """Tell whether the event begins a note."""
    return event.kind == 'no' and event.values[1] > 0


def is_note_off(event: Event | TimedEvent) -> bool:
    """Tell whether the event ends a note: an `nf`, or a `no` with velocity 0."""
    return event.kind == 'nf' or (event.kind == 'no' and event.values[1] == 0)
