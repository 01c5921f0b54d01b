# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a browser may say: a table of commands, from which reading and refusing follow.

A message is a JSON object `{"do": NAME, ...}` whose other fields are those of the command's row,
no more and no fewer. Times are milliseconds of the page's clock (see `PageClock`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
import math
from typing import Any

LONGEST_MESSAGE = 2048  # bytes
QUOTED = 40  # characters of a refused value that a reason shows
LONGEST_TIME = 1e13  # ms


class ProtocolError(ValueError):
    """A message that is refused: says what is wrong with it."""


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`; `whole` for integers only."""

    low: float
    high: float
    whole: bool = False

    def refusal(self, value: Any) -> str:
        """Say why a value cannot be used; empty where it can."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 'is not a number'
        if self.whole and not isinstance(value, int):
            return 'is not a whole number'
        if not math.isfinite(value) or not self.low <= value <= self.high:
            return f'must lie from {self.low:g} to {self.high:g}'
        return ''


@dataclass(frozen=True)
class Text:
    """A text of at most `longest` printable characters; one of `choices` where there are any."""

    longest: int = 100
    choices: tuple[str, ...] = ()

    def refusal(self, value: Any) -> str:
        """Say why a value cannot be used; empty where it can."""
        if not isinstance(value, str):
            return 'is not a text'
        if self.choices and value not in self.choices:
            return f'is none of {", ".join(self.choices)}'
        if len(value) > self.longest or not (value.isprintable() or not value):
            return f'is not a printable text of at most {self.longest} characters'
        return ''


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def refusal(self, value: Any) -> str:
        """Say why a value cannot be used; empty where it can."""
        return '' if isinstance(value, bool) else 'is neither true nor false'


@dataclass(frozen=True)
class Value:
    """What a parameter may be set to: a number, a flag or a text; its node checks the rest."""

    def refusal(self, value: Any) -> str:
        """Say why a value cannot be used; empty where it can."""
        if isinstance(value, bool):
            return ''
        if isinstance(value, int | float):
            return Number(-1e9, 1e9).refusal(value)
        return Text(200).refusal(value)


Field = Number | Text | Flag | Value


@dataclass(frozen=True)
class Command:
    """A row of the table."""

    name: str
    fields: Mapping[str, Field]


ACTIONS = ('improvise', 'again', 'keep', 'stop', 'forget', 'panic')
_TIME = Number(-LONGEST_TIME, LONGEST_TIME)
_SEVEN_BITS = Number(0, 127, whole=True)
_TABLE = (
    # The browser's clock when it was sent, and the latest frame that was received.
    Command('ping', {'sent': _TIME, 'seen': Number(0, 2**53, whole=True)}),
    # A key pressed, or released (velocity 0), and the sustain pedal.
    Command('key', {'pitch': _SEVEN_BITS, 'velocity': _SEVEN_BITS, 'time': _TIME}),
    Command('pedal', {'value': _SEVEN_BITS, 'time': _TIME}),
    Command('act', {'action': Text(choices=ACTIONS)}),
    Command('set', {'parameter': Text(64), 'value': Value()}),
    # The microphones and keyboards that there are, and which to hear.
    Command('devices', {}),
    Command('choose', {'kind': Text(choices=('microphone', 'keyboards')), 'names': Text(300)}),
    Command('record', {'on': Flag()}),
)
COMMANDS = {command.name: command for command in _TABLE}


def read_command(message: str | bytes) -> tuple[str, dict[str, Any]]:
    """Return a command's name and its fields; raise `ProtocolError` naming what is refused."""
    if len(message) > LONGEST_MESSAGE:
        raise ProtocolError(f'a message is over {LONGEST_MESSAGE} bytes')
    try:
        content = json.loads(message)
    except (ValueError, RecursionError):
        raise ProtocolError('a message is not JSON') from None
    if not isinstance(content, dict) or not isinstance(name := content.pop('do', None), str):
        raise ProtocolError('a message is not an object with a command in "do"')
    command = COMMANDS.get(name)
    if command is None:
        raise ProtocolError(f'there is no command {_quoted(name)}, only {", ".join(COMMANDS)}')
    if content.keys() != command.fields.keys():
        wanted = ', '.join(command.fields) or 'no fields'
        raise ProtocolError(f'{name} has {wanted}, not {_quoted(", ".join(content))}')
    for field, kind in command.fields.items():
        if reason := kind.refusal(content[field]):
            raise ProtocolError(f'{name}: {field} {_quoted(content[field])} {reason}')
    return name, content


def write_frame(content: Mapping[str, Any]) -> str:
    """Return what is sent to a browser, as strict JSON: what is no number there becomes null."""
    try:
        return json.dumps(content, separators=(',', ':'), allow_nan=False)
    except ValueError:
        return json.dumps(_finite(content), separators=(',', ':'), allow_nan=False)


def _finite(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= QUOTED else text[:QUOTED] + '...'
