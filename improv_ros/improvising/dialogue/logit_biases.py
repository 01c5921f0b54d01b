# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Biases of the logits: bounded changes towards a target style, and a penalty for repetition."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace

import numpy as np

from improv_ros.event_text import SECOND
from improv_ros.improvising.dialogue.phrase import PhraseStatistics
from improv_ros.improvising.network.improviser_model import Bias
from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    KEYS,
    LOWEST_PITCH,
    PRESS,
    TICKS_OF_BIN,
    VELOCITY_BINS,
    velocity_value,
)

# The constants were chosen by hand for answers that follow their phrases. Their effect is measured
# by `improv bench answers`: correlation and difference of density, pitch and velocity between
# phrases and answers, and how many answers end on the tonic; and by `improv bench solo`.
MAX_BIAS = 8.0  # nats: no outcome becomes less likely by more, relative to another
MAX_PACE_BIAS = 0.7  # nats per unit of log(1 + wait in ticks): 4.7 between no wait and the longest
WINDOW = 4 * SECOND  # the style of the robot's music is that of its latest notes
PRIOR = SECOND  # the density counts as if the target had been kept for so long before the start
MIN_PITCH_DEVIATION = 6.0  # semitones
MIN_VELOCITY_DEVIATION = 10.0
VELOCITY_GAIN = 2.0  # chosen on answers to performances of maestro-v3/train
PRIOR_NOTES = 4  # the mean velocity counts as if so many notes had hit the target before
TONIC_BIAS = 3.0  # nats for the tonic at the end of a phrase

_LOG_WAITS = np.log1p(TICKS_OF_BIN)
RITARDANDO_BIAS = MAX_PACE_BIAS * _LOG_WAITS
"""Nats that make long waits more likely, as at the end of a piece, (TIME_BINS,)."""

_PITCHES = LOWEST_PITCH + np.arange(KEYS)
_VELOCITIES = np.array([velocity_value(step) for step in range(1, VELOCITY_BINS + 1)])


@dataclass(frozen=True)
class StyleTarget:
    """The style to move towards; None leaves a property free.

    density: notes per second, lowest and highest; pitch, velocity: mean and standard deviation,
    as MIDI numbers; tonic: pitch class, 0 (C) to 11, to end on.
    """

    density: tuple[float, float] | None = None
    pitch: tuple[float, float] | None = None
    velocity: tuple[float, float] | None = None
    tonic: int | None = None


VELOCITY_DEVIATION = 18.0
"""About the standard deviation of the velocities of all performances of MAESTRO together.

Within a minute it is 14 (the median; `improv evaluate improviser --generate`).
"""

DEFAULT_TARGET = StyleTarget(density=(2.5, 6.5), velocity=(60.0, VELOCITY_DEVIATION))
"""The style of a solo, an accompaniment and an answer to nothing.

The performances in maestro-v3/validation have 7.7 notes per second (the median of their minutes)
and velocities of 60. The bias towards the density is bounded, so the music gets denser than the
target; without a target for the velocity, the shipped network plays softer and softer within a
minute.
"""


def phrase_target(statistics: PhraseStatistics) -> StyleTarget:
    """Return the target of an answer to a phrase."""
    density = statistics.density
    return StyleTarget(
        None if density is None else (density, density),
        (statistics.pitch, statistics.pitch_deviation),
        (statistics.velocity, statistics.velocity_deviation),
        statistics.tonic,
    )


def default_target(statistics: PhraseStatistics | None) -> StyleTarget:
    """Return `DEFAULT_TARGET`, with the mean velocity of what was heard, if anything was."""
    if statistics is None:
        return DEFAULT_TARGET
    return replace(DEFAULT_TARGET, velocity=(statistics.velocity, VELOCITY_DEVIATION))


def tonic_bias(tonic: int | None) -> np.ndarray:
    """Return nats (EVENT_TYPES,) that make presses of a tonic more likely; None: no bias."""
    bias = np.zeros(EVENT_TYPES)
    if tonic is not None:
        bias[PRESS : PRESS + KEYS] = TONIC_BIAS * (tonic == _PITCHES % 12)
    return bias


class StyleBias:
    """Compares the notes of a generated phrase with a target and returns a bias towards it."""

    def __init__(self, target: StyleTarget, start: int) -> None:
        self._target = target
        self._start = start
        self._notes: deque[tuple[int, int, int]] = deque()

    def add_note(self, time: int, pitch: int, velocity: int) -> None:
        """Add a note that is going to be played."""
        self._notes.append((time, pitch, velocity))

    def bias(self, time: int, strength: float) -> Bias:
        """Return the nats to add to the logits of the event after `time`; strength: 0 to 1."""
        if not strength:
            return Bias()
        while self._notes and time - self._notes[0][0] > WINDOW:
            self._notes.popleft()
        pace = self._pace_bias(time)
        event_type, loudness = np.zeros(EVENT_TYPES), np.zeros(VELOCITY_BINS)
        presses = event_type[PRESS : PRESS + KEYS]
        if self._target.pitch:
            played = [pitch for _, pitch, _ in self._notes]
            presses += _distance_bias(_PITCHES, *self._target.pitch, MIN_PITCH_DEVIATION, played)
        presses -= pace
        if self._target.velocity:
            played = [velocity for _, _, velocity in self._notes]
            loudness = _mean_bias(
                _VELOCITIES, *self._target.velocity, MIN_VELOCITY_DEVIATION, played
            )
        return Bias(strength * pace * _LOG_WAITS, strength * event_type, strength * loudness)

    def _pace_bias(self, time: int) -> float:
        """Return how much to slow down (or, negative, to hurry), in nats per unit of log wait."""
        if not self._target.density:
            return 0.0
        elapsed = min(max(time - self._start, 0), WINDOW)
        lowest, highest = self._target.density
        prior = min(max(len(self._notes) / max(elapsed / SECOND, 0.1), lowest), highest)
        density = (len(self._notes) + prior * PRIOR / SECOND) / ((elapsed + PRIOR) / SECOND)
        target = min(max(density, lowest), highest)
        return float(np.clip(np.log(density / target), -MAX_PACE_BIAS, MAX_PACE_BIAS))


def _distance_bias(
    values: np.ndarray, mean: float, deviation: float, min_deviation: float, played: list[int]
) -> np.ndarray:
    """Return nats, 0 or less, for each value: the less, the further it is from the mean.

    This is the logarithm of a normal density near the mean and linear beyond one standard
    deviation (as the Huber loss), so that values far away still differ. The mean is shifted by
    as much as what was played misses it, at most by one standard deviation.
    """
    width = max(deviation, min_deviation)
    if played:
        mean += float(np.clip(mean - sum(played) / len(played), -width, width))
    distance = np.abs(values - mean) / width
    return -np.minimum(np.where(distance < 1, distance**2 / 2, distance - 0.5), MAX_BIAS)


def _mean_bias(
    values: np.ndarray, mean: float, deviation: float, min_deviation: float, played: list[int]
) -> np.ndarray:
    """Return nats for each value that move the mean of what is played towards `mean`.

    They are linear in the value (exponential tilting): of a normal distribution this shifts the
    mean and keeps the spread, which a preference for values near the mean would reduce. They are 0
    if the mean is right, and bounded by `MAX_BIAS`.
    """
    width = max(deviation, min_deviation)
    missing = (mean * len(played) - sum(played)) / (len(played) + PRIOR_NOTES)
    largest = MAX_BIAS / float(np.ptp(values))
    return float(np.clip(VELOCITY_GAIN * missing / width**2, -largest, largest)) * (values - mean)


# Chosen by hand; `improv bench solo` measures the effect, as the share of distinct 4-grams (the
# context and the next key are one).
CONTEXT = 3  # keys before the next one
MAX_NOTES = 300  # older notes do not count
MAX_PENALTY = 4.0  # nats, however often a key followed
FREE = 1  # repetitions of a key after the same keys without a penalty
FREE_IN_MOTIF = 3  # of one that continues a motif of the person


class RepetitionPenalty:
    """Counts which keys followed the same `CONTEXT` keys in the latest `MAX_NOTES` notes.

    Music repeats itself, so the first repetition is free: each further time that a key followed
    the same keys makes it less likely. More are free in a motif that the person played.
    """

    def __init__(self) -> None:
        self._pitches: deque[int] = deque(maxlen=MAX_NOTES)
        self._followers: dict[tuple[int, ...], Counter[int]] = {}

    def add_note(self, pitch: int) -> None:
        """Add a note that is going to be played."""
        if len(self._pitches) == MAX_NOTES:
            oldest = tuple(self._pitches[i] for i in range(CONTEXT + 1))
            self._remove(oldest[:-1], oldest[-1])
        if len(self._pitches) >= CONTEXT:
            self._followers.setdefault(self._context(), Counter())[pitch] += 1
        self._pitches.append(pitch)

    def bias(self, strength: float, motif: np.ndarray) -> np.ndarray:
        """Return nats to add to the logits of the next event type, (EVENT_TYPES,).

        strength: nats subtracted from a press for each time but the first that it followed.
        motif: bool (EVENT_TYPES,), which event types continue a motif of the person.
        """
        bias = np.zeros(EVENT_TYPES)
        if not strength or len(self._pitches) < CONTEXT:
            return bias
        presses = bias[PRESS : PRESS + KEYS]
        for pitch, times in self._followers.get(self._context(), Counter()).items():
            key = pitch - LOWEST_PITCH
            free = FREE_IN_MOTIF if motif[PRESS + key] else FREE
            presses[key] -= strength * max(times - free, 0)
        return np.maximum(bias, -MAX_PENALTY)

    def _context(self) -> tuple[int, ...]:
        return tuple(self._pitches[i] for i in range(-CONTEXT, 0))

    def _remove(self, context: tuple[int, ...], pitch: int) -> None:
        followers = self._followers[context]
        followers[pitch] -= 1
        if not followers[pitch]:
            del followers[pitch]
        if not followers:
            del self._followers[context]
