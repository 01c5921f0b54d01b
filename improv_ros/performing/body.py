# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""
A robot's body, as its YAML file specifies it.

To add a robot body:

1. Write `config/bodies/NAME.yaml`; `docs/robots.md` explains every key.
2. Start it with `body:=NAME` (or `improv run --body NAME`). `robot_performer` then publishes its
   commands as the topics that `docs/robots.md` lists, and the hardware subscribes to them.
3. Run `pytest test/performing`: it plays random music on each file in `config/bodies`, in a
   simulation, and checks the limits of the joints and the time of each strike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from math import ceil, sqrt

from improv_ros.event_text import SECOND, LatencyCurve
from improv_ros.performing.physics import Physics

OCTAVE = 12


@dataclass(frozen=True)
class Striker:
    """
    An actuator that strikes keys: a fixed solenoid, or a mallet or finger on a moving joint.

    positions: maps each pitch that it can strike to the position of its joint there, in the unit
        of the file (metres or radians); None for a fixed striker.
    travel: travel[a][b] is the time from pitch a to pitch b at full speed, in nanoseconds; empty
        for a fixed striker.
    start: the pitch at which it starts.
    latency: from a command to its sound; None: as of the body.
    """

    name: str
    positions: Mapping[int, float | None]
    travel: Mapping[int, Mapping[int, int]]
    start: int
    latency: LatencyCurve | None = None


@dataclass(frozen=True)
class Body:
    """
    What a robot can play.

    repeat: the shortest time between two commands of a striker, in nanoseconds: half for the
        stroke, half for the return.
    latency: from a strike's command to its sound.
    min_velocity, max_velocity: other MIDI velocities are limited to this range.
    fold_octaves: whether a pitch out of range is played in the nearest octave in range.
    holds: whether a key is held until the note ends (piano) or only hit (drum).
    pedal: whether there is a sustain pedal.
    speed, acceleration: limits of the joints, in units per second and per second squared; None
        for fixed strikers, or if travel times are given instead.
    physics: what a simulation needs besides.
    program: General MIDI program with which a synthesiser sounds like the body; None: percussion.
    """

    name: str
    strikers: tuple[Striker, ...]
    repeat: int
    latency: LatencyCurve
    min_velocity: int = 1
    max_velocity: int = 127
    fold_octaves: bool = False
    holds: bool = False
    pedal: bool = False
    speed: float | None = None
    acceleration: float | None = None
    physics: Physics = field(default_factory=Physics)
    program: int | None = 0

    @property
    def moves(self) -> bool:
        """Whether any striker moves from key to key."""
        return any(len(s.travel) > 0 for s in self.strikers)

    @property
    def scheduling_lead(self) -> int:
        """The longest time from publishing a command to its sound that the body needs, in ns."""
        curves = [self.latency, *(s.latency for s in self.strikers if s.latency)]
        return max(curve.max for curve in curves) + self.repeat // 2

    def latency_of(self, striker: int, velocity: int) -> int:
        """Return the time from a command of a striker to its sound, in nanoseconds."""
        return (self.strikers[striker].latency or self.latency)(velocity)

    @cached_property
    def pitches(self) -> tuple[int, ...]:
        """The pitches that the strikers can strike, ascending."""
        return tuple(sorted({pitch for s in self.strikers for pitch in s.positions}))

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The numbers of the strikers in groups that share no key and are planned separately."""
        groups: list[tuple[set[int], list[int]]] = []
        for number, striker in enumerate(self.strikers):
            keys, members = set(striker.positions), [number]
            for group in [g for g in groups if g[0] & keys]:
                groups.remove(group)
                keys |= group[0]
                members = group[1] + members
            groups.append((keys, members))
        return tuple(tuple(sorted(members)) for _, members in groups)

    def key_of(self, pitch: int) -> int:
        """Return the pitch that names a key: a fixed striker plays all its pitches on one key."""
        return self._keys.get(pitch, pitch)

    @cached_property
    def _keys(self) -> dict[int, int]:
        return {
            pitch: striker.start
            for striker in self.strikers
            if not striker.travel
            for pitch in striker.positions
        }

    def pitch_for(self, pitch: int) -> int | None:
        """Return the pitch to play for `pitch`: itself, its nearest octave if folded, or None."""
        return _pitch_for(self.pitches, self.fold_octaves, pitch)

    def velocity_for(self, velocity: int) -> int:
        """Return the velocity limited to the range of the body."""
        return min(max(velocity, self.min_velocity), self.max_velocity)


@lru_cache(1024)
def _pitch_for(pitches: tuple[int, ...], fold: bool, pitch: int) -> int | None:
    if pitch in pitches:
        return pitch
    octaves = [p for p in pitches if (p - pitch) % OCTAVE == 0] if fold else []
    return min(octaves, key=lambda p: abs(p - pitch), default=None)


def with_latency(body: Body, latency: LatencyCurve) -> Body:
    """Return a body whose strikers all have this latency."""
    strikers = tuple(replace(striker, latency=None) for striker in body.strikers)
    return replace(body, strikers=strikers, latency=latency)


def travel_time(distance: float, speed: float, acceleration: float | None = None) -> int:
    """Return the shortest time of a move from rest to rest, in nanoseconds, rounded up."""
    distance = abs(distance)
    if distance == 0:
        return 0
    if acceleration is None:
        return ceil(distance / speed * SECOND)
    if distance >= speed * speed / acceleration:
        return ceil((distance / speed + speed / acceleration) * SECOND)
    return ceil(2 * sqrt(distance / acceleration) * SECOND)
