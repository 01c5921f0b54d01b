"""A robot's body as its YAML file describes it; `docs/robots.md` shows every key."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil, sqrt

SECOND = 1_000_000_000
OCTAVE = 12


@dataclass(frozen=True)
class Striker:
    """One thing that strikes: a solenoid that stays, or a mallet or finger that moves.

    `positions` maps each pitch that it can strike to where its joint must be for that, in the
    unit of the file (metres, radians); None where the striker stays. `travel[a][b]` is the time
    in nanoseconds from pitch a to pitch b at full speed.
    """

    name: str
    positions: Mapping[int, float | None]
    travel: Mapping[int, Mapping[int, int]]
    start: int  # the pitch over which it waits at first


@dataclass(frozen=True)
class Latency:
    """Time from a strike's command to its sound, by velocity: straight lines between points."""

    velocities: tuple[int, ...]  # ascending
    nanoseconds: tuple[int, ...]

    def __call__(self, velocity: int) -> int:
        """Return the nanoseconds that a strike of this velocity takes."""
        index = bisect_left(self.velocities, velocity)
        if index == 0:
            return self.nanoseconds[0]
        if index == len(self.velocities):
            return self.nanoseconds[-1]
        low, high = self.velocities[index - 1 : index + 1]
        before, after = self.nanoseconds[index - 1 : index + 1]
        return before + (after - before) * (velocity - low) // (high - low)

    @property
    def longest(self) -> int:
        """The nanoseconds that the slowest strike takes."""
        return max(self.nanoseconds)


@dataclass(frozen=True)
class Body:
    """What a robot can play.

    repeat: nanoseconds from a striker's command to its next at the soonest, half of them for
        the stroke and half for the way back.
    softest, loudest: MIDI velocities; what is beyond them is played at them.
    holds: whether a key is held down until the note's end (a piano), or only hit (a drum).
    speed, acceleration: limits of the joints, per second and per second squared; None where
        strikers stay, or where only times of travel are given.
    """

    name: str
    strikers: tuple[Striker, ...]
    repeat: int
    latency: Latency
    softest: int = 1
    loudest: int = 127
    fold_octaves: bool = False
    holds: bool = False
    pedal: bool = False
    speed: float | None = None
    acceleration: float | None = None

    @property
    def moves(self) -> bool:
        """Whether strikers move from key to key."""
        return any(len(s.travel) > 0 for s in self.strikers)

    @property
    def notice(self) -> int:
        """Nanoseconds before its sound at which a note must be commanded at the latest."""
        return self.latency.longest + self.repeat // 2

    @cached_property
    def pitches(self) -> tuple[int, ...]:
        """Every pitch that some striker can strike, ascending."""
        return tuple(sorted({pitch for s in self.strikers for pitch in s.positions}))

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The strikers' numbers, in groups that share no key: each can be planned alone."""
        groups: list[tuple[set[int], list[int]]] = []
        for number, striker in enumerate(self.strikers):
            keys, members = set(striker.positions), [number]
            for group in [g for g in groups if g[0] & keys]:
                groups.remove(group)
                keys |= group[0]
                members = group[1] + members
            groups.append((keys, members))
        return tuple(tuple(sorted(members)) for _, members in groups)

    def pitch_for(self, pitch: int) -> int | None:
        """Return the pitch to play for a wanted one: itself, or its nearest octave if allowed."""
        return _pitch_for(self.pitches, self.fold_octaves, pitch)

    def velocity_for(self, velocity: int) -> int:
        """Return the nearest velocity within the loudness of the body."""
        return min(max(velocity, self.softest), self.loudest)


@lru_cache(1024)
def _pitch_for(pitches: tuple[int, ...], fold: bool, pitch: int) -> int | None:
    if pitch in pitches:
        return pitch
    octaves = [p for p in pitches if (p - pitch) % OCTAVE == 0] if fold else []
    return min(octaves, key=lambda p: abs(p - pitch), default=None)


def travel_time(distance: float, speed: float, acceleration: float | None = None) -> int:
    """Return the nanoseconds of a move from rest to rest within the limits, rounded up."""
    distance = abs(distance)
    if distance == 0:
        return 0
    if acceleration is None:
        return ceil(distance / speed * SECOND)
    if distance >= speed * speed / acceleration:
        return ceil((distance / speed + speed / acceleration) * SECOND)
    return ceil(2 * sqrt(distance / acceleration) * SECOND)
