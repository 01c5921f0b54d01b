"""What goes in must come out: notes followed through a stage of the chain, messages by number."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable

from improv_ros.event_text import (
    LIVE_LIMITS,
    EventTextError,
    TimedEvent,
    is_note_off,
    is_note_on,
    parse,
    to_timed,
)

Key = tuple[int, int]  # channel, pitch


class Pairs:
    """Note-ons and note-offs in one place, in order: each pressed key must be released, once.

    A key that was pressed before anybody counted may be released, too.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes = 0
        self.unpaired = 0
        self._held: dict[Key, bool] = {}  # every key that was ever pressed: whether it is now

    def take(self, events: Iterable[TimedEvent]) -> None:
        """Take in what comes next; what are no notes is left out."""
        for event in events:
            if is_note_on(event) or is_note_off(event):
                key, pressed = _key(event), is_note_on(event)
                self.unpaired += self._held.get(key) is pressed
                self._held[key] = pressed
                self.notes += pressed

    @property
    def hanging(self) -> int:
        """How many keys are pressed and not released."""
        return sum(self._held.values())

    def faults(self) -> list[str]:
        """Say in sentences what is wrong, at the end."""
        found = {'events without their pair': self.unpaired, 'notes hang': self.hanging}
        return [f'{self.name}: {count} {what}' for what, count in found.items() if count]


class Passage:
    """Notes that enter a stage of the chain and must all leave it, each key's in order.

    `lateness` gathers for each note that has left its time there minus its time at the entrance
    (ns); whoever reads it may clear it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lost = 0
        self.invented = 0
        self.lateness: list[int] = []
        self._in = Pairs(f'{name}, going in')
        self._out = Pairs(f'{name}, coming out')
        self._entered: defaultdict[Key, deque[TimedEvent]] = defaultdict(deque)
        self._left: defaultdict[Key, deque[TimedEvent]] = defaultdict(deque)

    @property
    def notes_in(self) -> int:
        """How many notes have entered."""
        return self._in.notes

    @property
    def notes_out(self) -> int:
        """How many notes have left."""
        return self._out.notes

    @property
    def under_way(self) -> int:
        """How many events have entered and not left."""
        return sum(map(len, self._entered.values()))

    def enter(self, events: Iterable[TimedEvent]) -> None:
        """Take in what enters; what are no notes is left out."""
        self._take(events, self._in, self._entered)

    def leave(self, events: Iterable[TimedEvent]) -> None:
        """Take in what leaves; what are no notes is left out."""
        self._take(events, self._out, self._left)

    def faults(self) -> list[str]:
        """Say in sentences what is wrong, when all should have left."""
        missing = self.lost + self.under_way
        invented = self.invented + sum(map(len, self._left.values()))
        found = {'events lost': missing, 'events that never entered': invented}
        told = [f'{self.name}: {count} {what}' for what, count in found.items() if count]
        return [*told, *self._in.faults(), *self._out.faults()]

    def _take(
        self,
        events: Iterable[TimedEvent],
        pairs: Pairs,
        waiting: dict[Key, deque[TimedEvent]],
    ) -> None:
        for event in events:
            if is_note_on(event) or is_note_off(event):
                pairs.take([event])
                key = _key(event)
                waiting[key].append(event)
                self._match(self._entered[key], self._left[key])

    def _match(self, entered: deque[TimedEvent], left: deque[TimedEvent]) -> None:
        """Strike out what is on both sides. Either side may be told first."""
        while entered and left:
            looks = [_look(event) for event in entered]
            look = _look(left[0])
            if look not in looks:
                self.invented += 1
                left.popleft()
                continue
            for _ in range(looks.index(look)):
                self.lost += 1
                entered.popleft()
            due, came = entered.popleft(), left.popleft()
            if is_note_on(due):
                self.lateness.append(came.time - due.time)


class Sequence:
    """The messages of one publisher on a note topic, none of which may be missing."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.messages = 0
        self._wrong: Counter[str] = Counter()
        self._next: int | None = None

    def read(self, text: str) -> list[TimedEvent]:
        """Return a message's events as they are, and count what is amiss with its number."""
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
            self._wrong['repeated or begun anew'] += 1
        self._next = number + 1
        return to_timed(message)

    def faults(self) -> list[str]:
        """Say in sentences what is wrong."""
        return [f'{self.topic}: {count} messages {what}' for what, count in self._wrong.items()]


def growth(first: float, last: float) -> float:
    """Return in percent by how much a figure has grown."""
    return 100 * (last - first) / first


def _key(event: TimedEvent) -> Key:
    pitch, _, channel = event.values
    return channel, pitch


def _look(event: TimedEvent) -> int:
    """Return what tells an event of a key from the next: its velocity, 0 for its end."""
    return event.values[1] if is_note_on(event) else 0
