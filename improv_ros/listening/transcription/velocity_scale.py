# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The velocities of one piano in one room at one gain of the microphone, from loudness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from improv_ros.listening.transcription.estimator import PITCHES

Floats = npt.NDArray[np.float64]

MOST_POINTS = 64


class VelocityScale:
    """Maps the loudness of each key to the velocity with which it was struck.

    weights: of the features of `velocity_estimation.features`, (features,); their weighted sum is
        the loudness. loudness: points of the curves, increasing, (points,). velocities: of each
        key at these points, (88, points). A curve is linear between its points and beyond them.

    Raises ValueError for other shapes, for points that do not increase and for curves that fall.
    """

    def __init__(
        self, weights: npt.ArrayLike, loudness: npt.ArrayLike, velocities: npt.ArrayLike
    ) -> None:
        self.weights: Floats = np.asarray(weights, np.float64)
        self.loudness: Floats = np.asarray(loudness, np.float64)
        self.velocities: Floats = np.asarray(velocities, np.float64)
        points = len(self.loudness)
        if self.weights.ndim != 1 or not 2 <= points <= MOST_POINTS:
            raise ValueError(f'a scale has one row of weights and 2 to {MOST_POINTS} points')
        if self.velocities.shape != (PITCHES, points):
            raise ValueError(f'velocities must have {PITCHES} rows of {points}')
        if not all(
            np.isfinite(each).all() for each in (self.weights, self.loudness, self.velocities)
        ):
            raise ValueError('every number of a scale must be finite')
        if (np.diff(self.loudness) <= 0).any() or (np.diff(self.velocities) < 0).any():
            raise ValueError('loudness must increase, and velocities must not fall')

    def __call__(self, features: npt.NDArray[np.floating]) -> Floats:
        """Return the velocity of each key, 1 to 127, (88,); features: (features, 88)."""
        return self.of(np.tensordot(self.weights, features, 1), np.arange(PITCHES))

    def of(self, loudness: Floats, keys: npt.NDArray[np.int64]) -> Floats:
        """Return the velocities, 1 to 127, of notes with these loudnesses on these keys."""
        last = len(self.loudness) - 2
        left = np.clip(np.searchsorted(self.loudness, loudness) - 1, 0, last)
        share = (loudness - self.loudness[left]) / np.diff(self.loudness)[left]
        before, after = self.velocities[keys, left], self.velocities[keys, left + 1]
        velocity: Floats = np.clip(before + share * (after - before), 1, 127)
        return velocity

    def as_dict(self) -> dict[str, Any]:
        """Return the scale as plain lists, for JSON."""
        return {
            'weights': self.weights.round(4).tolist(),
            'loudness': self.loudness.round(3).tolist(),
            'velocities': self.velocities.round(2).tolist(),
        }

    @classmethod
    def from_dict(cls, about: Mapping[str, Any]) -> VelocityScale:
        """Return the scale of `as_dict`. Raises ValueError, KeyError or TypeError."""
        return cls(about['weights'], about['loudness'], about['velocities'])
