# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The table of event kinds: parsing, formatting and checking all follow from its rows.

A row lists the fields of a kind in the order of the text, each with its range, and the MIDI
message with mido's names. A new kind is a new row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

from improv_ros.event_text.events import SECOND

MICROSECONDS_PER_MINUTE = 60_000_000

# Most characters that an error message quotes, so that any input is safe to log.
QUOTED = 40

LONGEST_NUMBER = 20  # digits

# The system messages of a MIDI file, and their lengths in bytes. There 0xff begins a meta message,
# so `reset` is not among them.
SYSTEM_LENGTHS = {
    0xF1: 2,
    0xF2: 3,
    0xF3: 2,
    0xF6: 1,
    0xF8: 1,
    0xFA: 1,
    0xFB: 1,
    0xFC: 1,
    0xFE: 1,
}


def beats_per_minute(microseconds: int) -> int:
    """Return whole beats per minute, rounded down; 0 for a beat of no length."""
    return MICROSECONDS_PER_MINUTE // microseconds if microseconds else 0


def quoted(text: str) -> str:
    """Return the text for an error message: printable, and at most `QUOTED` characters."""
    return repr(text if len(text) <= QUOTED else text[:QUOTED] + '...')


@dataclass(frozen=True)
class Number:
    """A whole number in plain digits, from `low` to `high`."""

    name: str
    low: int
    high: int
    attribute: str = ''  # mido's name, where the field is part of the message

    default = 0

    def read(self, text: str) -> int:
        """Return the number in the text; ValueError if it is not one, or out of range."""
        try:
            # Check the length first: int() takes quadratic time for a number of many digits.
            number = int(text) if len(text) <= LONGEST_NUMBER else None
        except ValueError:
            number = None
        # int() also accepts spaces, signs, underscores, leading zeros and digits of other scripts.
        if number is None or str(number) != text:
            raise ValueError(f'{self.name} {quoted(text)} is not a whole number in plain digits')
        return self._in_range(number)

    def write(self, value: Any) -> str:
        """Return the number's text; ValueError if it is not a whole number, or out of range."""
        return str(self.check(value))

    def check(self, value: Any) -> int:
        """Return the value as an int; ValueError if it is not one, or out of range."""
        try:
            number = int(index(value))
        except TypeError:
            raise ValueError(f'{self.name} {value!r} is not a whole number') from None
        return self._in_range(number)

    def _in_range(self, number: int) -> int:
        if not self.low <= number <= self.high:
            raise ValueError(f'{self.name} {number} is not in {self.low} to {self.high}')
        return number


@dataclass(frozen=True)
class Data:
    """Bytes, as pairs of lower case hexadecimal digits."""

    name: str
    attribute: str = ''

    default = b''

    def read(self, text: str) -> bytes:
        """Return the bytes in the text; ValueError if it is not pairs of digits."""
        try:
            data = bytes.fromhex(text)
        except ValueError:
            data = b''
        if not data or data.hex() != text:
            raise ValueError(f'{self.name} {quoted(text)} is not pairs of digits 0-9 and a-f')
        return data

    def write(self, value: Any) -> str:
        """Return the text of the bytes; ValueError if the value is not bytes."""
        if not isinstance(value, bytes):
            raise ValueError(f'{self.name} is {type(value).__name__}, not bytes')
        return value.hex()


@dataclass(frozen=True)
class Identity:
    """A name of lower case hexadecimal digits; leading zeros are significant."""

    name: str
    longest: int

    def read(self, text: str) -> str:
        """Return the text; ValueError if it is not such a name."""
        if not 1 <= len(text) <= self.longest or not set(text) <= set('0123456789abcdef'):
            reason = f'is not 1 to {self.longest} digits 0-9 and a-f'
            raise ValueError(f'{self.name} {quoted(text)} {reason}')
        return text

    write = read


@dataclass(frozen=True)
class Kind:
    """A row of the table: the form of one kind of event, and its MIDI message."""

    name: str
    fields: tuple[Number | Data, ...]
    message: str = ''  # mido's message type, where each field is one of its attributes
    optional: bool = False  # the last field is left out when it has its default
    objection: Callable[..., str] | None = None  # returns what is wrong with the values, or ''

    @property
    def shape(self) -> str:
        """The form of a line of this kind, for an error message."""
        names = [f'_<{field.name}>' for field in self.fields]
        if self.optional:
            names[-1] = f'[{names[-1]}]'
        return f'<delta>_{self.name}{"".join(names)}'

    def read(self, texts: Sequence[str]) -> tuple:
        """Return the values of an event from the texts of its fields; ValueError if invalid."""
        missing = len(self.fields) - len(texts)
        if missing and not (missing == 1 and self.optional):
            raise ValueError(f'{self.name} is written {self.shape}')
        values = [field.read(text) for field, text in zip(self.fields, texts, strict=False)]
        if missing:
            values.append(self.fields[-1].default)
        self._check_together(values)
        return tuple(values)

    def write(self, values: Sequence) -> list[str]:
        """Return the texts of the fields of an event; ValueError where a value is not allowed."""
        if len(values) != len(self.fields):
            raise ValueError(f'{self.name} has {len(self.fields)} values, not {len(values)}')
        texts = [field.write(value) for field, value in zip(self.fields, values, strict=True)]
        self._check_together(values)
        if self.optional and values[-1] == self.fields[-1].default:
            texts.pop()
        return texts

    def _check_together(self, values: Sequence) -> None:
        if self.objection and (reason := self.objection(*values)):
            raise ValueError(reason)


def _tempo_objection(bpm: int, microseconds: int) -> str:
    expected = beats_per_minute(microseconds)
    if bpm == expected:
        return ''
    return f'{microseconds} microseconds a beat are {expected} whole beats a minute, not {bpm}'


def _exclusive_objection(data: bytes) -> str:
    return '' if data.isascii() else 'system exclusive data has a byte over 7f'


def _system_objection(data: bytes) -> str:
    if data and SYSTEM_LENGTHS.get(data[0]) == len(data) and data[1:].isascii():
        return ''
    return f'{data.hex()[:QUOTED]} is not one whole system message'


def _meta_objection(meta_type: int, _data: bytes) -> str:
    return 'a tempo is written st, not mt' if meta_type == SET_TEMPO else ''


SET_TEMPO = 0x51  # the meta type that is written as `st`

DELTA = Number('delta', 0, 2**63 - 1)
RESOLUTION = Number('resolution', -(2**15), 2**15 - 1)  # negative: SMPTE frames, as in MIDI files
SECONDS = Number('seconds', 0, (2**63 - 1) // SECOND - 1)  # so that nanoseconds fit 64 bits
NANOSECONDS = Number('nanoseconds', 0, SECOND - 1)
SEQUENCE = Number('sequence number', 0, 2**63 - 1)
PUBLISHER = Identity('id', 16)
TRACK = Number('track', 0, 2**15 - 2)  # the limit of the header of a MIDI file

_CHANNEL = Number('channel', 0, 15, 'channel')
_PITCH = Number('pitch', 0, 127, 'note')
_VELOCITY = Number('velocity', 0, 127, 'velocity')
_VALUE = Number('value', 0, 127, 'value')
_BPM = Number('beats per minute', 0, MICROSECONDS_PER_MINUTE)
_TEMPO = Number('microseconds per quarter note', 0, 2**24 - 1, 'tempo')

_TABLE = (
    Kind('no', (_PITCH, _VELOCITY, _CHANNEL), 'note_on', optional=True),
    Kind('nf', (_PITCH, _VELOCITY, _CHANNEL), 'note_off', optional=True),
    Kind('st', (_BPM, _TEMPO), 'set_tempo', objection=_tempo_objection),
    Kind('cc', (_CHANNEL, Number('controller', 0, 127, 'control'), _VALUE), 'control_change'),
    Kind('pc', (_CHANNEL, Number('program', 0, 127, 'program')), 'program_change'),
    Kind('pw', (_CHANNEL, Number('bend', -8192, 8191, 'pitch')), 'pitchwheel'),
    Kind('ca', (_CHANNEL, _VALUE), 'aftertouch'),
    Kind('ka', (_CHANNEL, _PITCH, _VALUE), 'polytouch'),
    Kind('sx', (Data('data', 'data'),), 'sysex', True, _exclusive_objection),
    Kind('sy', (Data('message'),), objection=_system_objection),
    Kind('mt', (Number('type', 0, 255), Data('data')), '', True, _meta_objection),
    Kind('cl', ()),
)

KINDS = {kind.name: kind for kind in _TABLE}

# Kinds with data of any length, which seldom repeats: not cached.
BULKY_KINDS = frozenset(
    kind.name for kind in _TABLE if any(isinstance(field, Data) for field in kind.fields)
)


def kind_named(name: str) -> Kind:
    """Return the row of a kind; ValueError, with the known kinds, for another name."""
    try:
        return KINDS[name]
    except KeyError:
        known = ', '.join(KINDS)
        raise ValueError(f'there is no kind {quoted(name)}, only {known}') from None
