# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Converts events to mido messages and back, by the table of kinds."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

import mido
from mido.midifiles.meta import MetaSpec, add_meta_spec, build_meta_message

from improv_ros.event_text.events import TimedEvent
from improv_ros.event_text.kinds import KINDS, Kind, beats_per_minute, kind_named

# System common and real-time messages: they belong to the transport, not to the music.
_SYSTEM_TYPES = frozenset(
    {
        'quarter_frame',
        'songpos',
        'song_select',
        'tune_request',
        'clock',
        'start',
        'continue',
        'stop',
        'active_sensing',
    }
)


def message_of(kind: str, values: tuple) -> mido.Message | mido.MetaMessage:
    """Return the MIDI message of an event: a MetaMessage, for files only, for `st` and `mt`.

    ValueError for `cl`, for a value out of range, and for invalid `mt` data.
    """
    row = kind_named(kind)
    row.write(values)
    if kind == 'mt':
        return _meta_message(*values)
    if kind == 'sy':
        return mido.Message.from_bytes(values[0])
    if not row.message:
        raise ValueError(f'{kind} is not a MIDI message')
    message_class = mido.MetaMessage if kind == 'st' else mido.Message
    attributes = {
        field.attribute: value
        for field, value in zip(row.fields, values, strict=True)
        if field.attribute
    }
    return message_class(row.message, **attributes)


def event_of(message: mido.Message | mido.MetaMessage) -> tuple[str, tuple]:
    """Return (kind, values) of a MIDI message; ValueError for `reset`, which has no kind."""
    try:
        kind, values_of = _READERS[message.type]
    except KeyError:
        pass
    else:
        return kind, values_of(message)
    if message.is_meta:
        return 'mt', _meta_values(message)
    if message.type in _SYSTEM_TYPES:
        return 'sy', (bytes(message.bytes()),)
    raise ValueError(f'event text has no form for the MIDI message {message.type}')


def timed_event_of(message: mido.Message, time: int) -> TimedEvent | None:
    """Return a message that arrived at `time` (ns) as an event; None for system messages."""
    try:
        kind, values = event_of(message)
    except ValueError:
        return None
    return None if kind in ('st', 'mt', 'sy') else TimedEvent(time, kind, values)


def _meta_message(meta_type: int, data: bytes) -> mido.MetaMessage:
    try:
        return build_meta_message(meta_type, list(data))
    except Exception as error:  # mido's decoders raise many types of errors
        raise ValueError(
            f'meta message {meta_type} cannot have the data {data[:16].hex()!r}: {error!r}'
        ) from None


def _meta_values(message: mido.MetaMessage) -> tuple[int, bytes]:
    encoded = bytes(message.bytes())  # 0xff, type, length with bit 7 set on all but its last byte
    start = 2
    while encoded[start] & 0x80:
        start += 1
    return encoded[1], encoded[start + 1 :]


def _tempo_values(message: mido.MetaMessage) -> tuple[int, int]:
    return beats_per_minute(message.tempo), message.tempo


def _exclusive_values(message: mido.Message) -> tuple[bytes]:
    return (bytes(message.data),)


def _reader(row: Kind) -> Callable[[mido.Message], tuple]:
    return attrgetter(*(field.attribute for field in row.fields))


_READERS: dict[str, tuple[str, Callable[[mido.Message], tuple]]] = {
    row.message: (row.name, _reader(row))
    for row in KINDS.values()
    if row.message and len(row.fields) > 1 and all(field.attribute for field in row.fields)
}
_READERS['set_tempo'] = ('st', _tempo_values)
_READERS['sysex'] = ('sx', _exclusive_values)


class _UnknownMetaSpec(MetaSpec):
    """The form of a meta message whose type mido does not know: any bytes."""

    attributes = ('data',)
    defaults = ((),)

    def decode(self, message: mido.MetaMessage, data: list[int]) -> None:
        message.data = tuple(data)

    def encode(self, message: mido.MetaMessage) -> list[int]:
        return list(message.data)


def _is_unknown(meta_type: int) -> bool:
    try:
        return isinstance(build_meta_message(meta_type, []), mido.UnknownMetaMessage)
    except Exception:  # a known type whose data cannot be empty
        return False


# When mido reads a file, it loses the ticks before a message of an unknown type. So this registers
# all unknown types, in the way that mido documents for new meta messages.
for _meta_type in filter(_is_unknown, range(256)):
    add_meta_spec(
        type(f'MetaSpec_unknown_{_meta_type}', (_UnknownMetaSpec,), {'type_byte': _meta_type})
    )
