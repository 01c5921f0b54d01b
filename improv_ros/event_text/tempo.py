# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Ticks to time and back, following the tempo."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import itemgetter

from improv_ros.event_text.events import Event, Text, TimedEvent

DEFAULT_TEMPO = 500_000  # microseconds per quarter note: 120 beats a minute
LIVE_RESOLUTION = 500  # so that at 120 beats a minute a tick is a millisecond

# Tempo and meta events describe the text; they are no messages to an instrument.
SILENT_KINDS = frozenset({'st', 'mt'})


class TempoMap:
    """The time of every tick of a text, rounded to the nearest nanosecond; errors never add up.

    Tempo changes hold for all tracks, whichever track they stand in. A map does not change, so
    texts with the same resolution and the same tempo changes share one: all live messages do.
    """

    def __init__(self, resolution: int, changes: Sequence[tuple[int, int]] = ()) -> None:
        """Build the map from (tick, microseconds per quarter note) of every change, in order.

        ValueError for `rs_0`, which gives a tick no length.
        """
        self._unit, per_tick = _tick(resolution)
        # Elapsed time is kept in 1/unit of a microsecond: whole numbers, so nothing is rounded
        # until a time is asked for.
        self._ticks, self._elapsed, self._per_tick = [0], [0], [per_tick]
        for tick, tempo in changes if resolution > 0 else ():
            self._elapsed.append(self._elapsed_at(tick))
            self._ticks.append(tick)
            self._per_tick.append(tempo)

    def time_at(self, tick: int) -> int:
        """Return the nanoseconds from tick zero to this tick, rounded to the nearest."""
        return (self._elapsed_at(tick) * 2000 + self._unit) // (2 * self._unit)

    def _elapsed_at(self, tick: int) -> int:
        segment = bisect_right(self._ticks, tick) - 1
        return self._elapsed[segment] + (tick - self._ticks[segment]) * self._per_tick[segment]


def tempo_map(text: Text) -> TempoMap:
    """Return the tempo map of a text; ValueError if the text has `rs_0`."""
    return _cached_map(text.resolution, tuple(_tempo_changes(text)))


_cached_map = lru_cache(16)(TempoMap)


def to_timed(text: Text, start: int | None = None) -> list[TimedEvent]:
    """Return the events of all tracks, sorted by time (nanoseconds).

    `start` is the time of tick zero in nanoseconds; it defaults to the `at` of the text, or 0.
    `st` and `mt` are left out: the times contain the tempo. ValueError if the text has `rs_0`.
    """
    origin = start if start is not None else text.at or 0
    time_at = tempo_map(text).time_at
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
    """Return timed events as a text of one track at 120 beats per minute.

    Tick zero, the `at` of the text, is the time of the first event. Each event gets the tick
    nearest to its time, so rounding errors never add up. ValueError for an `st`: it would move
    the events after it.
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
    """Return (unit, length): the first tick lasts length/unit microseconds."""
    if resolution == 0:
        raise ValueError('rs_0 gives a tick no length')
    if resolution > 0:
        return resolution, DEFAULT_TEMPO
    # SMPTE, as in a MIDI file: the high byte is minus the frames per second, the low byte the
    # ticks per frame. 29 stands for NTSC, 30 frames in 1.001 seconds. Tempo changes do not apply.
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
