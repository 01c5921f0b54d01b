"""What a body that does as it is told plays, and how far from that a real one is."""

from __future__ import annotations

from collections.abc import Iterable

from improv_ros.event_text import TimedEvent, control_change, note_off, note_on
from improv_ros.event_text.events import SUSTAIN
from improv_ros.performing.body import SECOND
from improv_ros.performing.planner import Command

TOLERANCE = SECOND // 2  # a report further than this from every strike of its pitch is of none


class Obedience:
    """Commands in, and out at their time what sounds if they are obeyed to the letter."""

    def __init__(self) -> None:
        self._pending: list[Command] = []
        self._sounding: dict[int, int] = {}  # pitch: striker

    def add(self, commands: Iterable[Command]) -> None:
        """Take in commands; a clear withdraws those at or after its time."""
        for command in commands:
            if command.kind == 'clear':
                time = command.time
                self._pending = [c for c in self._pending if c.time < time]
            self._pending.append(command)
        self._pending.sort(key=lambda c: c.sound or c.time)

    def sounded(self, now: int) -> list[TimedEvent]:
        """Return what sounded, or ended, until now."""
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


class Lateness:
    """Compares what a body reports with what it was told."""

    def __init__(self) -> None:
        self._awaited: list[Command] = []
        self.missed = 0  # strikes that were never reported
        self.unexpected = 0  # notes that were not commanded

    def add(self, commands: Iterable[Command]) -> None:
        """Take in commands; a clear withdraws those at or after its time."""
        for command in commands:
            if command.kind == 'clear':
                self._awaited = [c for c in self._awaited if c.time < command.time]
            elif command.kind == 'strike':
                self._awaited.append(command)

    def of(self, time: int, pitch: int) -> int | None:
        """Return how late a note was that the body reports; None if it was not commanded."""
        near = [c for c in self._awaited if c.pitch == pitch and abs(c.sound - time) <= TOLERANCE]
        if not near:
            self.unexpected += 1
            return None
        command = min(near, key=lambda c: abs(c.sound - time))
        self._awaited.remove(command)
        return time - command.sound

    def forget(self, now: int) -> None:
        """Give up on strikes that were to sound long ago."""
        awaited = [c for c in self._awaited if c.sound > now - 2 * TOLERANCE]
        self.missed += len(self._awaited) - len(awaited)
        self._awaited = awaited
