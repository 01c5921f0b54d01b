# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Measures the tuning of a piano from single notes: cents, and the stretch of its octaves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.calibration.curve_fitting import robust_line, spread_of
from improv_ros.calibration.refusal import NotFittedError

MIN_NOTES = 20
MAX_SPREAD = 15.0  # cents
_SECONDS = 0.2  # of a note that are analysed
_AFTER_ONSET = 0.03  # seconds, when the attack is over
_PARTIALS = (1, 2, 3)
_SEARCH = 60.0  # cents about the expected frequency
_MIN_PROMINENCE = 10.0  # ratio of the peak to the median about it, in power
_MIDDLE = 60  # MIDI pitch
_LOWEST, _HIGHEST = 40, 88  # below, partials are too close and too sharp; above, notes too short


class Tuning(NamedTuple):
    """The tuning about middle C in cents from 440 Hz equal temperament, and the stretch in cents
    an octave, each with its standard error."""

    cents: float
    cents_error: float
    stretch: float
    stretch_error: float
    notes: int


def fit_tuning(
    samples: npt.NDArray[np.float32], sample_rate: int, notes: Iterable[tuple[float, int]]
) -> Tuning:
    """Return the tuning; notes: (when it begins in seconds, pitch), of notes that sound alone.

    Raises NotFittedError where too few are clear, or where they contradict each other.
    """
    found = []
    for onset, pitch in notes:
        if _LOWEST <= pitch <= _HIGHEST:
            cents = _cents(samples, sample_rate, onset, pitch)
            if cents is not None:
                found.append((pitch, cents))
    if len(found) < MIN_NOTES:
        raise NotFittedError(
            f'only {len(found)} notes were clear enough to tell the tuning; {MIN_NOTES} are needed'
        )
    pitches, cents = np.array(found, np.float64).T
    octaves = (pitches - _MIDDLE) / 12
    middle, stretch = robust_line(octaves, cents)
    spread = spread_of(cents - middle - stretch * octaves)
    if spread > MAX_SPREAD:
        raise NotFittedError(f'the keys differ by {spread:.0f} cents about any even tuning')
    error = spread / np.sqrt(len(found))
    return Tuning(middle, error, stretch, error / max(float(octaves.std()), 1e-6), len(found))


def _cents(
    samples: npt.NDArray[np.float32], sample_rate: int, onset: float, pitch: int
) -> float | None:
    """Return how sharp a note is, from the first of its partials that stands out."""
    first = round((onset + _AFTER_ONSET) * sample_rate)
    block = samples[first : first + round(_SECONDS * sample_rate)]
    if len(block) < _SECONDS * sample_rate / 2:
        return None
    size = 8 * len(block)
    power = np.abs(np.fft.rfft(block * np.hanning(len(block)), size)) ** 2
    bin_width = sample_rate / size
    for partial in _PARTIALS:
        expected = partial * 440 * 2 ** ((pitch - 69) / 12)
        low, high = (expected * 2 ** (side * _SEARCH / 1200) / bin_width for side in (-1, 1))
        begin, end = int(low), int(high) + 2
        if end + 1 >= len(power) or end - begin < 3:
            continue
        peak = begin + int(np.argmax(power[begin:end]))
        wide = power[max(0, begin - (end - begin) * 2) : end + (end - begin) * 2]
        if peak in (begin, end - 1) or power[peak] < _MIN_PROMINENCE * np.median(wide):
            continue
        before, here, after = np.log(power[peak - 1 : peak + 2] + 1e-20)
        place = peak + (before - after) / (2 * (before - 2 * here + after) - 1e-12)
        return float(1200 * np.log2(place * bin_width / expected))
    return None
