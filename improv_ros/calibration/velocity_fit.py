# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Fits the scale from the loudness of a note to the velocity with which it was struck.

First the weights of the features, held near the shipped ones; then a curve of all keys, and one
for each register, held near that of all; then an offset for each key, held near 0. They are held
with a strength in notes, so that few notes change little.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.calibration.curve_fitting import isotonic, monotone_curve, robust_line
from improv_ros.calibration.refusal import NotFittedError
from improv_ros.listening.transcription.estimator import LOWEST_PITCH, PITCHES
from improv_ros.listening.transcription.velocity_estimation import WEIGHTS
from improv_ros.listening.transcription.velocity_scale import VelocityScale

Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.int64]

MIN_NOTES = 60
REGISTERS = (33, 52, 68, 88)  # pitches of their middles
_WEIGHT_STRENGTH = 60.0  # notes
_CURVE_STRENGTH = 4.0  # notes a knot
_REGISTER_STRENGTH = 15.0  # notes a knot
_KNOTS = 7
_FOLDS = 4
_MIN_GAIN = 0.05  # of the error; a smaller one is not kept


class VelocityFit(NamedTuple):
    """A scale, and the root mean square error in velocities: before, with a line fitted to what
    was heard, and after, both on notes that were not fitted to."""

    scale: VelocityScale
    before: float
    after: float
    notes: int


def fit_velocity(features: Floats, keys: Keys, struck: Floats, heard: Floats) -> VelocityFit:
    """Return the scale from notes: features (notes, features), keys 0 to 87, the velocities with
    which they were struck, and those that were heard without a calibration, (notes,).

    Raises NotFittedError where there are too few notes, or where the scale is not better.
    """
    if len(struck) < MIN_NOTES:
        raise NotFittedError(
            f'only {len(struck)} notes were heard, and {MIN_NOTES} are needed to tell velocities'
        )
    if np.ptp(struck) < 20:
        raise NotFittedError('all notes were about equally loud')
    before, after = np.zeros(len(struck)), np.zeros(len(struck))
    for fold in range(_FOLDS):
        out = np.arange(len(struck)) // 8 % _FOLDS == fold
        scale = velocity_scale(features[~out], keys[~out], struck[~out])
        after[out] = scale.of(features[out] @ scale.weights, keys[out]) - struck[out]
        intercept, slope = robust_line(heard[~out], struck[~out])
        before[out] = intercept + slope * heard[out] - struck[out]
    old, new = (float(np.sqrt(np.mean(each**2))) for each in (before, after))
    if new > (1 - _MIN_GAIN) * old:
        raise NotFittedError(
            f'velocities would be off by {new:.1f} with a scale and are by {old:.1f} without'
        )
    return VelocityFit(velocity_scale(features, keys, struck), old, new, len(struck))


def velocity_scale(
    features: Floats, keys: Keys, struck: Floats, registers: bool = True, by_key: bool = True
) -> VelocityScale:
    """Return the scale of notes; without curves of registers, or offsets of keys, if not asked."""
    weights = _weights(features, struck)
    loudness = features @ weights
    low, high = np.percentile(loudness, (1, 99))
    knots = np.linspace(low, max(high, low + 1), _KNOTS)
    intercept, slope = robust_line(loudness, struck)
    line = intercept + max(slope, 0.1) * knots
    common = monotone_curve(loudness, struck, knots, True, line, _CURVE_STRENGTH)
    curves = np.tile(common.y, (len(REGISTERS), 1))
    nearest = np.abs(keys[:, None] + LOWEST_PITCH - np.array(REGISTERS)).argmin(axis=1)
    for register in range(len(REGISTERS) if registers else 0):
        members = nearest == register
        if members.any():
            curves[register] = monotone_curve(
                loudness[members], struck[members], knots, True, common.y, _REGISTER_STRENGTH
            ).y
    pitches = LOWEST_PITCH + np.arange(PITCHES)
    velocities = np.array([np.interp(pitches, REGISTERS, curve) for curve in curves.T]).T
    scale = VelocityScale(weights, knots, _rising(velocities))
    if by_key:
        residuals = struck - scale.of(loudness, keys)
        velocities = velocities + _key_offsets(residuals, keys)[:, None]
        scale = VelocityScale(weights, knots, _rising(velocities))
    return scale


def _rising(velocities: Floats) -> Floats:
    ones = np.ones(velocities.shape[1])
    return np.array([isotonic(row, ones) for row in velocities])


def _weights(features: Floats, struck: Floats) -> Floats:
    """Return the weights of a ridge regression about the shipped ones."""
    shipped = np.array(WEIGHTS)
    found, velocity = features - features.mean(axis=0), struck - struck.mean()
    # The shipped weights are for all microphones: their sum may be of another steepness here.
    loudness = found @ shipped
    shipped = shipped * float(loudness @ velocity / max(loudness @ loudness, 1e-9))
    scale = np.maximum(found.std(axis=0), 1e-6)
    normal = found.T @ found + _WEIGHT_STRENGTH * np.diag(scale**2)
    change = np.linalg.solve(normal, found.T @ (velocity - found @ shipped))
    weights: Floats = shipped + change
    return weights


def _key_offsets(residuals: Floats, keys: Keys) -> Floats:
    """Return by how much each key was struck harder than the curve says, (88,).

    The offsets are shrunk as a random effect: by the variance of notes of a key over that of keys.
    """
    counts = np.bincount(keys, minlength=PITCHES).astype(np.float64)
    means = np.bincount(keys, residuals, PITCHES) / np.maximum(counts, 1)
    often = counts >= 2
    if np.count_nonzero(often) < 8:
        return np.zeros(PITCHES)
    within_sum = float(((residuals - means[keys]) ** 2)[often[keys]].sum())
    within = within_sum / max(1.0, float(counts[often].sum() - np.count_nonzero(often)))
    between = float(np.mean(means[often] ** 2 - within / counts[often]))
    if between <= 0:
        return np.zeros(PITCHES)
    offsets: Floats = means * counts / (counts + within / between)
    return offsets
