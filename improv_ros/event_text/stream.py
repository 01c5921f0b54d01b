"""Live messages: timed events to texts that can each be read alone, and back, whatever is lost."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from operator import attrgetter

from improv_ros.event_text.errors import EventTextError, MisdatedError
from improv_ros.event_text.events import (
    SUSTAIN,
    TimedEvent,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
)
from improv_ros.event_text.formatting import format_body, format_text
from improv_ros.event_text.parsing import LIVE_LIMITS, parse
from improv_ros.event_text.tempo import LIVE_RESOLUTION, from_timed, to_timed

# What a message's header, and an event's delta with its `_` and line end, may take at most.
_HEADER_SIZE = 80
_DELTA_SIZE = 12

# No event of a live message lies further from now, in the past or in the future: what does would
# wait in a schedule for good, and comes of clocks that differ, or from somebody who means no good.
HORIZON = 600 * 10**9  # nanoseconds

# How many of the latest messages are remembered by number, to know them when they come again.
_REMEMBERED = 256


class StreamWriter:
    """Turns one publisher's timed events into live messages, numbered from 0."""

    def __init__(self, resolution: int = LIVE_RESOLUTION) -> None:
        if not 1 <= resolution < 2**15:
            raise ValueError(f'a resolution of {resolution} is not in 1 to 32767')
        self._resolution = resolution
        self._sequence = 0

    def write(self, events: Iterable[TimedEvent]) -> list[str]:
        """Return the events, in the order of time, as one message or as many as the bounds ask.

        ValueError, and no number used, where an event cannot be written.
        """
        texts = []
        for number, part in enumerate(_parts(events), self._sequence):
            text = from_timed(part, self._resolution)
            text.sequence = number
            texts.append(format_text(text))
        self._sequence += len(texts)
        return texts


class StreamReader:
    """Turns one publisher's live messages back into timed events, and never hangs a note.

    Each note-on it yields is followed by just one note-off of the same channel and pitch before
    the next note-on of it, or by a `cl`, or by `close`. A message that is missing, or a publisher
    that starts again, releases what sounds, pedals too, before the next message's events. What
    comes twice, or after a later message, is not played.

    A number that goes back is a publisher started again, unless the message with that number had
    the same `at` (it came twice), or the number was passed over not long ago and the `at` is
    before that of the latest message (it was late, not lost).
    """

    def __init__(self) -> None:
        self.lost = 0  # messages missing by their numbers
        self.restarts = 0  # of the publisher
        self.duplicates = 0  # messages that came twice, or after a later one
        self.unmatched = 0  # note-offs without their note-on, dropped
        self._next: int | None = None
        self._times: OrderedDict[int, int] = OrderedDict()  # of latest messages, by number
        self._sounding: dict[tuple[int, int], int] = {}  # (channel, pitch): when it began
        self._pedals: dict[int, int] = {}  # channel: when it went down

    def read(self, text: str | bytes, now: int | None = None, shift: int = 0) -> list[TimedEvent]:
        """Return a message's events, in the order of time, all `shift` nanoseconds later.

        Raises EventTextError, with the state unchanged, if the message is malformed; where `now`
        is told (nanoseconds), it is MisdatedError if an event lies further than HORIZON from it.
        """
        message = parse(text, LIVE_LIMITS)
        if message.at is None or message.sequence is None:
            missing = 'at' if message.at is None else 'sq'
            raise EventTextError(1, f'rs_{message.resolution}', f'a live message needs {missing}')
        events = to_timed(message)
        number, at = message.sequence, message.at
        if now is not None:
            latest = events[-1].time if events else at
            off = max(latest - now, now - at)
            if off > HORIZON:
                raise MisdatedError(
                    1,
                    f'rs_{message.resolution}',
                    f'an event lies {off // 10**9} s from now, over {HORIZON // 10**9} s: do the '
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
            released = self._release(at + shift)
        self._next = number + 1
        self._times[number] = at
        if len(self._times) > _REMEMBERED:
            self._times.popitem(last=False)
        return [*released, *self._matched(events)]

    def close(self, time: int) -> list[TimedEvent]:
        """Return what releases all that sounds, at this time or when it begins, if that is later.

        Notes whose end is still on the way stop here; what ends them later is dropped.
        """
        return self._release(time)

    def _is_repeated(self, number: int, at: int) -> bool:
        """Tell whether a number that goes back is a message come twice, or late."""
        if number in self._times:
            return self._times[number] == at
        latest = next(reversed(self._times))
        return number > max(0, latest - _REMEMBERED) and at < self._times[latest]

    def _matched(self, events: Iterable[TimedEvent]) -> Iterator[TimedEvent]:
        for event in events:
            if is_note_on(event):
                pitch, _, channel = event.values
                if (channel, pitch) in self._sounding:
                    began = self._sounding[channel, pitch]
                    yield note_off(max(began, event.time), pitch, channel)
                self._sounding[channel, pitch] = event.time
            elif is_note_off(event):
                pitch, _, channel = event.values
                started = self._sounding.pop((channel, pitch), None)
                if started is None:
                    self.unmatched += 1
                    continue
                event = event._replace(time=max(started, event.time))
            elif event.kind == 'cl':
                self._sounding.clear()
            elif event.kind == 'cc' and event.values[1] == SUSTAIN:
                channel, _, value = event.values
                if value:
                    self._pedals.setdefault(channel, event.time)
                else:
                    self._pedals.pop(channel, None)
            yield event

    def _release(self, time: int) -> list[TimedEvent]:
        releases = [
            note_off(max(time, began), pitch, channel)
            for (channel, pitch), began in self._sounding.items()
        ]
        releases += [
            control_change(max(time, down), SUSTAIN, 0, channel)
            for channel, down in self._pedals.items()
        ]
        self._sounding.clear()
        self._pedals.clear()
        return sorted(releases, key=attrgetter('time'))


def _parts(events: Iterable[TimedEvent]) -> Iterator[list[TimedEvent]]:
    """Divide events, in the order of time, into parts that each fit the bounds of a message."""
    part: list[TimedEvent] = []
    size = _HEADER_SIZE
    for event in sorted(events, key=attrgetter('time')):
        needed = _DELTA_SIZE + len(format_body(event.kind, event.values))
        if _HEADER_SIZE + needed > LIVE_LIMITS.size:
            raise ValueError(f'an event of {needed} characters is too long for a live message')
        if part and (
            size + needed > LIVE_LIMITS.size
            or len(part) == LIVE_LIMITS.events
            # A second less than the bound leaves room for rounding to ticks.
            or event.time - part[-1].time > LIVE_LIMITS.delta - 10**9
        ):
            yield part
            part, size = [], _HEADER_SIZE
        part.append(event)
        size += needed
    if part:
        yield part
