# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The motion of joints: moves from rest to rest within the limits of a body."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from operator import attrgetter
from typing import NamedTuple

from improv_ros.event_text import SECOND


@dataclass(frozen=True)
class Move:
    """
    A move of one joint from rest to rest.

    depart, arrive: nanoseconds. origin, target: positions in the unit of the joint.
    acceleration: the velocity profile is a trapezoid with this acceleration, whose highest speed
        is as low as the time allows; None is a constant speed.
    """

    depart: int
    arrive: int
    origin: float
    target: float
    acceleration: float | None = None

    @property
    def breakpoints(self) -> list[int]:
        """The times at which the acceleration changes."""
        if self.acceleration is None:
            return [self.depart, self.arrive]
        ramp = self._ramp()
        ramp_ns = round(ramp * SECOND)
        return [self.depart, self.depart + ramp_ns, self.arrive - ramp_ns, self.arrive]

    def at(self, time: int) -> tuple[float, float]:
        """Return (position, velocity) at a time; the velocity right after it."""
        if time < self.depart:
            return self.origin, 0.0
        if time >= self.arrive:
            return self.target, 0.0
        duration = (self.arrive - self.depart) / SECOND
        distance = self.target - self.origin
        passed = (time - self.depart) / SECOND
        if self.acceleration is None:
            return self.origin + distance * passed / duration, distance / duration
        ramp = self._ramp()
        cruise = distance / (duration - ramp)
        gain = cruise / ramp
        left = duration - passed
        if passed <= ramp:
            return self.origin + gain * passed * passed / 2, gain * passed
        if left <= ramp:
            return self.target - gain * left * left / 2, gain * left
        return self.origin + cruise * (passed - ramp / 2), cruise

    def _ramp(self) -> float:
        """Return the seconds of acceleration, with which the move takes the given time."""
        assert self.acceleration is not None
        duration = (self.arrive - self.depart) / SECOND
        distance = abs(self.target - self.origin)
        # way = acceleration * ramp * (duration - ramp)
        root = sqrt(max(0.0, duration * duration - 4 * distance / self.acceleration))
        return (duration - root) / 2


class Point(NamedTuple):
    """The positions and velocities of all joints at one time."""

    time: int
    positions: tuple[float, ...]
    velocities: tuple[float, ...]


class Timeline:
    """The moves of one joint, in the order of time."""

    def __init__(self, position: float) -> None:
        self._start = position
        self._moves: list[Move] = []

    @property
    def end(self) -> int:
        """When the last move ends; 0 if there is none."""
        return self._moves[-1].arrive if self._moves else 0

    def add(self, move: Move) -> None:
        """Append a move, which may not begin before the last one ends."""
        assert move.depart >= self.end
        self._moves.append(move)

    def at(self, time: int) -> tuple[float, float]:
        """Return (position, velocity) at a time."""
        index = bisect_right(self._moves, time, key=attrgetter('depart')) - 1
        return self._moves[index].at(time) if index >= 0 else (self._start, 0.0)

    def breakpoints(self, since: int) -> list[int]:
        """Return the breakpoints of all moves after `since`."""
        return [time for move in self._moves for time in move.breakpoints if time > since]

    def forget(self, before: int) -> None:
        """Forget the moves that ended before a time."""
        while self._moves and self._moves[0].arrive <= before:
            self._start = self._moves.pop(0).target


def points_of(timelines: Sequence[Timeline], since: int) -> list[Point]:
    """
    Return the points of all joints at `since` and at every breakpoint of a move after it.

    Linear interpolation of the positions, or cubic interpolation of positions and velocities as
    a joint trajectory controller does it, gives the moves exactly.
    """
    times = {since}.union(*(timeline.breakpoints(since) for timeline in timelines))
    points = []
    for time in sorted(times):
        states = [timeline.at(time) for timeline in timelines]
        points.append(Point(time, tuple(p for p, _ in states), tuple(v for _, v in states)))
    return points
