"""
What to play when: a pure schedule, without clock or thread.

Every note-on is tied to its note-off as soon as both are known, so whatever is withdrawn, late or
refused goes in pairs, and no note hangs. Where the output takes its time, all is due so much
earlier that the sound is in time.
"""

from __future__ import annotations

from collections.abc import Iterable
import heapq
from typing import NamedTuple

from improv_ros.event_text import (
    TimedEvent,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
)
from improv_ros.playing.held import HOLDING_PEDALS
from improv_ros.playing.latency import NO_LATENCY, Latency

DEFAULT_LIMIT = 65536

NOTE_ENDING_CONTROLLERS = frozenset({120, 123, 124, 125, 126, 127})
SILENT_KINDS = frozenset({'st', 'mt'})  # marks in a file, nothing that an instrument understands

# After a key is struck, the next blow on it is not brought forward to sooner than this (ns).
SHORTEST_REPEAT = 30_000_000

WAITING, SOUNDING, OVER = range(3)


class _Note:
    __slots__ = ('due', 'key', 'order', 'state', 'time')

    def __init__(self, key: tuple[int, int], time: int, due: int, order: int) -> None:
        self.key = key  # (channel, pitch)
        self.time = time  # of its sound
        self.due = due  # when its note-on is to be sent
        self.order = order
        self.state = WAITING


class _Entry(NamedTuple):
    due: int  # when it is to be sent
    order: int  # in which it was taken in
    event: TimedEvent  # with the time at which it is to sound
    note: _Note | None


class Schedule:
    """
    Events in, in any order; events out, in time, such that what sounds is always released.

    All times are nanoseconds of one monotonic clock. A note that is due more than `late_tolerance`
    ago is dropped whole; everything else that is late (note-offs, pedals, programs) acts at once.

    Events are due before their times by the output's `latency`. Where soft notes are due sooner
    than loud ones, a note-on never overtakes the note before it on the same key, nor a program
    change or an all-notes-off of its channel: it is then due later, though not after its time
    less the fixed latency. A key that still sounds when it is to be struck is released just
    before. No other event changes its place.

    At most `limit` events wait; a note or control change that is over is refused and counted.
    Note-offs and pedal-ups of what was accepted are always taken.
    """

    def __init__(
        self,
        late_tolerance: int,
        limit: int = DEFAULT_LIMIT,
        latency: Latency = NO_LATENCY,
    ) -> None:
        self.late_tolerance = late_tolerance
        self.limit = limit
        self.latency = latency
        self.late = 0  # notes which were already due when they came
        self.dropped = 0  # notes which were too late to be played
        self.refused = 0  # events which found the schedule full
        self.withdrawn = 0  # notes which were withdrawn before they were played
        self.channels: set[int] = set()  # every channel on which a note was ever played
        self._pending: list[_Entry] = []
        self._order = 0
        self._open: dict[tuple[int, int], _Note] = {}  # note-on taken in, note-off still to come
        self._latest: dict[tuple[int, int], _Note] = {}  # taken in last on each key
        self._barriers: dict[int, int] = {}  # channel: time before which no note-on may be sent
        self._open_pedals: set[tuple[int, int]] = set()
        self._sounding: dict[tuple[int, int], _Note] = {}
        self._pedals_down: dict[tuple[int, int], int] = {}  # pedal: order of what pressed it

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
        Withdraw all at or after `time`, and release then what was said before and sounds.

        Pedals are released too. What is taken in after the clear it does not touch. A clear that
        still finds the schedule full withdraws what is before it as well.
        """
        self._withdraw(time)
        if len(self._pending) >= self.limit:
            self._withdraw(None)
        self._push(TimedEvent(time, 'cl', ()), None)

    def next_time(self) -> int | None:
        """Return when the next event is due; None when nothing waits."""
        return self._pending[0].due if self._pending else None

    def pop_due(self, now: int) -> list[TimedEvent]:
        """
        Return what to send now, in order, each event with the time when it was due to be sent.

        No note-on is returned for a key that sounds, no note-off for one that does not.
        """
        due: list[TimedEvent] = []
        while self._pending and self._pending[0].due <= now:
            time, order, (_, kind, values), note = heapq.heappop(self._pending)
            event = TimedEvent(time, kind, values)
            if kind == 'cl':
                due += self._release(time, order)
            elif note is None:
                due += self._play_control(event, order)
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
        self._withdraw(None)
        return self._release(now, self._order)

    def _withdraw(self, time: int | None) -> None:
        """Take back what is to sound at `time` or later; None takes back all."""
        kept = []
        for entry in self._pending:
            if time is not None and entry.event.time < time:
                kept.append(entry)
            elif entry.note and is_note_on(entry.event):
                entry.note.state = OVER
                self.withdrawn += 1
        heapq.heapify(kept)
        self._pending = kept
        self._open.clear()
        self._open_pedals.clear()
        self._barriers = {
            channel: barrier
            for channel, barrier in self._barriers.items()
            if time is not None and barrier < time
        }

    def _push(self, event: TimedEvent, note: _Note | None, due: int | None = None) -> None:
        if due is None:
            due = event.time - self.latency.fixed
        heapq.heappush(self._pending, _Entry(due, self._order, event, note))
        self._order += 1

    def _due(self, event: TimedEvent, key: tuple[int, int]) -> int:
        """Return when a note-on is to be sent: in time, and not before what must precede it."""
        latest = event.time - self.latency.fixed
        due = event.time - self.latency.of(event)
        before = self._latest.get(key)
        if before and before.state != OVER and before.time <= event.time:
            due = max(due, before.due + SHORTEST_REPEAT)
        barrier = self._barriers.get(key[0])
        if barrier is not None and barrier <= event.time:
            due = max(due, barrier - self.latency.fixed)
        return min(due, latest)

    def _add_note_on(self, event: TimedEvent, now: int) -> None:
        key = _key(event)
        due = self._due(event, key)
        note = _Note(key, event.time, due, self._order)
        earlier = self._open.get(key)
        if earlier is not None and earlier.state != OVER:
            self._push(note_off(event.time, key[1], key[0]), earlier)
        self._open[key] = note
        if len(self._pending) >= self.limit:
            note.state = OVER
            self.refused += 1
            return
        if due < now:
            self.late += 1
        self._latest[key] = note
        self._push(event, note, due)

    def _add_control(self, event: TimedEvent) -> None:
        pedal = _pedal(event)
        if pedal in self._open_pedals and event.values[2] < 64:
            self._open_pedals.remove(pedal)
        elif len(self._pending) >= self.limit:
            self.refused += 1
            return
        elif pedal is not None and event.values[2] >= 64:
            self._open_pedals.add(pedal)
        elif _is_barrier(event):
            channel = event.values[0]
            self._barriers[channel] = max(event.time, self._barriers.get(channel, event.time))
        self._push(event, None)

    def _play_control(self, event: TimedEvent, order: int) -> list[TimedEvent]:
        pedal = _pedal(event)
        if pedal is not None:
            if event.values[2] >= 64:
                self._pedals_down[pedal] = order
            else:
                self._pedals_down.pop(pedal, None)
        elif _ends_notes(event):
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

    def _release(self, time: int, order: int) -> list[TimedEvent]:
        """Release what was taken in before `order`."""
        keys = [key for key, note in self._sounding.items() if note.order < order]
        pedals = sorted(pedal for pedal, down in self._pedals_down.items() if down < order)
        for pedal in pedals:
            del self._pedals_down[pedal]
        lifted = [control_change(time, controller, 0, channel) for channel, controller in pedals]
        return self._end(keys, time) + lifted


def _key(event: TimedEvent) -> tuple[int, int]:
    pitch, _, channel = event.values
    return channel, pitch


def _pedal(event: TimedEvent) -> tuple[int, int] | None:
    """Return the (channel, controller) of the holding pedal that an event moves, else None."""
    if event.kind != 'cc' or event.values[1] not in HOLDING_PEDALS:
        return None
    return event.values[0], event.values[1]


def _ends_notes(event: TimedEvent) -> bool:
    return event.kind == 'cc' and event.values[1] in NOTE_ENDING_CONTROLLERS


def _is_barrier(event: TimedEvent) -> bool:
    """Tell whether a note would be another, or none, if it were sent before this event."""
    return event.kind == 'pc' or _ends_notes(event)
