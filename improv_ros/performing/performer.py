# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The performer of one body: notes in; commands, trajectories and the notes that sound out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from improv_ros.event_text import SECOND, TimedEvent, clear, control_change, note_off, note_on
from improv_ros.event_text.events import SUSTAIN
from improv_ros.performing.assignment import REACTION_TIME, Assign, assign_best
from improv_ros.performing.body import Body
from improv_ros.performing.feedback import IdealBody, StrikeLateness
from improv_ros.performing.learned_body import BodyLearner
from improv_ros.performing.planner import Command, Planner
from improv_ros.performing.trajectory import Point

LEARNING_PERIOD = SECOND  # in which what was learned is used


@dataclass
class PerformerOutput:
    """
    What to publish now; all times are nanoseconds of the caller's clock.

    performed: commands with keys as pitches, at the times of the commands.
    strikes: the same commands with the numbers of the strikers as pitches.
    trajectory: the joints from now on, which replaces all earlier points; empty if they still
        hold.
    leads: scheduling leads, from now to the sound of each strike, in nanoseconds.
    """

    performed: list[TimedEvent] = field(default_factory=list)
    strikes: list[TimedEvent] = field(default_factory=list)
    trajectory: list[Point] = field(default_factory=list)
    leads: list[int] = field(default_factory=list)


class Performer:
    """
    Performs on one body.

    lookahead: nanoseconds; every command is returned at least this long before its sound.
    start: the time at which the joints begin to move to their first positions.
    assign, immediate: as of Planner.
    learner: learns the body from `report` and `report_joint`; None: the body file alone counts.
    """

    def __init__(
        self,
        body: Body,
        lookahead: int,
        start: int,
        assign: Assign = assign_best,
        immediate: bool = False,
        learner: BodyLearner | None = None,
    ) -> None:
        self.planner = Planner(learner.body() if learner else body, lookahead, assign, immediate)
        self.lateness = StrikeLateness(body)
        self._learner = learner
        self._learn_at = start
        self._ideal_body = IdealBody()
        self.go_to_start(start)

    def go_to_start(self, now: int) -> None:
        """
        Move all joints from wherever they are to where they should be; play no note until then.

        For the beginning, and for a joint controller that has joined late.
        """
        self._published_moves = -1
        self._at_start = now
        if self.planner.joints:
            # Twice the longest travel time: how the controller moves there is not known.
            strikers = self.planner.body.strikers
            times = [time for s in strikers for row in s.travel.values() for time in row.values()]
            self._at_start += 2 * max(times) + REACTION_TIME
        self.planner.wait_until(self._at_start)

    def add(self, events: Iterable[TimedEvent], now: int) -> PerformerOutput:
        """Add notes to perform."""
        return self._output(self.planner.add(events, now), now)

    def advance(self, now: int) -> PerformerOutput:
        """Make the decisions that are due; call this every 10 ms."""
        self.lateness.forget(now)
        if self._learner and self._learner.changed and now >= self._learn_at:
            self._learn_at = now + LEARNING_PERIOD
            self.planner.replace_body(self._learner.body())
        return self._output(self.planner.advance(now), now)

    def report(self, time: int, pitch: int) -> int | None:
        """
        Take a note that the body has reported.

        Returns how late it was, in nanoseconds; None if it was not commanded.
        """
        command = self.lateness.match(time, pitch)
        if command is None:
            return None
        if self._learner:
            self._learner.observe_strike(command.striker, command.velocity, time - command.time)
        return time - command.sound

    def report_joint(self, joint: str, time: int, position: float, speed: float) -> None:
        """Take the state of a joint that the body has measured."""
        if self._learner and joint in self.planner.joints and time > self._at_start:
            error = abs(position - self.planner.joint_at(joint, time))
            self._learner.observe_joint(joint, abs(speed), error)

    def stop(self, now: int) -> PerformerOutput:
        """Withdraw everything and release all keys."""
        return self._output(self.planner.clear(now, now), now)

    def sounded(self, now: int) -> list[TimedEvent]:
        """Return what a body that obeys its commands has played since the last call."""
        return self._ideal_body.sounded(now)

    def _output(self, commands: list[Command], now: int) -> PerformerOutput:
        self._ideal_body.add(commands)
        self.lateness.add(commands)
        output = PerformerOutput(
            [_event(command, command.pitch) for command in commands],
            [_event(command, command.striker) for command in commands],
            leads=[c.sound - now for c in commands if c.kind == 'strike'],
        )
        if self.planner.joints and self._published_moves != self.planner.moves:
            self._published_moves = self.planner.moves
            output.trajectory = self.planner.trajectory(max(now, self._at_start))
        return output


def _event(command: Command, key: int) -> TimedEvent:
    """Return a command as an event at the time of the command, with `key` as its pitch."""
    if command.kind == 'strike':
        return note_on(command.time, key, command.velocity)
    if command.kind == 'release':
        return note_off(command.time, key)
    if command.kind == 'pedal':
        return control_change(command.time, SUSTAIN, command.velocity)
    return clear(command.time)
