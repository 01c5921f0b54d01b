# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

VELOCITIES = 128


class LatencyCurve:
    """
    The time from a command to its sound by MIDI velocity, for an instrument or a robot.

    points: (velocity, nanoseconds), at least one, each velocity once. The curve is linear between
        them and constant beyond the first and the last.
    """

    def __init__(self, points: Iterable[tuple[int, int]]) -> None:
        points = sorted(points)
        self._table = [points[0][1]] * VELOCITIES
        for (left, before), (right, after) in pairwise(points):
            for velocity in range(left, right):
                share = (velocity - left) / (right - left)
                self._table[velocity] = round(before + share * (after - before))
        last, latency = points[-1]
        self._table[last:] = [latency] * (VELOCITIES - last)

    def __call__(self, velocity: int) -> int:
        """Return the latency at a velocity from 0 to 127, in nanoseconds."""
        return self._table[velocity]

    @property
    def max(self) -> int:
        """The longest latency at any velocity, in nanoseconds."""
        return max(self._table)
