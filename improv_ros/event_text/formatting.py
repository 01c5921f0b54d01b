"""Events to event text."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from improv_ros.event_text.errors import EventTextError
from improv_ros.event_text.events import Event, Text
from improv_ros.event_text.kinds import (
    BULKY_KINDS,
    DELTA,
    NANOSECONDS,
    RESOLUTION,
    SECONDS,
    SEQUENCE,
    TRACK,
    kind_named,
)

# Music repeats itself: nearly every event is one met before, but for its delta.
_MEMORY = 1 << 16


def format_text(text: Text) -> str:
    """Return the text in its one written form, every line ended.

    A text of one track has no `tr` line. Raises EventTextError, with the number of the line it
    would have been, for an event or header with a value that cannot be written.
    """
    lines: list[str] = []
    try:
        lines.append(f'rs_{RESOLUTION.write(text.resolution)}')
        if text.at is not None:
            seconds, nanoseconds = divmod(text.at, 10**9)
            lines.append(f'at_{SECONDS.write(seconds)}_{NANOSECONDS.write(nanoseconds)}')
        if text.sequence is not None:
            lines.append(f'sq_{SEQUENCE.write(text.sequence)}')
    except ValueError as error:
        header = f'{text.resolution}, {text.at}, {text.sequence}'
        raise EventTextError(len(lines) + 1, header, str(error)) from None
    for number, track in enumerate(text.tracks):
        if len(text.tracks) > 1:
            lines.append(f'tr_{TRACK.write(number)}')
        _write_events(track, lines)
    lines.append('')
    return '\n'.join(lines)


def format_body(kind: str, values: tuple) -> str:
    """Return an event's line after its delta; ValueError where a value is not allowed."""
    return '_'.join([kind, *kind_named(kind).write(values)])


def _write_events(events: Iterable[Event], lines: list[str]) -> None:
    append = lines.append
    event: Event | None = None
    try:
        for event in events:
            delta, kind, values = event
            write = format_body if kind in BULKY_KINDS else _remembered_body
            append(f'{_format_delta(delta)}_{write(kind, values)}')
    except (TypeError, ValueError) as error:
        raise EventTextError(len(lines) + 1, repr(event), str(error)) from None


_remembered_body = lru_cache(_MEMORY)(format_body)


@lru_cache(_MEMORY)
def _format_delta(delta: int) -> str:
    return DELTA.write(delta)
