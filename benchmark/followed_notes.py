# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Music in which each note can be followed, and counts of what became of it in the chain."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from itertools import count

from improv_ros.event_text import (
    LIVE_LIMITS,
    SECOND,
    EventTextError,
    TimedEvent,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
    parse,
    to_timed,
)

MILLISECOND = 1_000_000
PITCHES = 88
SOFTEST, VELOCITIES = 20, 95  # the body piano_88 plays these unchanged


def music(rate: float, start: int) -> Iterator[TimedEvent]:
    """Yield note-ons and note-offs without end, `rate` notes per second, eight keys at a time."""
    step = SECOND / rate
    sounding: list[int] = []
    for index in count():
        time = start + round(index * step / MILLISECOND) * MILLISECOND
        if len(sounding) == 8:
            yield note_off(time, sounding.pop(0))
        pitch = 21 + index % PITCHES
        sounding.append(pitch)
        yield note_on(time, pitch, SOFTEST + index % VELOCITIES)


class Source:
    """Returns the events of the music as they become due, and at the end releases every key."""

    def __init__(self, rate: float, start: int) -> None:
        self._music = music(rate, start)
        self._next = next(self._music)
        self._held: dict[int, None] = {}

    def until(self, time: int) -> list[TimedEvent]:
        """Return the events before a time."""
        events = []
        while self._next.time < time:
            events.append(self._next)
            pitch = self._next.values[0]
            if is_note_on(self._next):
                self._held[pitch] = None
            else:
                del self._held[pitch]
            self._next = next(self._music)
        return events

    def end(self) -> list[TimedEvent]:
        """Return the note-offs of the pressed keys."""
        return [note_off(self._next.time, pitch) for pitch in self._held]


class Pairs:
    """Counts the notes in one place; each pressed key must be released once.

    A key that was pressed before the count began may be released, too.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes = 0
        self.unpaired = 0
        self._held: dict[tuple[int, int], bool] = {}  # (channel, pitch): whether it is pressed

    def take(self, events: Iterable[TimedEvent]) -> None:
        """Count the next events; those that are not notes are skipped."""
        for event in events:
            if is_note_on(event) or is_note_off(event):
                key, pressed = (event.values[2], event.values[0]), is_note_on(event)
                self.unpaired += self._held.get(key) is pressed
                self._held[key] = pressed
                self.notes += pressed

    @property
    def hanging(self) -> int:
        """The number of pressed keys."""
        return sum(self._held.values())

    def faults(self) -> list[str]:
        """Return what is wrong at the end."""
        found = {'events without their pair': self.unpaired, 'notes hang': self.hanging}
        return [f'{self.name}: {number} {what}' for what, number in found.items() if number]


class Stage:
    """Follows notes through a stage of the chain: every one that enters must leave.

    Events of one channel, pitch and velocity are alike; the first that entered is the first that
    leaves. Either side may be told first. `lateness` gathers, for each note that has left, its
    time there minus its time at the entrance (ns).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes_in = self.notes_out = 0
        self.lateness: list[int] = []
        self._entered: defaultdict[tuple[int, ...], deque[int]] = defaultdict(deque)
        self._left: defaultdict[tuple[int, ...], deque[int]] = defaultdict(deque)

    @property
    def under_way(self) -> int:
        """The number of events that have entered and not left."""
        return sum(map(len, self._entered.values()))

    def enter(self, events: Iterable[TimedEvent]) -> None:
        """Add events that enter; events that are not notes are skipped."""
        self.notes_in += self._take(events, self._entered)

    def leave(self, events: Iterable[TimedEvent]) -> None:
        """Add events that leave; events that are not notes are skipped."""
        self.notes_out += self._take(events, self._left)

    def faults(self) -> list[str]:
        """Return what is wrong when all should have left."""
        invented = sum(map(len, self._left.values()))
        found = {'events lost': self.under_way, 'events that never entered': invented}
        return [f'{self.name}: {number} {what}' for what, number in found.items() if number]

    def _take(
        self, events: Iterable[TimedEvent], side: defaultdict[tuple[int, ...], deque[int]]
    ) -> int:
        notes = 0
        for event in events:
            if not is_note_on(event) and not is_note_off(event):
                continue
            pitch, velocity, channel = event.values
            begins = is_note_on(event)
            alike = (channel, pitch, velocity if begins else 0)
            side[alike].append(event.time)
            notes += begins
            if self._entered[alike] and self._left[alike]:
                late = self._left[alike].popleft() - self._entered[alike].popleft()
                if begins:
                    self.lateness.append(late)
        return notes


class Sequence:
    """The messages of one publisher on a note topic, none of which may be missing."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.messages = 0
        self._wrong: Counter[str] = Counter()
        self._next: int | None = None

    def read(self, text: str) -> list[TimedEvent]:
        """Return the events of a message unchanged; count what is wrong with its number."""
        try:
            message = parse(text, LIVE_LIMITS)
        except EventTextError:
            self._wrong['malformed'] += 1
            return []
        number = message.sequence
        if number is None:
            self._wrong['without a number'] += 1
            return []
        self.messages += 1
        if self._next is not None and number > self._next:
            self._wrong['lost'] += number - self._next
        elif self._next is not None and number < self._next:
            self._wrong['repeated or restarted'] += 1
        self._next = number + 1
        return to_timed(message)

    def faults(self) -> list[str]:
        """Return what is wrong."""
        return [f'{self.topic}: {number} messages {what}' for what, number in self._wrong.items()]
