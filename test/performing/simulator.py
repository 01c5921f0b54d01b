# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A body that is simulated from published messages: the positions of its joints, and its hits.

It shares no code with the planner: it reads the YAML file of the body, the published event text
and the published points, moves the joints in steps of 1 ms, and reports each hit with the key that
was under the striker.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
import itertools
from pathlib import Path
from typing import Any

import yaml

from improv_ros.event_text import SECOND, StreamReader, is_note_on

MILLISECOND = 1_000_000
STILL = 1e-9  # units of a joint per millisecond
IN_PLACE = 0.002  # units of a joint: a striker that is this near to a key hits it


@dataclass(frozen=True)
class Hit:
    """A hit; `pitch` is that of the key under the striker, None if there was none."""

    time: int
    striker: int
    pitch: int | None
    velocity: int


@dataclass
class Published:
    """A published joint trajectory; points are (time, positions, velocities)."""

    at: int
    joints: list[str]
    points: list[tuple[int, tuple[float, ...], tuple[float, ...]]]


@dataclass
class Simulator:
    """Simulates one body; times are nanoseconds."""

    path: Path
    hits: list[Hit] = field(default_factory=list)
    fastest: dict[str, float] = field(default_factory=dict)  # joint: highest speed seen
    hardest: dict[str, float] = field(default_factory=dict)  # joint: highest acceleration seen
    shortest_repeat: int = 3600 * SECOND  # between two commands of one striker
    held: dict[int, int] = field(
        default_factory=dict
    )  # striker: time of its last command, if not released
    struck_while_held: int = 0

    def __post_init__(self) -> None:
        self.body: dict[str, Any] = yaml.safe_load(self.path.read_text())
        self._latency = self.body['latency']
        self._names = _names(self.body['strikers'])
        self._keys = _keys(self.body, self._names)
        self._moving = 'move' in self.body
        self._reader = StreamReader()
        self._fires: list[tuple[int, int, int]] = []  # (time, striker, velocity)
        self._impacts: list[tuple[int, int, int]] = []
        self._last_command: dict[int, int] = {}
        self._trajectory: Published | None = None
        self._positions: dict[str, float] = {}
        self._speeds: dict[str, float] = {}
        self._before: dict[str, float] = {}  # the positions 1 ms ago
        self._restored: dict[str, float] = {}
        self.now = 0

    def place(self, joint: str, position: float) -> None:
        """Set the position of a joint."""
        self._positions[joint] = position

    def strikes(self, text: str) -> None:
        """Receive a message of `strikes`."""
        for event in self._reader.read(text):
            if event.kind == 'cl':
                self._fires = [fire for fire in self._fires if fire[0] < event.time]
                self._fires += [(event.time, striker, 0) for striker in range(len(self._names))]
            elif event.kind == 'no':
                velocity = event.values[1] if is_note_on(event) else 0
                assert event.time >= self.now - MILLISECOND, (
                    'a command was published after its time'
                )
                self._fires.append((event.time, event.values[0], velocity))
        self._fires.sort()

    def trajectory(self, message: Published) -> None:
        """Receive a message of `joint_trajectory`, which replaces the one before."""
        self._restored = dict(self._positions)
        self._trajectory = message

    def run_until(self, time: int) -> None:
        """Simulate up to `time`, in steps of 1 ms."""
        while self.now < time:
            self.now += MILLISECOND
            self._move()
            self._fire()

    def _move(self) -> None:
        if self._trajectory is None:
            return
        self._before = dict(self._positions)
        for index, joint in enumerate(self._trajectory.joints):
            position = self._commanded(index, self.now)
            before = self._positions.get(joint)
            if before is not None:
                speed = (position - before) * SECOND / MILLISECOND
                last = self._speeds.get(joint, 0.0)
                change = abs(speed - last) * SECOND / MILLISECOND
                self.fastest[joint] = max(self.fastest.get(joint, 0.0), abs(speed))
                self.hardest[joint] = max(self.hardest.get(joint, 0.0), change)
                self._speeds[joint] = speed
            self._positions[joint] = position

    def _commanded(self, index: int, now: int) -> float:
        """Return the position of a joint, interpolated as by a joint trajectory controller."""
        assert self._trajectory is not None
        points = self._trajectory.points
        after = bisect_right([point[0] for point in points], now)
        if after == len(points):
            return points[-1][1][index]
        time, positions, velocities = points[after]
        if after == 0:  # from its present position to the first point
            origins = tuple(self._restored[name] for name in self._trajectory.joints)
            begin, speeds = self._trajectory.at, (0.0,) * len(origins)
        else:
            begin, origins, speeds = points[after - 1]
        length = (time - begin) / SECOND
        share = (now - begin) / (time - begin)
        if not velocities:
            return origins[index] + (positions[index] - origins[index]) * share
        square, cube = share * share, share * share * share
        return (
            (2 * cube - 3 * square + 1) * origins[index]
            + (cube - 2 * square + share) * length * speeds[index]
            + (3 * square - 2 * cube) * positions[index]
            + (cube - square) * length * velocities[index]
        )

    def _fire(self) -> None:
        while self._fires and self._fires[0][0] <= self.now:
            time, striker, velocity = self._fires.pop(0)
            if not velocity:
                self.held.pop(striker, None)
                continue
            if striker in self.held:
                self.struck_while_held += 1
            self.held[striker] = time
            if striker in self._last_command:
                gap = time - self._last_command[striker]
                self.shortest_repeat = min(self.shortest_repeat, gap)
            self._last_command[striker] = time
            self._impacts.append((time + self._flight(velocity), striker, velocity))
        for impact in [i for i in self._impacts if i[0] <= self.now]:
            self._impacts.remove(impact)
            time, striker, velocity = impact
            self.hits.append(Hit(time, striker, self._under(striker, time), velocity))

    def _flight(self, velocity: int) -> int:
        """Return the latency of a strike, linear between the points of the file."""
        if not isinstance(self._latency, dict):
            return round(self._latency * SECOND)
        table = sorted(self._latency.items())
        if velocity <= table[0][0]:
            return round(table[0][1] * SECOND)
        for (low, slow), (high, quick) in itertools.pairwise(table):
            if velocity <= high:
                share = (velocity - low) / (high - low)
                return round((slow + (quick - slow) * share) * SECOND)
        return round(table[-1][1] * SECOND)

    def _under(self, striker: int, time: int) -> int | None:
        """Return the key under a striker; None if there is none, or if the striker moves."""
        name = self._names[striker]
        if not self._moving:
            return next(iter(self._keys[name]))
        assert self._trajectory is not None
        index = self._trajectory.joints.index(name)
        here = self._commanded(index, time)
        if abs(here - self._before[name]) > STILL:
            return None
        for pitch, position in self._keys[name].items():
            if abs(here - position) <= IN_PLACE:
                return pitch
        return None

    def same_key(self, striker: int, pitch: int) -> bool:
        """Return whether a fixed striker plays a pitch."""
        return pitch in self._keys[self._names[striker]]


def _names(described: Any) -> list[str]:
    if isinstance(described, int):
        return [f'striker_{number}' for number in range(described)]
    return [one['joint'] if isinstance(one, dict) else one for one in described]


def _keys(body: dict[str, Any], names: list[str]) -> dict[str, dict[int, float]]:
    """Return each striker's pitches and positions."""
    pitches = body['pitches']
    if isinstance(pitches, dict):
        keys: dict[str, dict[int, float]] = {name: {} for name in names}
        for pitch, place in pitches.items():
            joint = place.get('joint')
            for name in names if joint is None else joint if isinstance(joint, list) else [joint]:
                keys[name][pitch] = place.get('position', 0.0)
        return keys
    row: list[int] = []
    for part in pitches if isinstance(pitches, list) else [pitches]:
        first, _, last = str(part).partition('-')
        row += range(int(first), int(last or first) + 1)
    if 'move' in body:
        return {name: {p: float(i) for i, p in enumerate(row)} for name in names}
    return {name: {pitch: 0.0} for name, pitch in zip(names, row, strict=True)}
