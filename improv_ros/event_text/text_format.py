# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Parses event text, strictly and with limits for live messages, and formats it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from improv_ros.event_text.events import SECOND, Event, EventTextError, Text
from improv_ros.event_text.kinds import (
    BULKY_KINDS,
    DELTA,
    NANOSECONDS,
    PUBLISHER,
    RESOLUTION,
    SECONDS,
    SEQUENCE,
    TRACK,
    kind_named,
)
from improv_ros.event_text.tempo import tempo_map

# Music repeats itself: most deltas and bodies of lines were parsed before.
_CACHE_SIZE = 1 << 16
_MAX_CACHED_LENGTH = 64  # characters


@dataclass(frozen=True)
class Limits:
    """The limits of a text."""

    size: int  # bytes
    events: int
    delta: int  # nanoseconds between an event and the one before it in its track


LIVE_LIMITS = Limits(size=64 * 1024, events=4096, delta=3600 * SECOND)


def parse(text: str | bytes, limits: Limits | None = None) -> Text:
    """Return the events of a text.

    Raises EventTextError, with the number of the line, its text and the reason, for a malformed
    text or one over the limits.
    """
    if limits and len(text) > limits.size:
        raise EventTextError(1, _head(text), f'the text is over {limits.size} bytes')
    if isinstance(text, bytes):
        # Only ASCII is valid, so a replacement character is an error in its line.
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
    """Return the text without events, and the number of header lines."""
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
    text.at = SECONDS.read(fields[0]) * SECOND + NANOSECONDS.read(fields[1])


def _read_sequence(text: Text, fields: Sequence[str]) -> None:
    if len(fields) != 1:
        raise ValueError('a sequence number is written sq_<number>')
    text.sequence = SEQUENCE.read(fields[0])


def _read_publisher(text: Text, fields: Sequence[str]) -> None:
    if len(fields) != 1:
        raise ValueError('the id of a publisher is written id_<hexadecimal digits>')
    text.publisher = PUBLISHER.read(fields[0])


_HEADER = {
    'rs': _read_resolution,
    'at': _read_at,
    'sq': _read_sequence,
    'id': _read_publisher,
}


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
    """Return the events of lines; `before` is the number of lines above them."""
    events: list[Event] = []
    append, new = events.append, tuple.__new__
    try:
        for line in lines:
            delta, _, body = line.partition('_')
            read = _read_body if len(body) <= _MAX_CACHED_LENGTH else _read_body.__wrapped__
            # Like Event(...), but faster: without a Python call.
            append(new(Event, (_read_delta(delta), *read(body))))
    except ValueError as error:
        number = len(events)
        raise EventTextError(before + number + 1, lines[number], str(error)) from None
    return events


@lru_cache(_CACHE_SIZE)
def _read_delta(text: str) -> int:
    return DELTA.read(text)


@lru_cache(_CACHE_SIZE)
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
        tempo = tempo_map(text)
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
                reason = f'the delta is over {limits.delta // SECOND} seconds'
                raise EventTextError(number, lines[number - 1], reason)


def format_text(text: Text) -> str:
    """Return the text in its only written form, with a line feed after every line.

    A text of one track has no `tr` line. Raises EventTextError, with the number of the line, for
    an event or header with a value out of range.
    """
    lines: list[str] = []
    try:
        lines.append(f'rs_{RESOLUTION.write(text.resolution)}')
        if text.at is not None:
            seconds, nanoseconds = divmod(text.at, SECOND)
            lines.append(f'at_{SECONDS.write(seconds)}_{NANOSECONDS.write(nanoseconds)}')
        if text.sequence is not None:
            lines.append(f'sq_{SEQUENCE.write(text.sequence)}')
        if text.publisher is not None:
            lines.append(f'id_{PUBLISHER.write(text.publisher)}')
    except ValueError as error:
        header = f'{text.resolution}, {text.at}, {text.sequence}, {text.publisher}'
        raise EventTextError(len(lines) + 1, header, str(error)) from None
    for number, track in enumerate(text.tracks):
        if len(text.tracks) > 1:
            lines.append(f'tr_{TRACK.write(number)}')
        _write_events(track, lines)
    lines.append('')
    return '\n'.join(lines)


def format_body(kind: str, values: tuple) -> str:
    """Return the line of an event without its delta; ValueError for a value out of range."""
    return '_'.join([kind, *kind_named(kind).write(values)])


def _write_events(events: Iterable[Event], lines: list[str]) -> None:
    append = lines.append
    event: Event | None = None
    try:
        for event in events:
            delta, kind, values = event
            write = format_body if kind in BULKY_KINDS else _cached_body
            append(f'{_format_delta(delta)}_{write(kind, values)}')
    except (TypeError, ValueError) as error:
        raise EventTextError(len(lines) + 1, repr(event), str(error)) from None


_cached_body = lru_cache(_CACHE_SIZE)(format_body)


@lru_cache(_CACHE_SIZE)
def _format_delta(delta: int) -> str:
    return DELTA.write(delta)
