"""What went over the topics of a session, and the latencies that follow from it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from improv_ros.event_text import TimedEvent, is_note_off, is_note_on


class Arrival(NamedTuple):
    """An event and when its message came; both in the observer's time, nanoseconds."""

    event: TimedEvent
    received: int


class Note(NamedTuple):
    """A note with both ends, in nanoseconds."""

    start: int
    end: int
    pitch: int
    velocity: int


@dataclass
class Session:
    """The note topics, in order of arrival, and when the recording began (in that time, ns)."""

    began: int | None = None
    heard: list[Arrival] = field(default_factory=list)
    generated: list[Arrival] = field(default_factory=list)
    played: list[Arrival] = field(default_factory=list)

    def hearing(self) -> list[int]:
        """Return for each heard note the time from its onset to its message (ns)."""
        return [a.received - a.event.time for a in self.heard if is_note_on(a.event)]

    def answering(self, pause: int) -> list[int]:
        """Return for each answer the time it took to begin (ns).

        It runs from the moment when the phrase was over, which is `pause` after the last heard
        event, to the answer's first message.
        """
        delays = []
        heard = [a for a in self.heard if is_note_on(a.event) or is_note_off(a.event)]
        answered = -1
        for arrival in self.generated:
            before = sum(a.received < arrival.received for a in heard)
            if before > answered and before and is_note_on(arrival.event):
                answered = before
                delays.append(arrival.received - heard[before - 1].event.time - pause)
        return delays

    def yielding(self) -> list[int]:
        """Return for each withdrawal the time from the message that caused it (ns)."""
        delays = []
        for arrival in self.generated:
            causes = [
                a.received
                for a in self.heard
                if is_note_on(a.event) and a.received <= arrival.received
            ]
            if arrival.event.kind == 'cl' and causes:
                delays.append(arrival.received - causes[-1])
        return delays

    def lateness(self) -> list[int]:
        """Return for each played note how much later it was sent than it was due (ns)."""
        due: dict[int, deque[int]] = defaultdict(deque)
        for note in paired(a.event for a in self.generated):
            due[note.pitch].append(note.start)
        late = []
        for arrival in self.played:
            if is_note_on(arrival.event):
                waiting = due[arrival.event.values[0]]
                if waiting:
                    late.append(arrival.event.time - waiting.popleft())
        return late


def paired(events: Iterable[TimedEvent]) -> list[Note]:
    """Join note-ons and note-offs; a clear ends what sounds and withdraws what was to come."""
    notes: list[Note] = []
    sounding: dict[tuple[int, int], TimedEvent] = {}
    for event in events:
        if event.kind == 'cl':
            for start in sounding.values():
                notes.append(Note(start.time, event.time, *start.values[:2]))
            sounding.clear()
            notes = [
                note._replace(end=min(note.end, event.time))
                for note in notes
                if note.start < event.time
            ]
        elif is_note_on(event):
            sounding[event.values[0], event.values[2]] = event
        elif is_note_off(event):
            start = sounding.pop((event.values[0], event.values[2]), None)
            if start:
                notes.append(Note(start.time, event.time, *start.values[:2]))
    return sorted(notes)


def percentile(values: list[int], share: float) -> float:
    """Return in milliseconds what a `share` (0 to 1) of the values (ns) stays within."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] / 1e6


def describe(values: list[int]) -> str:
    """Return median and 95th percentile for a reader."""
    if not values:
        return 'none'
    return f'{percentile(values, 0.5):.1f} ms median, {percentile(values, 0.95):.1f} ms p95'
