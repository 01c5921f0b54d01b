"""Event text to events: strict, bounded where asked, and quick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from improv_ros.event_text.errors import EventTextError
from improv_ros.event_text.events import Event, Text
from improv_ros.event_text.kinds import (
    DELTA,
    NANOSECONDS,
    RESOLUTION,
    SECONDS,
    SEQUENCE,
    TRACK,
    kind_named,
)
from improv_ros.event_text.tempo import TempoMap

# Music repeats itself: nearly every line is a delta and a body met before.
_MEMORY = 1 << 16
_LONGEST_REMEMBERED = 64


@dataclass(frozen=True)
class Limits:
    """What a text may not exceed."""

    size: int  # bytes
    events: int
    delta: int  # nanoseconds between an event and the one before it in its track


LIVE_LIMITS = Limits(size=64 * 1024, events=4096, delta=3600 * 10**9)


def parse(text: str | bytes, limits: Limits | None = None) -> Text:
    """Return the events of a text.

    Raises EventTextError, with the line's number, its text and the reason, for whatever is not
    event text or is over the limits.
    """
    if limits and len(text) > limits.size:
        raise EventTextError(1, _head(text), f'the text is over {limits.size} bytes')
    if isinstance(text, bytes):
        # No character but ASCII is allowed anywhere, so the replacement is refused in its line.
        text = text.decode('utf-8', errors='replace')
    lines = text.split('\n')
    if not lines[-1]:
        lines.pop()
    result, header = _read_header(lines)
    starts = [number for number, line in enumerate(lines) if line.startswith('tr_')]
    if starts:
        result.tracks = _read_tracks(lines, header, starts)
    else:
        result.tracks = [_read_events(lines[header:], header)]
    if limits:
        _check_limits(result, limits, lines, header, bool(starts))
    return result


def _head(text: str | bytes) -> str:
    head = text[:200]
    if isinstance(head, bytes):
        head = head.decode('utf-8', errors='replace')
    return head.partition('\n')[0]


def _read_header(lines: Sequence[str]) -> tuple[Text, int]:
    """Return the text so far, and how many lines the header has."""
    if not lines or not lines[0].startswith('rs_'):
        raise EventTextError(1, lines[0] if lines else '', 'a text begins with rs_<resolution>')
    text = Text(0)
    seen: set[str] = set()
    for number, line in enumerate(lines):
        name, *fields = line.split('_')
        if name not in _HEADER:
            return text, number
        try:
            if name in seen:
                raise ValueError(f'{name} is there twice')
            _HEADER[name](text, fields)
        except ValueError as error:
            raise EventTextError(number + 1, line, str(error)) from None
        seen.add(name)
    return text, len(lines)


def _read_resolution(text: Text, fields: Sequence[str]) -> None:
    if len(fields) != 1:
        raise ValueError('a resolution is written rs_<ticks per quarter note>')
    text.resolution = RESOLUTION.read(fields[0])


def _read_at(text: Text, fields: Sequence[str]) -> None:
    if len(fields) != 2:
        raise ValueError('a time is written at_<seconds>_<nanoseconds>')
    text.at = SECONDS.read(fields[0]) * 10**9 + NANOSECONDS.read(fields[1])


def _read_sequence(text: Text, fields: Sequence[str]) -> None:
    if len(fields) != 1:
        raise ValueError('a sequence number is written sq_<number>')
    text.sequence = SEQUENCE.read(fields[0])


_HEADER = {'rs': _read_resolution, 'at': _read_at, 'sq': _read_sequence}


def _read_tracks(lines: Sequence[str], header: int, starts: Sequence[int]) -> list[list[Event]]:
    if starts[0] != header:
        raise EventTextError(header + 1, lines[header], 'the events before it have no track')
    tracks = []
    for expected, (start, end) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True)):
        try:
            number = TRACK.read(lines[start][len('tr_') :])
            if number != expected:
                raise ValueError(f'the track here is {expected}: they are counted up from 0')
        except ValueError as error:
            raise EventTextError(start + 1, lines[start], str(error)) from None
        tracks.append(_read_events(lines[start + 1 : end], start + 1))
    return tracks


def _read_events(lines: Sequence[str], before: int) -> list[Event]:
    """Return the events of lines, of which there are `before` more above."""
    events: list[Event] = []
    append, new = events.append, tuple.__new__
    try:
        for line in lines:
            delta, _, body = line.partition('_')
            read = _read_body if len(body) <= _LONGEST_REMEMBERED else _read_body.__wrapped__
            # What Event(...) does, less the call into Python.
            append(new(Event, (_read_delta(delta), *read(body))))
    except ValueError as error:
        number = len(events)
        raise EventTextError(before + number + 1, lines[number], str(error)) from None
    return events


@lru_cache(_MEMORY)
def _read_delta(text: str) -> int:
    return DELTA.read(text)


@lru_cache(_MEMORY)
def _read_body(body: str) -> tuple[str, tuple]:
    """Return (kind, values) of an event from its line after the delta."""
    name, *fields = body.split('_')
    if not name:
        raise ValueError('an event is written <delta>_<kind>_<fields>')
    kind = kind_named(name)
    return kind.name, kind.read(fields)


def _check_limits(
    text: Text, limits: Limits, lines: Sequence[str], header: int, tracked: bool
) -> None:
    try:
        tempo = TempoMap(text)
    except ValueError as error:
        raise EventTextError(1, lines[0], str(error)) from None
    number, count = header, 0
    for track in text.tracks:
        number += tracked
        tick = 0
        for event in track:
            number += 1
            count += 1
            if count > limits.events:
                reason = f'there are more than {limits.events} events'
                raise EventTextError(number, lines[number - 1], reason)
            before, tick = tick, tick + event.delta
            if event.delta and tempo.time_at(tick) - tempo.time_at(before) > limits.delta:
                reason = f'the delta is over {limits.delta // 10**9} seconds'
                raise EventTextError(number, lines[number - 1], reason)
