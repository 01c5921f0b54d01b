"""Where a joint is when: moves from rest to rest within the limits of a body."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from operator import attrgetter
from typing import NamedTuple

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Move:
    """A move of one joint from rest to rest, between two times in nanoseconds.

    With an acceleration the joint speeds up, cruises and slows down, each as gently as the time
    allows at that acceleration; without one it moves at one speed.
    """

    depart: int
    arrive: int
    origin: float
    target: float
    acceleration: float | None = None

    @property
    def corners(self) -> list[int]:
        """The times at which the manner of moving changes."""
        if self.acceleration is None:
            return [self.depart, self.arrive]
        ramp = self._ramp()
        ramp_ns = round(ramp * SECOND)
        return [self.depart, self.depart + ramp_ns, self.arrive - ramp_ns, self.arrive]

    def at(self, time: int) -> tuple[float, float]:
        """Return (position, speed) at a time; the speed just after it."""
        if time < self.depart:
            return self.origin, 0.0
        if time >= self.arrive:
            return self.target, 0.0
        length = (self.arrive - self.depart) / SECOND
        way = self.target - self.origin
        passed = (time - self.depart) / SECOND
        if self.acceleration is None:
            return self.origin + way * passed / length, way / length
        ramp = self._ramp()
        cruise = way / (length - ramp)
        gain = cruise / ramp
        left = length - passed
        if passed <= ramp:
            return self.origin + gain * passed * passed / 2, gain * passed
        if left <= ramp:
            return self.target - gain * left * left / 2, gain * left
        return self.origin + cruise * (passed - ramp / 2), cruise

    def _ramp(self) -> float:
        """Return the seconds of speeding up at full acceleration that make the way in time."""
        assert self.acceleration is not None
        length = (self.arrive - self.depart) / SECOND
        way = abs(self.target - self.origin)
        # way = acceleration * ramp * (length - ramp)
        root = sqrt(max(0.0, length * length - 4 * way / self.acceleration))
        return (length - root) / 2


class Point(NamedTuple):
    """All joints of a body at one time."""

    time: int
    positions: tuple[float, ...]
    velocities: tuple[float, ...]


class Timeline:
    """One joint's moves, one after the other."""

    def __init__(self, position: float) -> None:
        self._start = position
        self._moves: list[Move] = []

    @property
    def end(self) -> int:
        """When the last move is over; 0 if there is none."""
        return self._moves[-1].arrive if self._moves else 0

    def add(self, move: Move) -> None:
        """Append a move; it may not begin before the last one is over."""
        assert move.depart >= self.end
        self._moves.append(move)

    def at(self, time: int) -> tuple[float, float]:
        """Return (position, speed) at a time."""
        index = bisect_right(self._moves, time, key=attrgetter('depart')) - 1
        return self._moves[index].at(time) if index >= 0 else (self._start, 0.0)

    def corners(self, since: int) -> list[int]:
        """Return the times after `since` at which the manner of moving changes."""
        return [time for move in self._moves for time in move.corners if time > since]

    def forget(self, before: int) -> None:
        """Drop the moves that were over before a time."""
        while self._moves and self._moves[0].arrive <= before:
            self._start = self._moves.pop(0).target


def points_of(timelines: Sequence[Timeline], since: int) -> list[Point]:
    """Return where all joints are at `since` and at every corner of a move after it.

    Straight lines between the positions, or cubics that meet the velocities too, give back the
    moves exactly.
    """
    times = {since}.union(*(timeline.corners(since) for timeline in timelines))
    points = []
    for time in sorted(times):
        states = [timeline.at(time) for timeline in timelines]
        points.append(Point(time, tuple(p for p, _ in states), tuple(v for _, v in states)))
    return points
