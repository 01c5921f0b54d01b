# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Live messages: writes timed events as messages, and reads them back in spite of losses."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from operator import attrgetter
from secrets import token_hex

from improv_ros.event_text.events import (
    SECOND,
    EventTextError,
    HeldNotes,
    Text,
    TimedEvent,
    TimestampOutOfRangeError,
    is_note_off,
    is_note_on,
    note_off,
)
from improv_ros.event_text.kinds import PUBLISHER
from improv_ros.event_text.tempo import LIVE_RESOLUTION, from_timed, tempo_map, to_timed
from improv_ros.event_text.text_format import LIVE_LIMITS, format_body, format_text, parse

# Most characters of a header, and of a delta with its `_` and line end.
_HEADER_SIZE = 80
_DELTA_SIZE = 12

# Greatest distance of an event of a live message from now. Events further away would stay in a
# schedule forever; they come from clocks that differ, or from an attacker.
HORIZON = 600 * SECOND

# Greatest error of a clock difference that is read on a busy machine; a clock that is set changes
# by more.
MAX_CLOCK_NOISE = 50_000_000  # nanoseconds

# Number of the latest messages whose numbers and stamps are kept, to detect duplicates.
_WINDOW = 256


class StreamWriter:
    """Writes the timed events of one publisher as live messages, numbered from 0.

    publisher: the id of the publisher, 1 to 16 hexadecimal digits; random by default.
    """

    def __init__(self, resolution: int = LIVE_RESOLUTION, publisher: str | None = None) -> None:
        if not 1 <= resolution < 2**15:
            raise ValueError(f'a resolution of {resolution} is not in 1 to 32767')
        self._resolution = resolution
        self.publisher = PUBLISHER.write(token_hex(3) if publisher is None else publisher)
        self._sequence = 0
        self._latest: tuple[int, int] | None = None  # the last event: its time, its written time

    def write(self, events: Iterable[TimedEvent], shift: int = 0) -> list[str]:
        """Return the events, sorted by time, as one message, or more where the limits ask for it.

        `shift` (ns) is added to all times. Messages keep the order of their events: where
        rounding to ticks, or a `shift` that is smaller than before by up to `MAX_CLOCK_NOISE`,
        would move an event before the last one of the previous message, the message is moved to
        that time. ValueError, and no number is used, where an event cannot be written.
        """
        texts = []
        latest = self._latest
        for number, part in enumerate(_parts(events), self._sequence):
            first, last = part[0].time, part[-1].time
            later = shift
            if (
                latest
                and first >= latest[0]
                and 0 < latest[1] - (first + shift) <= MAX_CLOCK_NOISE
            ):
                later = latest[1] - first
            text = from_timed(
                (event._replace(time=event.time + later) for event in part), self._resolution
            )
            text.sequence, text.publisher = number, self.publisher
            texts.append(format_text(text))
            ticks = sum(event.delta for event in text.events)
            latest = last, first + later + tempo_map(text).time_at(ticks)
        self._sequence += len(texts)
        self._latest = latest
        return texts


class StreamReader:
    """Reads the live messages of one publisher as timed events; no note sounds forever.

    Each note-on is followed by exactly one note-off of the same channel and pitch, or by a `cl`,
    or by `close`, before the next note-on of that pitch. A lost message or a restart of the
    publisher releases all notes and pedals before the events of the next message. Duplicate and
    late messages are skipped.

    A sequence number that goes back is a restart, with two exceptions: the message with that
    number had the same `at` (a duplicate), or the number was skipped recently and its `at` is
    before that of the latest message (a late message).
    """

    def __init__(self) -> None:
        self.lost = 0  # messages, by gaps in the sequence numbers
        self.restarts = 0  # of the publisher
        self.duplicates = 0  # messages that arrived twice, or after a later one
        self.unmatched = 0  # note-offs without their note-on, dropped
        self._next: int | None = None
        self._times: OrderedDict[int, int] = OrderedDict()  # of latest messages, by number
        self._held = HeldNotes()

    def read(
        self, text: str | bytes | Text, now: int | None = None, shift: int = 0
    ) -> list[TimedEvent]:
        """Return the events of a message, sorted by time, with `shift` (ns) added to all times.

        The message may have been parsed before, with `LIVE_LIMITS`. Raises EventTextError if it is
        malformed, and TimestampOutOfRangeError if an event is further than `HORIZON` from `now`
        (ns); the state then stays unchanged.
        """
        message = text if isinstance(text, Text) else parse(text, LIVE_LIMITS)
        if message.at is None or message.sequence is None:
            missing = 'at' if message.at is None else 'sq'
            raise EventTextError(1, f'rs_{message.resolution}', f'a live message needs {missing}')
        events = to_timed(message)
        number, at = message.sequence, message.at
        if now is not None:
            latest = events[-1].time if events else at
            off = max(latest - now, now - at)
            if off > HORIZON:
                raise TimestampOutOfRangeError(
                    1,
                    f'rs_{message.resolution}',
                    f'an event is {off // SECOND} s from now, over {HORIZON // SECOND} s: do the '
                    'clocks agree, and is use_sim_time the same everywhere?',
                )
        events = [event._replace(time=event.time + shift) for event in events]
        released: list[TimedEvent] = []
        if self._next is not None and number != self._next:
            if number > self._next:
                self.lost += number - self._next
            elif self._is_repeated(number, at):
                self.duplicates += 1
                return []
            else:
                self.restarts += 1
                self.lost += number
                self._times.clear()
            released = self._held.release_all(at + shift)
        self._next = number + 1
        self._times[number] = at
        if len(self._times) > _WINDOW:
            self._times.popitem(last=False)
        return [*released, *self._matched(events)]

    def close(self, time: int) -> list[TimedEvent]:
        """Return events that release all notes and pedals at `time`, or at their begin if later.

        Note-offs of these notes that arrive later are dropped.
        """
        return self._held.release_all(time)

    def _is_repeated(self, number: int, at: int) -> bool:
        """Return whether a message whose number goes back is a duplicate or late."""
        if number in self._times:
            return self._times[number] == at
        latest = next(reversed(self._times))
        return number > max(0, latest - _WINDOW) and at < self._times[latest]

    def _matched(self, events: Iterable[TimedEvent]) -> Iterator[TimedEvent]:
        keys = self._held.keys
        for event in events:
            if is_note_on(event) or is_note_off(event):
                pitch, _, channel = event.values
                pressed = keys.get((channel, pitch))
                if is_note_on(event):
                    if pressed is not None:
                        yield note_off(max(pressed.time, event.time), pitch, channel)
                elif pressed is None:
                    self.unmatched += 1
                    continue
                else:
                    event = event._replace(time=max(pressed.time, event.time))
            elif event.kind == 'cl':
                keys.clear()
            self._held.update(event)
            yield event


_COUNTS = ('lost', 'restarts', 'duplicates', 'unmatched')


class TopicReader:
    """Reads the live messages of a topic with one `StreamReader` for each publisher.

    The messages of one publisher are thus no loss or restart of another, and release none of its
    notes. A publisher is identified by any key of the caller, or by the id in its messages.
    """

    def __init__(self) -> None:
        self._readers: dict[Hashable, StreamReader] = {}
        self._past: Counter[str] = Counter()  # the counts of publishers that left

    @property
    def publishers(self) -> list[Hashable]:
        """The publishers that were heard and have not left, in order of arrival."""
        return list(self._readers)

    @property
    def counts(self) -> dict[str, int]:
        """The counts of `StreamReader`, summed over all publishers."""
        return {
            name: self._past[name] + sum(map(attrgetter(name), self._readers.values()))
            for name in _COUNTS
        }

    def read(
        self,
        text: str | bytes | Text,
        publisher: Hashable = None,
        now: int | None = None,
        shift: int = 0,
    ) -> list[TimedEvent]:
        """Return the events of a message of a publisher; see `StreamReader.read`."""
        message = text if isinstance(text, Text) else parse(text, LIVE_LIMITS)
        if publisher is None:
            publisher = message.publisher
        if publisher not in self._readers:
            self._readers[publisher] = StreamReader()
        return self._readers[publisher].read(message, now, shift)

    def release(self, publisher: Hashable, time: int) -> list[TimedEvent]:
        """Return events that release all notes of a publisher; see `StreamReader.close`."""
        return self._readers[publisher].close(time) if publisher in self._readers else []

    def leave(self, publisher: Hashable, time: int) -> list[TimedEvent]:
        """Remove a publisher that has left; return events that release all its notes."""
        reader = self._readers.pop(publisher, StreamReader())
        self._past.update({name: getattr(reader, name) for name in _COUNTS})
        return reader.close(time)

    def note_restart(self) -> None:
        """Count a restart: a publisher that left has returned with another id."""
        self._past['restarts'] += 1

    def close(self, time: int) -> list[TimedEvent]:
        """Return events that release all notes; see `StreamReader.close`."""
        released = [event for reader in self._readers.values() for event in reader.close(time)]
        return sorted(released, key=attrgetter('time'))


def _parts(events: Iterable[TimedEvent]) -> Iterator[list[TimedEvent]]:
    """Divide events, sorted by time, into parts that fit the limits of a message."""
    part: list[TimedEvent] = []
    size = _HEADER_SIZE
    for event in sorted(events, key=attrgetter('time')):
        needed = _DELTA_SIZE + len(format_body(event.kind, event.values))
        if _HEADER_SIZE + needed > LIVE_LIMITS.size:
            raise ValueError(f'an event of {needed} characters is too long for a live message')
        if part and (
            size + needed > LIVE_LIMITS.size
            or len(part) == LIVE_LIMITS.events
            # A second below the limit leaves room for rounding to ticks.
            or event.time - part[-1].time > LIVE_LIMITS.delta - SECOND
        ):
            yield part
            part, size = [], _HEADER_SIZE
        part.append(event)
        size += needed
    if part:
        yield part
