# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A joint trajectory controller: which trajectories it accepts, and where they lead when.

The rules and the interpolation are those of `joint_trajectory_controller` of ros2_controllers with
its default parameters (`validate_trajectory_msg`, `Trajectory::sample`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from improv_ros.event_text import SECOND
from improv_ros.performing.trajectory import Point

STANDING = 1.2e-7  # a velocity below this is none: the epsilon of float


class RefusedError(ValueError):
    """A trajectory that the controller does not accept: a sentence with the reason."""


@dataclass(frozen=True)
class Trajectory:
    """
    A trajectory; times are nanoseconds of the controller's clock.

    joints: the names of the joints, in the order of the points' positions.
    points: their velocities may be empty.
    """

    joints: tuple[str, ...]
    points: tuple[Point, ...]


class JointController:
    """
    Follows trajectories of some joints; each replaces the one before.

    joints: their names. positions: where they are at first.
    goal_tolerance: how far from its goal a joint may be when a trajectory ends; 0: any distance.
    goal_time: nanoseconds after the end at which that is looked at.
    """

    def __init__(
        self,
        joints: Sequence[str],
        positions: Sequence[float],
        goal_tolerance: float = 0.0,
        goal_time: int = 0,
    ) -> None:
        self.joints = tuple(joints)
        self.goals_missed = 0  # ends of trajectories outside of the tolerance
        self._tolerance = goal_tolerance
        self._goal_time = goal_time
        self._points = [Point(0, tuple(positions), ())]
        self._goal: Point | None = None

    def accept(self, trajectory: Trajectory, now: int) -> None:
        """Follow a trajectory from now on; RefusedError if it is against the rules."""
        self._check(trajectory, now)
        order = [trajectory.joints.index(joint) for joint in self.joints]
        positions, velocities = self.at(now)
        points = [
            Point(
                point.time,
                tuple(point.positions[i] for i in order),
                tuple(point.velocities[i] for i in order) if point.velocities else (),
            )
            for point in trajectory.points
        ]
        if points[0].time > now:
            points.insert(0, Point(now, positions, velocities if points[0].velocities else ()))
        self._points = points
        self._goal = points[-1]

    def at(self, time: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the desired (positions, velocities) at a time."""
        points = self._points
        after = bisect_right(points, time, key=lambda point: point.time)
        if after == len(points) or after == 0:
            positions = points[min(after, len(points) - 1)].positions
            return positions, (0.0,) * len(positions)
        if after > 2:
            del points[: after - 2]
            after = 2
        return _between(points[after - 1], points[after], time)

    def check_goal(self, time: int, positions: Sequence[float]) -> None:
        """Count a missed goal, once per trajectory, if it has ended and a joint is far from it."""
        if self._goal is None or time < self._goal.time + self._goal_time:
            return
        goal, self._goal = self._goal, None
        errors = [abs(a - b) for a, b in zip(goal.positions, positions, strict=True)]
        if self._tolerance and max(errors) > self._tolerance:
            self.goals_missed += 1

    def _check(self, trajectory: Trajectory, now: int) -> None:
        names, points = trajectory.joints, trajectory.points
        if len(names) != len(self.joints):
            raise RefusedError(
                f'it has {len(names)} joints and the controller {len(self.joints)}: '
                f'name {", ".join(self.joints)}'
            )
        for name in names:
            if name not in self.joints:
                raise RefusedError(f'the controller has no joint {name}')
        if len(set(names)) != len(names):
            raise RefusedError('it names a joint twice')
        if not points:
            raise RefusedError('it has no points')
        for velocity in points[-1].velocities:
            if abs(velocity) > STANDING:
                raise RefusedError(f'its last point has a velocity: {velocity:g}')
        if points[-1].time < now:
            raise RefusedError(
                f'it ended {(now - points[-1].time) / SECOND:.3f} s ago: publish it in time'
            )
        for number, (before, point) in enumerate(pairwise(points)):
            if point.time <= before.time:
                raise RefusedError(f'the times of its points {number} and {number + 1} descend')
        for number, point in enumerate(points):
            if len(point.positions) != len(names) or len(point.velocities) not in (0, len(names)):
                raise RefusedError(f'its point {number} has not one number per joint')


def _between(begin: Point, end: Point, time: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return (positions, velocities) between two points: cubic with velocities, else linear."""
    length = (end.time - begin.time) / SECOND
    share = (time - begin.time) / (end.time - begin.time)
    ways = [b - a for a, b in zip(begin.positions, end.positions, strict=True)]
    if not begin.velocities or not end.velocities:
        return (
            tuple(a + way * share for a, way in zip(begin.positions, ways, strict=True)),
            tuple(way / length for way in ways),
        )
    positions, velocities = [], []
    for a, way, u, v in zip(begin.positions, ways, begin.velocities, end.velocities, strict=True):
        # a + u t + c2 t^2 + c3 t^3, with t in seconds
        c2 = (3 * way / length - 2 * u - v) / length
        c3 = (u + v - 2 * way / length) / length**2
        t = share * length
        positions.append(a + t * (u + t * (c2 + t * c3)))
        velocities.append(u + t * (2 * c2 + 3 * t * c3))
    return tuple(positions), tuple(velocities)
