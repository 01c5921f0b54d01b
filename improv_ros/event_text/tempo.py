"""Ticks to time and back, following the tempo."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from operator import itemgetter

from improv_ros.event_text.events import Event, Text, TimedEvent

DEFAULT_TEMPO = 500_000  # microseconds per quarter note: 120 beats a minute
LIVE_RESOLUTION = 500  # so that at 120 beats a minute a tick is a millisecond

# What a text says about itself and not to an instrument: it has no place among timed events.
SILENT_KINDS = frozenset({'st', 'mt'})


class TempoMap:
    """The time of every tick of a text, to the nanosecond, without drift.

    Tempo changes hold for all tracks, whichever they stand in. ValueError if the text has
    `rs_0`, which gives a tick no length.
    """

    def __init__(self, text: Text) -> None:
        self._unit, per_tick = _tick(text.resolution)
        # Elapsed time is kept in 1/unit of a microsecond: whole numbers, so nothing is rounded
        # until a time is asked for.
        self._ticks, self._elapsed, self._per_tick = [0], [0], [per_tick]
        changes = _tempo_changes(text) if text.resolution > 0 else []
        for tick, tempo in changes:
            self._elapsed.append(self._elapsed_at(tick))
            self._ticks.append(tick)
            self._per_tick.append(tempo)

    def time_at(self, tick: int) -> int:
        """Return the nanoseconds from tick zero to this tick, rounded to the nearest."""
        return (self._elapsed_at(tick) * 2000 + self._unit) // (2 * self._unit)

    def _elapsed_at(self, tick: int) -> int:
        segment = bisect_right(self._ticks, tick) - 1
        return self._elapsed[segment] + (tick - self._ticks[segment]) * self._per_tick[segment]


def to_timed(text: Text, start: int | None = None) -> list[TimedEvent]:
    """Return the events of all tracks in the order of time.

    `start` is the time of tick zero in nanoseconds; without it the text's own `at` is, or 0.
    `st` and `mt` are left out: the tempo is in the times. ValueError if the text has `rs_0`.
    """
    origin = start if start is not None else text.at or 0
    time_at = TempoMap(text).time_at
    positioned: list[tuple[int, Event]] = []
    for track in text.tracks:
        tick = 0
        for event in track:
            tick += event.delta
            positioned.append((tick, event))
    if len(text.tracks) > 1:
        positioned.sort(key=itemgetter(0))
    return [
        TimedEvent(origin + time_at(tick), event.kind, event.values)
        for tick, event in positioned
        if event.kind not in SILENT_KINDS
    ]


def from_timed(events: Iterable[TimedEvent], resolution: int = LIVE_RESOLUTION) -> Text:
    """Return timed events as a text of one track at 120 beats a minute.

    Tick zero, the text's `at`, is the time of the first event. Each event goes to the tick
    nearest to it, so rounding never adds up. ValueError for an `st`: a tempo among timed events
    would move what comes after it.
    """
    ordered = sorted(events, key=itemgetter(0))
    at = ordered[0].time if ordered else None
    unit = 1000 * DEFAULT_TEMPO
    track = []
    last = 0
    for time, kind, values in ordered:
        if kind == 'st':
            raise ValueError('a tempo (st) cannot stand among timed events')
        tick = ((time - ordered[0].time) * resolution * 2 + unit) // (2 * unit)
        track.append(Event(tick - last, kind, values))
        last = tick
    return Text(resolution, [track], at)


def _tick(resolution: int) -> tuple[int, int]:
    """Return (unit, length): a tick is at first length/unit microseconds long."""
    if resolution == 0:
        raise ValueError('rs_0 gives a tick no length')
    if resolution > 0:
        return resolution, DEFAULT_TEMPO
    # SMPTE, as in a MIDI file: minus frames a second, then ticks a frame, a byte each. 29 means
    # the 30 frames in 1.001 seconds of NTSC. No tempo applies.
    frames, ticks = -(resolution >> 8), resolution & 0xFF
    if ticks == 0:
        raise ValueError(f'rs_{resolution} gives a tick no length')
    return (30 * ticks, 1_001_000) if frames == 29 else (frames * ticks, 1_000_000)


def _tempo_changes(text: Text) -> list[tuple[int, int]]:
    """Return (tick, microseconds per quarter note) of every `st`, in order."""
    changes = []
    for track in text.tracks:
        tick = 0
        for delta, kind, values in track:
            tick += delta
            if kind == 'st':
                changes.append((tick, values[1]))
    return sorted(changes, key=itemgetter(0))
