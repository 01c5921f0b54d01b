# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Fits the thresholds of the decoder by the F1 of onsets, held near the shipped ones.

One setting after another is moved a few steps. A move is kept only where the F1 gains more than
twice the standard error of the gain, which is told from parts of the recordings: few data move
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.calibration.hop_outputs import HopOutputs
from improv_ros.calibration.note_matching import Figures, Note, match
from improv_ros.calibration.refusal import NotFittedError

STEPS: Mapping[str, float] = {'onset_threshold': 0.05, 'rise': 0.05, 'frame_weight': 0.1}
RANGES: Mapping[str, tuple[float, float]] = {
    'onset_threshold': (0.2, 0.9),
    'rise': (0.0, 0.6),
    'frame_weight': (0.0, 0.95),
}
MIN_NOTES = 100
_MOST_STEPS = 3
_PART = 8.0  # seconds
_SURE = 2.0  # standard errors; there are many moves to choose from
_DEFAULTS: Mapping[str, float] = {'onset_threshold': 0.5, 'rise': 0.0, 'frame_weight': 0.5}


class Take(NamedTuple):
    """A recording and the notes that were played in it.

    lag: seconds from the onset of a note, as `sent` says it, to its onset in the outputs.
    """

    outputs: HopOutputs
    sent: Sequence[Note]
    lag: Callable[[int], float]


class ThresholdFit(NamedTuple):
    """Settings of the decoder, and the F1 of onsets before and after on what they were fitted to.

    error: the standard error of the gain.
    """

    decoding: dict[str, Any]
    before: float
    after: float
    error: float


def fit_thresholds(takes: Sequence[Take], decoding: Mapping[str, Any]) -> ThresholdFit:
    """Return the settings for some takes, from the shipped ones.

    Raises NotFittedError where there are too few notes, or where nothing is better.
    """
    notes = sum(len(take.sent) for take in takes)
    if notes < MIN_NOTES:
        raise NotFittedError(
            f'{notes} notes were played, and {MIN_NOTES} are needed to tell thresholds'
        )
    shipped = dict(decoding)
    best = dict(shipped)
    first = reached = _parts(takes, best)
    for name, step in STEPS.items():
        start = float(best.get(name, _DEFAULTS[name]))
        low, high = RANGES[name]
        for direction in (1, -1):
            kept = best
            for number in range(1, _MOST_STEPS + 1):
                value = round(start + direction * number * step, 3)
                if not low <= value <= high:
                    break
                tried = {**best, name: value}
                found = _parts(takes, tried)
                gain, its_error = _gain(reached, found)
                if gain <= _SURE * its_error:
                    break
                best, reached = tried, found
            if best is not kept:
                break
    gained, error = _gain(first, reached)
    if best == shipped or gained <= 0:
        raise NotFittedError('no thresholds near the shipped ones are surely better')
    return ThresholdFit(best, _f1(first), _f1(reached), error)


def _parts(takes: Sequence[Take], decoding: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Return sent, heard and matched notes of each part of the takes, (parts, 3)."""
    rows = []
    for outputs, sent, lag in takes:
        heard = outputs.decode(decoding)
        pairs = match(sent, heard, lag)
        counts = np.zeros((int(len(outputs.onset) * outputs.hop_seconds / _PART) + 2, 3))
        for note in sent:
            counts[int((note.onset + lag(note.velocity)) / _PART), 0] += 1
        for found in heard:
            counts[int(max(found.onset, 0.0) / _PART), 1] += 1
        for place, _ in pairs:
            counts[int((sent[place].onset + lag(sent[place].velocity)) / _PART), 2] += 1
        rows.append(counts)
    return np.concatenate(rows)


def _gain(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the gain in F1 and its standard error, by leaving out one part after another."""
    gain = _f1(after) - _f1(before)
    full = np.flatnonzero(before[:, 0] + after[:, 1])
    without = [
        _f1(np.delete(after, part, axis=0)) - _f1(np.delete(before, part, axis=0)) for part in full
    ]
    count = len(without)
    if count < 2:
        return gain, float('inf')
    deviation = np.array(without) - np.mean(without)
    return gain, float(np.sqrt((count - 1) / count * np.sum(deviation**2)))


def _f1(parts: npt.NDArray[np.float64]) -> float:
    sent, heard, matched = parts.sum(axis=0)
    return Figures(int(sent), int(heard), int(matched)).f1
