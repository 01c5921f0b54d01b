"""
What to play when: a pure schedule, without clock or thread.

Every note-on is tied to its note-off as soon as both are known, so whatever is withdrawn, late or
refused goes in pairs, and no note hangs.
"""

from collections.abc import Iterable
import heapq

from improv_ros.event_text import (
    TimedEvent,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
)

DEFAULT_LIMIT = 65536

HOLDING_PEDALS = frozenset({64, 66, 69})  # sustain, sostenuto, hold 2: they keep released notes
NOTE_ENDING_CONTROLLERS = frozenset({120, 123, 124, 125, 126, 127})
SILENT_KINDS = frozenset({'st', 'mt'})  # marks in a file, nothing that an instrument understands

WAITING, SOUNDING, OVER = range(3)


class _Note:
    __slots__ = ('key', 'state')

    def __init__(self, key: tuple[int, int]) -> None:
        self.key = key  # (channel, pitch)
        self.state = WAITING


class Schedule:
    """
    Events in, in any order; events out, in time, such that what sounds is always released.

    All times are nanoseconds of one monotonic clock. A note that is due more than `late_tolerance`
    ago is dropped whole; everything else that is late (note-offs, pedals, programs) acts at once.

    At most `limit` events wait; a note or control change that is over is refused and counted.
    Note-offs and pedal-ups of what was accepted are always taken.
    """

    def __init__(self, late_tolerance: int, limit: int = DEFAULT_LIMIT) -> None:
        self.late_tolerance = late_tolerance
        self.limit = limit
        self.late = 0  # notes which were already due when they came
        self.dropped = 0  # notes which were too late to be played
        self.refused = 0  # events which found the schedule full
        self.channels: set[int] = set()  # every channel on which a note was ever played
        self._pending: list[tuple[int, int, TimedEvent, _Note | None]] = []
        self._order = 0
        self._open: dict[tuple[int, int], _Note] = {}  # note-on taken in, note-off still to come
        self._open_pedals: set[tuple[int, int]] = set()
        self._sounding: dict[tuple[int, int], _Note] = {}
        self._pedals_down: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def sounding(self) -> list[tuple[int, int]]:
        """The notes that sound now, as (channel, pitch)."""
        return list(self._sounding)

    def add(self, events: Iterable[TimedEvent], now: int) -> None:
        """
        Take events in. A `cl` among them withdraws what was taken in before it.

        A note-off that has no note-on before it is ignored; a second note-on of a key whose
        note-off is still missing ends the first.
        """
        for event in events:
            if event.kind == 'cl':
                self.clear(event.time)
            elif is_note_on(event):
                self._add_note_on(event, now)
            elif is_note_off(event):
                note = self._open.pop(_key(event), None)
                if note is not None and note.state != OVER:
                    self._push(event, note)
            elif event.kind not in SILENT_KINDS:
                self._add_control(event)

    def clear(self, time: int) -> None:
        """
        Withdraw all at or after `time`, and release then what sounds, pedals too.

        A clear that still finds the schedule full withdraws what is before it as well.
        """
        self._pending = [entry for entry in self._pending if entry[0] < time]
        heapq.heapify(self._pending)
        if len(self._pending) >= self.limit:
            self._pending.clear()
        self._open.clear()
        self._open_pedals.clear()
        self._push(TimedEvent(time, 'cl', ()), None)

    def next_time(self) -> int | None:
        """Return when the next event is due; None when nothing waits."""
        return self._pending[0][0] if self._pending else None

    def pop_due(self, now: int) -> list[TimedEvent]:
        """
        Return what to play now, in order, each event with the time for which it was meant.

        No note-on is returned for a key that sounds, no note-off for one that does not.
        """
        due: list[TimedEvent] = []
        while self._pending and self._pending[0][0] <= now:
            time, _, event, note = heapq.heappop(self._pending)
            if event.kind == 'cl':
                due += self._release(time)
            elif note is None:
                due += self._play_control(event)
            elif is_note_on(event):
                if note.state == OVER or now - time > self.late_tolerance:
                    note.state = OVER
                    self.dropped += 1
                else:
                    due += self._strike(event, note)
            elif note.state == SOUNDING:
                due += self._end([note.key], time, event)
            else:
                note.state = OVER
        return due

    def release_all(self, now: int) -> list[TimedEvent]:
        """Withdraw everything; return what silences what sounds now."""
        self._pending.clear()
        self._open.clear()
        self._open_pedals.clear()
        return self._release(now)

    def _push(self, event: TimedEvent, note: _Note | None) -> None:
        heapq.heappush(self._pending, (event.time, self._order, event, note))
        self._order += 1

    def _add_note_on(self, event: TimedEvent, now: int) -> None:
        key = _key(event)
        note = _Note(key)
        earlier = self._open.get(key)
        if earlier is not None and earlier.state != OVER:
            self._push(note_off(event.time, key[1], key[0]), earlier)
        self._open[key] = note
        if len(self._pending) >= self.limit:
            note.state = OVER
            self.refused += 1
            return
        if event.time < now:
            self.late += 1
        self._push(event, note)

    def _add_control(self, event: TimedEvent) -> None:
        pedal = _pedal(event)
        if pedal in self._open_pedals and event.values[2] < 64:
            self._open_pedals.remove(pedal)
        elif len(self._pending) >= self.limit:
            self.refused += 1
            return
        elif pedal is not None and event.values[2] >= 64:
            self._open_pedals.add(pedal)
        self._push(event, None)

    def _play_control(self, event: TimedEvent) -> list[TimedEvent]:
        pedal = _pedal(event)
        if pedal is not None:
            if event.values[2] >= 64:
                self._pedals_down.add(pedal)
            else:
                self._pedals_down.discard(pedal)
        elif event.kind == 'cc' and event.values[1] in NOTE_ENDING_CONTROLLERS:
            keys = [key for key in self._sounding if key[0] == event.values[0]]
            return [*self._end(keys, event.time), event]
        return [event]

    def _strike(self, event: TimedEvent, note: _Note) -> list[TimedEvent]:
        ended = self._end([note.key] if note.key in self._sounding else [], event.time)
        note.state = SOUNDING
        self._sounding[note.key] = note
        self.channels.add(note.key[0])
        return [*ended, event]

    def _end(
        self, keys: list[tuple[int, int]], time: int, event: TimedEvent | None = None
    ) -> list[TimedEvent]:
        for key in keys:
            self._sounding.pop(key).state = OVER
        return [event] if event else [note_off(time, pitch, channel) for channel, pitch in keys]

    def _release(self, time: int) -> list[TimedEvent]:
        released = self._end(list(self._sounding), time)
        lifted = [
            control_change(time, controller, 0, channel)
            for channel, controller in sorted(self._pedals_down)
        ]
        self._pedals_down.clear()
        return released + lifted


def _key(event: TimedEvent) -> tuple[int, int]:
    pitch, _, channel = event.values
    return channel, pitch


def _pedal(event: TimedEvent) -> tuple[int, int] | None:
    """Return the (channel, controller) of the holding pedal that an event moves, else None."""
    if event.kind != 'cc' or event.values[1] not in HOLDING_PEDALS:
        return None
    return event.values[0], event.values[1]
