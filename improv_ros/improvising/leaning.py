"""Leaning: gentle biases that draw what is played towards an aim, never further than a bound."""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from .phrase import Character
from .sampling import Bias
from .settings import SECOND
from .vocabulary import (
    KEYS,
    LOWEST_PITCH,
    PRESS,
    TIME_VALUES,
    VELOCITIES,
    WHATS,
    velocity_value,
)

MOST = 8.0
"""Nats: no choice is made unlikelier by more, beside another."""

MOST_PACE = 0.7  # nats for each factor of e in a wait, so 5 between none and the longest
MEMORY = 4 * SECOND  # what is played now is what was played in this time
PRIOR = SECOND  # as if the aim had been kept for so long before the beginning
NARROWEST_PITCH, NARROWEST_VELOCITY = 6.0, 10.0

_WAITS = np.log1p(TIME_VALUES)
SLOWING = MOST_PACE * _WAITS
"""Nats that make waits longer, as at the end of a piece."""

HOMING = 3.0
"""Nats that make the tonic likelier as the end comes near."""

_PITCHES = LOWEST_PITCH + np.arange(KEYS)
_VELOCITIES = np.array([velocity_value(step) for step in range(1, VELOCITIES + 1)])


@dataclass(frozen=True)
class Aim:
    """What to keep near; None leaves it free.

    density: notes a second, from lowest to highest; pitch, velocity: mean and standard
    deviation, in MIDI numbers; tonic: 0 (C) to 11, what to come home to at the end.
    """

    density: tuple[float, float] | None = None
    pitch: tuple[float, float] | None = None
    velocity: tuple[float, float] | None = None
    tonic: int | None = None


LOUDNESS = 18.0
"""Standard deviation of the velocities of pianists within a minute."""

HUMAN = Aim(density=(2.5, 6.5), velocity=(60.0, LOUDNESS))
"""Keeps what answers no phrase about as dense and as loud as pianists play: 7.7 notes a second in
the middle of minutes of maestro-v3/validation, at velocities of 60. A model that would be denser
is held back, not stopped, and left to itself the shipped one fades away within a minute."""


def aim_at(character: Character) -> Aim:
    """Return the aim of sounding like that."""
    density = character.density
    return Aim(
        None if density is None else (density, density),
        (character.pitch, character.pitch_spread),
        (character.velocity, character.velocity_spread),
        character.tonic,
    )


def beside(character: Character | None) -> Aim:
    """Return the aim of what answers no phrase: human, and as loud as what was heard, if any."""
    if character is None:
        return HUMAN
    return replace(HUMAN, velocity=(character.velocity, LOUDNESS))


def homing(tonic: int | None) -> np.ndarray:
    """Return nats (WHATS,) that draw what is pressed to a tonic; None: nowhere."""
    bias = np.zeros(WHATS)
    if tonic is not None:
        bias[PRESS : PRESS + KEYS] = HOMING * (tonic == _PITCHES % 12)
    return bias


class Leaning:
    """Compares what is played with the aim, and tells which way to lean."""

    def __init__(self, aim: Aim, start: int) -> None:
        self._aim = aim
        self._start = start
        self._notes: deque[tuple[int, int, int]] = deque()

    def press(self, time: int, pitch: int, velocity: int) -> None:
        """Take in a note that is played."""
        self._notes.append((time, pitch, velocity))

    def bias(self, time: int, strength: float) -> Bias:
        """Return the nats to add to the logits of the event after `time`; strength: 0 to 1."""
        if not strength:
            return Bias()
        while self._notes and time - self._notes[0][0] > MEMORY:
            self._notes.popleft()
        pace = self._pace(time)
        what, loudness = np.zeros(WHATS), np.zeros(VELOCITIES)
        if self._aim.pitch:
            played = [pitch for _, pitch, _ in self._notes]
            what[PRESS : PRESS + KEYS] = _near(_PITCHES, *self._aim.pitch, NARROWEST_PITCH, played)
        what[PRESS : PRESS + KEYS] -= pace
        if self._aim.velocity:
            played = [velocity for _, _, velocity in self._notes]
            loudness = _near(_VELOCITIES, *self._aim.velocity, NARROWEST_VELOCITY, played)
        return Bias(strength * pace * _WAITS, strength * what, strength * loudness)

    def _pace(self, time: int) -> float:
        """Return how much to slow down: the nats for each factor of e in a wait."""
        if not self._aim.density:
            return 0.0
        elapsed = min(max(time - self._start, 0), MEMORY)
        slowest, fastest = self._aim.density
        kept = min(max(len(self._notes) / max(elapsed / SECOND, 0.1), slowest), fastest)
        density = (len(self._notes) + kept * PRIOR / SECOND) / ((elapsed + PRIOR) / SECOND)
        aim = min(max(density, slowest), fastest)
        return float(np.clip(np.log(density / aim), -MOST_PACE, MOST_PACE))


def _near(
    values: np.ndarray, mean: float, spread: float, narrowest: float, played: list[int]
) -> np.ndarray:
    """Return the nats taken from each value: as a bell curve's near its middle, then evenly.

    So where the model is sure of what is far off, each note still comes a little nearer. The
    middle lies beyond the mean by as much as what was played lies short of it, but by one
    standard deviation at most.
    """
    width = max(spread, narrowest)
    if played:
        mean += float(np.clip(mean - sum(played) / len(played), -width, width))
    away = np.abs(values - mean) / width
    return -np.minimum(np.where(away < 1, away**2 / 2, away - 0.5), MOST)
