# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The events of a session, and the latencies that follow from them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from improv_ros.event_text import SECOND, TimedEvent, is_note_off, is_note_on
from improv_ros.nodes.common.latency_figures import percentile


class Arrival(NamedTuple):
    """An event and the time when its message arrived; both in local time, nanoseconds."""

    event: TimedEvent
    received: int


class Note(NamedTuple):
    """A note; times in nanoseconds."""

    start: int
    end: int
    pitch: int
    velocity: int


class Pose(NamedTuple):
    """The positions of all joints of a robot at one local time, in nanoseconds."""

    time: int
    positions: tuple[float, ...]


SHORTEST_PAUSE = 3 * SECOND // 10  # before an answer, by default (ns)


@dataclass
class Session:
    """
    The events of the note topics in order of arrival, and the local time of the first sound.

    joints, poses: of the robot: the names of its joints, and where they were.
    """

    began: int | None = None
    heard: list[Arrival] = field(default_factory=list)
    confirmed: list[Arrival] = field(default_factory=list)
    generated: list[Arrival] = field(default_factory=list)
    played: list[Arrival] = field(default_factory=list)
    joints: tuple[str, ...] = ()
    poses: list[Pose] = field(default_factory=list)

    def transcription_latencies(self) -> list[int]:
        """Return for each heard note the time from its onset to its message, in ns."""
        return _onset_latencies(self.heard)

    def confirmation_latencies(self) -> list[int]:
        """Return for each confirmed note the time from its onset to its message, in ns."""
        return _onset_latencies(self.confirmed)

    def answer_latencies(self, pause: int = 0) -> list[int]:
        """Return for each answer the time from the end of the phrase to its first message, in ns.

        A phrase ends `pause` ns after its last heard event.
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

    def yield_latencies(self, pause: int = SHORTEST_PAUSE) -> list[int]:
        """Return the time from a note of the person, while the robot plays, to its `cl`, in ns.

        Notes of the robot that begin `pause` ns after that note or later are a new answer.
        """
        delays = []
        answer: list[int] = []  # times of the events of the present answer
        interrupted: int | None = None  # when the person interrupted the answer
        heard = [(a.received, True, a.event) for a in self.heard if is_note_on(a.event)]
        generated = [(a.received, False, a.event) for a in self.generated]
        for received, by_person, event in sorted([*heard, *generated], key=itemgetter(0)):
            if by_person:
                if answer and received >= max(answer):
                    answer.clear()
                elif answer and min(answer) <= received and interrupted is None:
                    interrupted = received
            elif event.kind == 'cl':
                if interrupted is not None:
                    delays.append(received - interrupted)
                answer.clear()
                interrupted = None
            else:
                answer.append(event.time)
                if interrupted is not None and event.time >= interrupted + pause:
                    interrupted = None
        return delays

    def lateness(self) -> list[int]:
        """Return for each played note its time of sending minus the time it was due, in ns."""
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


def _onset_latencies(arrivals: list[Arrival]) -> list[int]:
    return [a.received - a.event.time for a in arrivals if is_note_on(a.event)]


def paired(events: Iterable[TimedEvent]) -> list[Note]:
    """Return the notes of events, sorted; a `cl` ends sounding notes and removes later ones."""
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
            begun = sounding.pop((event.values[0], event.values[2]), None)
            if begun:
                notes.append(Note(begun.time, event.time, *begun.values[:2]))
    return sorted(notes)


def describe(values: list[int]) -> str:
    """Return the median and the 95th percentile as text."""
    if not values:
        return 'none'
    return f'{percentile(values, 0.5):.1f} ms median, {percentile(values, 0.95):.1f} ms p95'
