# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a body that obeys its commands plays, and how late the strikes of a real body are."""

from __future__ import annotations

from collections.abc import Iterable

from improv_ros.event_text import SECOND, TimedEvent, control_change, note_off, note_on
from improv_ros.event_text.events import SUSTAIN
from improv_ros.performing.assignment import TIMESTAMP_RESOLUTION
from improv_ros.performing.body import Body
from improv_ros.performing.planner import Command

MATCH_WINDOW = SECOND // 2  # a report belongs to a strike of its pitch within this time


class IdealBody:
    """A body that carries out every command exactly: commands in, the events that sound out."""

    def __init__(self) -> None:
        self._pending: list[Command] = []
        self._sounding: dict[int, int] = {}  # pitch: striker

    def add(self, commands: Iterable[Command]) -> None:
        """
        Add commands; a clear withdraws those at or after its time.

        A strike that has begun by then still sounds, and its key is released at once.
        """
        for command in commands:
            if command.kind == 'clear':
                time = command.time
                self._pending = [c for c in self._pending if c.time < time]
                self._pending += [
                    Command(end, 'release', c.striker, c.pitch, sound=end)
                    for c in self._pending
                    if c.kind == 'strike' and (end := c.sound + TIMESTAMP_RESOLUTION) > time
                ]
            self._pending.append(command)
        self._pending.sort(key=lambda c: c.sound or c.time)

    def sounded(self, now: int) -> list[TimedEvent]:
        """Return the events that sounded up to `now`, since the last call."""
        events: list[TimedEvent] = []
        while self._pending and (self._pending[0].sound or self._pending[0].time) <= now:
            events += self._events(self._pending.pop(0))
        return events

    def _events(self, command: Command) -> list[TimedEvent]:
        if command.kind == 'clear':
            ended = [note_off(command.time, pitch) for pitch in self._sounding]
            self._sounding.clear()
            return ended
        if command.kind == 'pedal':
            return [control_change(command.sound, SUSTAIN, command.velocity)]
        pitch = command.pitch
        if command.kind == 'strike':
            again = [note_off(command.sound, pitch)] if pitch in self._sounding else []
            self._sounding[pitch] = command.striker
            return [*again, note_on(command.sound, pitch, command.velocity)]
        if self._sounding.get(pitch) != command.striker:
            return []
        del self._sounding[pitch]
        return [note_off(command.sound, pitch)]


class StrikeLateness:
    """Compares the notes that a body reports with the strikes that it was commanded."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._expected: list[Command] = []
        self.missed = 0  # strikes that were never reported
        self.unexpected = 0  # notes that were not commanded

    def add(self, commands: Iterable[Command]) -> None:
        """Add commands; a clear withdraws those at or after its time."""
        for command in commands:
            if command.kind == 'clear':
                self._expected = [c for c in self._expected if c.time < command.time]
            elif command.kind == 'strike':
                self._expected.append(command)

    def match(self, time: int, pitch: int) -> Command | None:
        """Return the strike that a reported note came from; None if it was not commanded."""
        key = self._body.key_of(pitch)
        near = [
            c
            for c in self._expected
            if self._body.key_of(c.pitch) == key and abs(c.sound - time) <= MATCH_WINDOW
        ]
        if not near:
            self.unexpected += 1
            return None
        command = min(near, key=lambda c: abs(c.sound - time))
        self._expected.remove(command)
        return command

    def forget(self, now: int) -> None:
        """Count the strikes as missed that were to sound more than a second ago."""
        expected = [c for c in self._expected if c.sound > now - 2 * MATCH_WINDOW]
        self.missed += len(self._expected) - len(expected)
        self._expected = expected
