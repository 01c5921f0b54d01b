# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a performer learns of its body while it plays: the latency of each striker, and its speed.

The body file says what the latencies are expected to be. From the reports of the body, the
difference is estimated for each striker and velocity, and the body is replaced by one with the
learned latencies. Of a joint that falls behind its trajectory, the highest speed is learned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from improv_ros.event_text import SECOND, LatencyCurve
from improv_ros.performing.body import Body, Striker, travel_time

MILLISECOND = 1_000_000
MEMORY = 48  # observations that are kept per striker
WIDTH = 12.0  # of the kernel, in velocities: nearer observations count more
PRIOR = 1.5  # observations that the estimate of a wider group counts as
MIN_OBSERVATIONS = 3  # of the whole body, before anything is learned
LARGEST = SECOND // 4  # a larger difference belongs to another strike
KNOTS = tuple(range(1, 128, 14))  # velocities at which a learned curve is kept
LAG = 0.02  # seconds; a joint that is further behind than it moves in this time has lost track
CONSTANT = 3  # states in a row with the same speed
BEHIND = 0.05  # share of the speed limit that a joint must be missing
LEAST_SHARE = 0.1  # of the speed limit: a slower joint is stuck
REDUCTION = 0.97  # share of the measured speed that is planned with


class LatencyLearner:
    """
    Learns, for each striker and velocity, how much later its notes sound than the file says.

    The estimate is a mean of the observations at near velocities. For a striker with few of them,
    the estimate of the whole body counts as some observations, so that 88 strikers need not be
    learned one by one.
    """

    def __init__(self, body: Body, observations: Sequence[tuple[int, int, int]] = ()) -> None:
        self._file = body.latency
        self._strikers = [deque[tuple[int, int]](maxlen=MEMORY) for _ in body.strikers]
        for striker, velocity, difference in observations:
            if 0 <= striker < len(self._strikers):
                self._strikers[striker].append((velocity, difference))

    @property
    def observations(self) -> list[tuple[int, int, int]]:
        """The observations: (striker, velocity, difference to the file in nanoseconds)."""
        return [
            (number, velocity, difference)
            for number, kept in enumerate(self._strikers)
            for velocity, difference in kept
        ]

    def observe(self, striker: int, velocity: int, latency: int) -> bool:
        """Add the measured latency of a strike; return whether it is plausible."""
        difference = latency - self._file(velocity)
        if abs(difference) > LARGEST:
            return False
        self._strikers[striker].append((velocity, difference))
        return True

    def curves(self) -> list[LatencyCurve | None]:
        """Return the latency of each striker; None where nothing is learned."""
        everything = np.array([o[1:] for o in self.observations], dtype=float).reshape(-1, 2)
        if len(everything) < MIN_OBSERVATIONS:
            return [None] * len(self._strikers)
        typical = np.full(len(KNOTS), float(np.median(everything[:, 1])))
        of_body = _smoothed(everything, typical)
        curves: list[LatencyCurve | None] = []
        for kept in self._strikers:
            differences = _smoothed(np.array(kept, dtype=float).reshape(-1, 2), of_body)
            curves.append(
                LatencyCurve(
                    (velocity, max(0, round(self._file(velocity) + difference)))
                    for velocity, difference in zip(KNOTS, differences, strict=True)
                )
            )
        return curves


def _smoothed(observations: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the differences at KNOTS from rows of (velocity, difference) and expected ones."""
    knots = np.array(KNOTS, dtype=float)[:, None]
    weights = np.exp(-(((knots - observations[None, :, 0]) / WIDTH) ** 2) / 2)
    total = weights @ observations[:, 1] + PRIOR * expected
    return total / (weights.sum(axis=1) + PRIOR)


class SpeedLearner:
    """
    Learns the highest speed of joints that cannot keep up with their trajectories.

    limit: the speed in the body file, in units per second; learned: a lower one, if known.

    A joint that is further behind than it moves in `LAG` at its limit, at a constant speed, moves
    as fast as it can.
    """

    def __init__(self, limit: float, learned: float | None = None) -> None:
        self._limit = limit
        self.learned = learned
        self._speeds: dict[str, deque[float]] = {}

    def observe(self, joint: str, speed: float, error: float) -> bool:
        """
        Add a state of a joint; return whether another speed was learned.

        speed: of the joint; error: its distance from its trajectory; both absolute.
        """
        limit = self.learned or self._limit
        speeds = self._speeds.setdefault(joint, deque(maxlen=CONSTANT))
        if error < LAG * limit:
            speeds.clear()
            return False
        speeds.append(speed)
        if len(speeds) < CONSTANT or max(speeds) - min(speeds) > 0.03 * max(speeds):
            return False
        if not LEAST_SHARE * self._limit < max(speeds) < (1 - BEHIND) * limit:
            return False
        self.learned = REDUCTION * max(speeds)
        speeds.clear()
        return True


class BodyLearner:
    """
    Learns the latencies and the speed of one body, and keeps them in a file.

    file: body as its file describes it.
    """

    def __init__(self, file: Body) -> None:
        self._file = file
        self.latencies = LatencyLearner(file)
        self.speed = SpeedLearner(file.speed) if file.speed else None
        self.changed = False  # since `body` was called last

    def observe_strike(self, striker: int, velocity: int, latency: int) -> None:
        """Add the latency of a strike that the body has reported, in nanoseconds."""
        self.changed |= self.latencies.observe(striker, velocity, latency)

    def observe_joint(self, joint: str, speed: float, error: float) -> None:
        """Add a state of a joint, as SpeedLearner.observe."""
        if self.speed:
            self.changed |= self.speed.observe(joint, speed, error)

    def body(self) -> Body:
        """Return the body with what was learned so far."""
        self.changed = False
        speed = (self.speed and self.speed.learned) or self._file.speed
        strikers = [
            replace(striker, latency=curve, travel=_travel(striker, self._file, speed))
            for striker, curve in zip(self._file.strikers, self.latencies.curves(), strict=True)
        ]
        return replace(self._file, strikers=tuple(strikers), speed=speed)

    def save(self, path: Path) -> None:
        """Write what was learned; OSError where that is impossible."""
        path.parent.mkdir(parents=True, exist_ok=True)
        contents = {
            'body': _fingerprint(self._file),
            'speed': self.speed and self.speed.learned,
            'latencies': [
                [number, velocity, round(difference / 1e9, 6)]
                for number, velocity, difference in self.latencies.observations
            ],
        }
        new = path.with_suffix('.new')
        new.write_text(yaml.safe_dump(contents, default_flow_style=None))
        new.replace(path)

    def load(self, path: Path) -> bool:
        """Read what was learned of this body; return False if there is none or of another file."""
        try:
            contents = yaml.safe_load(path.read_text())
            if contents['body'] != _fingerprint(self._file):
                return False
            observations = [
                (int(n), int(v), round(s * SECOND)) for n, v, s in contents['latencies']
            ]
            speed = contents['speed'] and float(contents['speed'])
        except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError):
            return False
        self.latencies = LatencyLearner(self._file, observations)
        if self.speed:
            self.speed.learned = speed
        return True


def _travel(striker: Striker, file: Body, speed: float | None) -> Mapping[int, Mapping[int, int]]:
    """Return the travel times of a striker at another speed."""
    if not striker.travel or not speed or speed == file.speed:
        return striker.travel
    return {
        a: {
            b: travel_time((y or 0.0) - (x or 0.0), speed, file.acceleration)
            for b, y in striker.positions.items()
        }
        for a, x in striker.positions.items()
    }


def _fingerprint(body: Body) -> dict[str, Any]:
    """Return what identifies a body file: what was learned of another one is of no use."""
    return {
        'name': body.name,
        'strikers': [striker.name for striker in body.strikers],
        'latency': [body.latency(velocity) for velocity in KNOTS],
        'speed': body.speed,
    }
