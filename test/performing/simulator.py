"""A body simulated from the messages it is sent: where its joints are, and what its strikers hit.

It knows the body's YAML only through its own eyes (positions, speed limit, latency table) and
nothing of the planner: it reads the published event text and the published points, follows them
a millisecond at a time, and reports each hit with the key that was really under the striker.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
import itertools
from pathlib import Path
from typing import Any

import yaml

from improv_ros.event_text import StreamReader, is_note_on

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
STILL = 1e-9  # of a joint's unit in a millisecond
IN_PLACE = 0.002  # of a joint's unit: how near to a key's place a striker hits it


@dataclass(frozen=True)
class Hit:
    """What was heard: the key that was under the striker, None where there was none."""

    time: int
    striker: int
    pitch: int | None
    velocity: int


@dataclass
class Published:
    """A joint trajectory as it was sent: at, joint names, [(time, positions, velocities)]."""

    at: int
    joints: list[str]
    points: list[tuple[int, tuple[float, ...], tuple[float, ...]]]


@dataclass
class Simulator:
    """Follows what is published for one body; times are nanoseconds."""

    path: Path
    hits: list[Hit] = field(default_factory=list)
    fastest: dict[str, float] = field(default_factory=dict)  # joint: highest speed seen
    hardest: dict[str, float] = field(default_factory=dict)  # joint: highest acceleration seen
    shortest_repeat: int = 3600 * SECOND  # between two commands of one striker
    held: dict[int, int] = field(default_factory=dict)  # striker: since when its coil is on
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
        self._before: dict[str, float] = {}  # the positions a millisecond ago
        self._restored: dict[str, float] = {}
        self.now = 0

    def place(self, joint: str, position: float) -> None:
        """Put a joint somewhere."""
        self._positions[joint] = position

    def strikes(self, text: str) -> None:
        """Receive a message of `strikes`."""
        for event in self._reader.read(text):
            if event.kind == 'cl':
                self._fires = [fire for fire in self._fires if fire[0] < event.time]
                self._fires += [(event.time, striker, 0) for striker in range(len(self._names))]
            elif event.kind == 'no':
                velocity = event.values[1] if is_note_on(event) else 0
                assert event.time >= self.now - MILLISECOND, 'a command came after its time'
                self._fires.append((event.time, event.values[0], velocity))
        self._fires.sort()

    def trajectory(self, message: Published) -> None:
        """Receive a message of `joint_trajectory`: it takes the place of the one before."""
        self._restored = dict(self._positions)
        self._trajectory = message

    def run_until(self, time: int) -> None:
        """Go on, a millisecond at a time."""
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
        """Return where a joint is, as a joint trajectory controller interpolates."""
        assert self._trajectory is not None
        points = self._trajectory.points
        after = bisect_right([point[0] for point in points], now)
        if after == len(points):
            return points[-1][1][index]
        time, positions, velocities = points[after]
        if after == 0:  # on the way from wherever it was to the first point
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
        """Return how long a striker flies: on straight lines between the points of the table."""
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
        """Return the key under a striker that stands still there; None where it does not."""
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
        """Tell whether a pitch is one of those that a fixed striker plays."""
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
