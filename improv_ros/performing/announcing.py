"""Commands as event text: for a robot that thinks in keys, and for one that thinks in strikers."""

from __future__ import annotations

from collections.abc import Iterable

from improv_ros.event_text import TimedEvent, clear, control_change, note_off, note_on
from improv_ros.event_text.events import SUSTAIN
from improv_ros.performing.planner import Command


def performed_events(commands: Iterable[Command]) -> list[TimedEvent]:
    """Return commands with keys as pitches; times are those of the commands, not the sounds."""
    return [_event(command, command.pitch) for command in commands]


def strike_events(commands: Iterable[Command]) -> list[TimedEvent]:
    """Return commands with the strikers' numbers as pitches: each fires at once at its time."""
    return [_event(command, command.striker) for command in commands]


def _event(command: Command, key: int) -> TimedEvent:
    if command.kind == 'strike':
        return note_on(command.time, key, command.velocity)
    if command.kind == 'let_go':
        return note_off(command.time, key)
    if command.kind == 'pedal':
        return control_change(command.time, SUSTAIN, command.velocity)
    return clear(command.time)
