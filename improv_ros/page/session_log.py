# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The session so far: what a browser that comes late is shown, and what can be kept of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from io import BytesIO
from typing import Any, NamedTuple

from improv_ros.event_text import (
    Text,
    TimedEvent,
    format_text,
    from_timed,
    is_note_off,
    is_note_on,
    text_to_midi,
    write_midi,
)
from improv_ros.event_text.events import SUSTAIN
from improv_ros.event_text.tempo import LIVE_RESOLUTION

SECOND = 1_000_000_000
PAST = 45 * SECOND  # what a browser shows of the past, at the most
LONGEST_PAST = 8000  # events
LONGEST_LOG = 200_000  # events; about three hours of busy playing

# A source is a letter on the wire, and a topic: who says what is played.
SOURCES = {
    'heard_notes': 'h',
    'confirmed_notes': 'c',
    'generated_notes': 'g',
    'performed_notes': 'b',
    'strikes': 's',
    'played_notes': 'p',
}


def wire_event(source: str, event: TimedEvent, epoch: int) -> list[Any] | None:
    """Return an event as browsers get it: [source, kind, pitch or value, velocity, ms].

    The kinds are n (note; velocity 0 ends it), c (sustain pedal) and x (all from here on is
    withdrawn); None for what a browser does not show.
    """
    ms = round((event.time - epoch) / 1e6, 1)
    if is_note_on(event):
        return [source, 'n', event.values[0], event.values[1], ms]
    if is_note_off(event):
        return [source, 'n', event.values[0], 0, ms]
    if event.kind == 'cc' and event.values[1] == SUSTAIN:
        return [source, 'c', event.values[2], 0, ms]
    if event.kind == 'cl':
        return [source, 'x', 0, 0, ms]
    return None


class RecentEvents:
    """The wire events of the last while, and the beginnings of what sounds from before it."""

    def __init__(self) -> None:
        self._events: deque[list[Any]] = deque()
        self._open: dict[tuple[str, int], list[Any]] = {}  # began before the first of _events

    def add(self, event: list[Any], now_ms: float) -> None:
        """Take in an event."""
        self._events.append(event)
        while len(self._events) > LONGEST_PAST or self._events[0][4] < now_ms - PAST / 1e6:
            self._forget(self._events.popleft())

    def all(self) -> list[list[Any]]:
        """Return what a browser needs to show the present and the recent past."""
        return [*self._open.values(), *self._events]

    def _forget(self, event: list[Any]) -> None:
        source, kind, pitch, velocity, _ = event
        if kind == 'n' and velocity:
            self._open[source, pitch] = event
        elif kind == 'n':
            self._open.pop((source, pitch), None)
        elif kind == 'x':
            self._open = {key: old for key, old in self._open.items() if key[0] != source}


class Logged(NamedTuple):
    """Events of one message: their topic, when they came and when they are (ROS time, ns)."""

    topic: str
    received: int
    events: list[TimedEvent]


class SessionLog:
    """All events of the session, the oldest forgotten where they are too many."""

    def __init__(self, longest: int = LONGEST_LOG) -> None:
        self._longest = longest
        self._entries: deque[Logged] = deque()
        self._count = 0
        self.forgotten = 0

    def add(self, topic: str, received: int, events: Iterable[TimedEvent]) -> None:
        """Take in the events of a message."""
        entry = Logged(topic, received, list(events))
        self._entries.append(entry)
        self._count += len(entry.events)
        while self._count > self._longest:
            gone = len(self._entries.popleft().events)
            self._count -= gone
            self.forgotten += gone

    def entries(self) -> list[Logged]:
        """Return all that is kept, in the order of arrival."""
        return list(self._entries)


def events_of(entries: Iterable[Logged], topic: str) -> list[TimedEvent]:
    """Return the events of one topic, in the order of time."""
    events = [event for entry in entries if entry.topic == topic for event in entry.events]
    return sorted((e for e in events if e.kind != 'cl'), key=lambda event: event.time)


def as_text(entries: list[Logged]) -> str:
    """Return what was heard and what was played as event text of two tracks."""
    return format_text(_two_tracks(entries))


def as_midi(entries: list[Logged]) -> bytes:
    """Return a MIDI file of two tracks: the person, and the robot."""
    file = BytesIO()
    write_midi(text_to_midi(_two_tracks(entries)), file)
    return file.getvalue()


def _two_tracks(entries: list[Logged]) -> Text:
    parts = [events_of(entries, topic) for topic in ('heard_notes', 'played_notes')]
    began = min((events[0].time for events in parts if events), default=0)
    beginning = TimedEvent(began, 'pc', (0, 0))
    return Text(LIVE_RESOLUTION, [from_timed([beginning, *part]).events for part in parts])
