# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Fits when notes sound after they were sent, by velocity, and how late the network hears them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.calibration.curve_fitting import Curve, monotone_curve, robust_line, spread_of
from improv_ros.calibration.note_matching import Note, loop_lag, match
from improv_ros.calibration.refusal import NotFittedError

Floats = npt.NDArray[np.float64]

LONGEST_LAG = 1.0  # seconds from sending a note to hearing it
MIN_NOTES = 20
MAX_SPREAD = 0.03  # seconds, of the lags about the curve
MAX_EARLY = 0.02  # seconds by which a sound may seem to come before its note
_KNOT_STEP = 10  # velocities
_STRENGTH = 0.5  # notes
_SIMPLIFIED = 0.0005  # seconds by which a point that is left out may be off
_SMALLEST = 0.004  # seconds; a smaller change over all velocities is not kept
_FIRST_TOLERANCE = 0.2  # seconds about the first guess, for instruments that are slow when soft


class Latency(NamedTuple):
    """The time from sending a note to its sound at the microphone.

    fixed: seconds, at the quickest velocity. strike: (velocity, seconds) beyond it, as for the
    parameter `strike_latency`; empty where velocity makes no difference. error: the largest
    standard error of the curve. spread: the standard deviation of single notes. notes: how many
    were measured.
    """

    fixed: float
    strike: tuple[tuple[int, float], ...]
    error: float
    spread: float
    notes: int

    @property
    def strike_text(self) -> str:
        """The strike latency as the parameter of the player."""
        return ', '.join(f'{velocity}:{seconds:.4f}' for velocity, seconds in self.strike)

    @property
    def body_text(self) -> str:
        """The whole latency as the key `latency` of a body's YAML file."""
        return f'{{{", ".join(f"{each}: {self.at(each):.4f}" for each in self.velocities)}}}'

    @property
    def velocities(self) -> list[int]:
        """The velocities between which the latency is linear, ascending."""
        return [velocity for velocity, _ in self.strike] or [64]

    def at(self, velocity: int) -> float:
        """Return the whole latency at a velocity, in seconds."""
        if not self.strike:
            return self.fixed
        velocities, seconds = zip(*self.strike, strict=True)
        return self.fixed + float(np.interp(velocity, velocities, seconds))


class OnsetBias(NamedTuple):
    """By how many seconds the network's onsets are late, with its standard error."""

    seconds: float
    error: float
    spread: float
    notes: int


def first_lag(sent: Sequence[Note], heard: Sequence[Note]) -> Callable[[int], float]:
    """Return the lag from sending to hearing by velocity, in seconds, from heard notes alone.

    Raises NotFittedError where they do not seem to be the notes that were sent.
    """
    lag = loop_lag(sent, heard, LONGEST_LAG)
    if lag is None:
        raise NotFittedError('what was heard does not follow what was played')
    pairs = match(sent, heard, lambda _: lag, _FIRST_TOLERANCE)
    velocities = np.array([sent[a].velocity for a, _ in pairs], np.float64)
    lags = np.array([heard[b].onset - sent[a].onset for a, b in pairs])
    curve = _curve(velocities, lags)
    return lambda velocity: float(curve(velocity))


def fit_latency(velocities: Floats, lags: Floats, softest: float | None = None) -> Latency:
    """Return the latency from notes of some velocities that sounded `lags` seconds after sending.

    softest: a velocity to which the curve is continued below the softest note. In a reverberant
    room the softest notes that were sent have no clear beginning.

    Raises NotFittedError where there are too few, or where they contradict each other.
    """
    if len(lags) < MIN_NOTES:
        raise NotFittedError(
            f'only {len(lags)} notes had a clear beginning in the recording, and {MIN_NOTES} are '
            'needed to tell the latency'
        )
    curve = _curve(velocities, lags)
    if curve.spread > MAX_SPREAD:
        raise NotFittedError(
            f'the times from note to sound differ by {1000 * curve.spread:.0f} ms (standard '
            'deviation) at one and the same velocity: the machine is too busy, or the instrument '
            'is not steady'
        )
    if curve.y.min() < -MAX_EARLY:
        raise NotFittedError(
            f'the sound seems to come {-1000 * curve.y.min():.0f} ms before its note: the time '
            'stamps of the microphone are wrong'
        )
    values = np.maximum(curve.y, 0.0)
    error = float(curve.error.max())
    fixed = float(values.min())
    if values.max() - fixed < max(_SMALLEST, 3 * error):
        weights = 1 / np.maximum(curve.error, 1e-6) ** 2
        mean = float(np.average(values, weights=weights))
        return Latency(mean, (), error, curve.spread, len(lags))
    at = curve.x
    if softest is not None and softest < at[0]:
        soft = velocities <= np.median(velocities)
        slope = min(robust_line(velocities[soft], lags[soft])[1], 0.0)
        values = np.append(values[0] + slope * (softest - at[0]), values)
        at = np.append(softest, at)
    kept = _simplified(at, values - fixed)
    strike = tuple((round(at[i]), round(float(values[i] - fixed), 4)) for i in kept)
    return Latency(fixed, strike, error, curve.spread, len(lags))


def fit_onset_bias(errors: Floats) -> OnsetBias:
    """Return the bias from onsets that were heard `errors` seconds after the sound began.

    Raises NotFittedError where there are too few.
    """
    if len(errors) < MIN_NOTES:
        raise NotFittedError(
            f'only {len(errors)} notes were both heard and clear in the recording, and '
            f'{MIN_NOTES} are needed to tell how late the network hears'
        )
    spread = spread_of(errors)
    middle = float(np.median(errors))
    inner = errors[np.abs(errors - middle) <= 2.5 * max(spread, 1e-4)]
    return OnsetBias(
        float(inner.mean()), 1.25 * spread / np.sqrt(len(errors)), spread, len(errors)
    )


def _curve(velocities: Floats, lags: Floats) -> Curve:
    low, high = velocities.min(), velocities.max()
    knots = np.unique(
        [low, *np.arange(-(-low // _KNOT_STEP) * _KNOT_STEP, high, _KNOT_STEP), high]
    )
    if len(knots) > 1:
        # Knots that are closer than half a step share too few notes.
        knots = knots[np.concatenate(([True], np.diff(knots) >= _KNOT_STEP / 2))]
    intercept, slope = robust_line(velocities, lags)
    prior = intercept + min(slope, 0.0) * knots
    return monotone_curve(velocities, lags, knots, False, prior, _STRENGTH)


def _simplified(x: Floats, y: Floats) -> list[int]:
    """Return the indices of the points to keep (Ramer, Douglas and Peucker)."""
    kept = {0, len(x) - 1}
    spans = [(0, len(x) - 1)]
    while spans:
        first, last = spans.pop()
        inner = np.arange(first + 1, last)
        if not len(inner):
            continue
        off = np.abs(y[inner] - np.interp(x[inner], x[[first, last]], y[[first, last]]))
        worst = int(np.argmax(off))
        if off[worst] > _SIMPLIFIED:
            middle = int(inner[worst])
            kept.add(middle)
            spans += [(first, middle), (middle, last)]
    return sorted(kept)
