"""A topic on which several may publish: each with its own numbers and its own notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from operator import attrgetter

from improv_ros.event_text.events import TimedEvent
from improv_ros.event_text.stream import StreamReader

_COUNTS = ('lost', 'restarts', 'duplicates', 'unmatched')


class TopicReader:
    """Reads the live messages of a topic, those of each publisher with a reader of their own.

    So what one publishes is not taken for a loss or a restart of another, and releases none of
    its notes. Publishers are told apart by whatever the caller knows them by.
    """

    def __init__(self) -> None:
        self._readers: dict[Hashable, StreamReader] = {}
        self._past: Counter[str] = Counter()  # what was counted of publishers that left

    @property
    def publishers(self) -> list[Hashable]:
        """Those that were heard and have not left, the first to come first."""
        return list(self._readers)

    @property
    def counts(self) -> dict[str, int]:
        """What `StreamReader` counts, of all publishers together."""
        return {
            name: self._past[name] + sum(map(attrgetter(name), self._readers.values()))
            for name in _COUNTS
        }

    def read(
        self,
        text: str | bytes,
        publisher: Hashable = None,
        now: int | None = None,
        shift: int = 0,
    ) -> list[TimedEvent]:
        """Return the events of a publisher's message; as `StreamReader.read`."""
        if publisher not in self._readers:
            self._readers[publisher] = StreamReader()
        return self._readers[publisher].read(text, now, shift)

    def release(self, publisher: Hashable, time: int) -> list[TimedEvent]:
        """Return what releases all that sounds of a publisher; as `StreamReader.close`."""
        return self._readers[publisher].close(time) if publisher in self._readers else []

    def leave(self, publisher: Hashable, time: int) -> list[TimedEvent]:
        """Forget a publisher that is gone; return what releases all that sounds of it."""
        reader = self._readers.pop(publisher, StreamReader())
        self._past.update({name: getattr(reader, name) for name in _COUNTS})
        return reader.close(time)

    def note_restart(self) -> None:
        """Count that a publisher which left came again by another id."""
        self._past['restarts'] += 1

    def close(self, time: int) -> list[TimedEvent]:
        """Return what releases all that sounds; as `StreamReader.close`."""
        released = [event for reader in self._readers.values() for event in reader.close(time)]
        return sorted(released, key=attrgetter('time'))
