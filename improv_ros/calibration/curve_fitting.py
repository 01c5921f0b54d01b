# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Robust monotone curves through noisy points, each point of the curve with its uncertainty."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TURNS = 8  # of reweighting
_HUBER = 1.5  # standard deviations beyond which a point counts less


class Curve(NamedTuple):
    """A curve that is linear between its knots.

    x, y: the knots, (knots,). error: the standard error at each, (knots,). spread: the standard
    deviation of the points about the curve.
    """

    x: Floats
    y: Floats
    error: Floats
    spread: float

    def __call__(self, x: npt.ArrayLike) -> Floats:
        """Return the curve at some places; it is constant beyond its ends."""
        values: Floats = np.interp(np.asarray(x, np.float64), self.x, self.y)
        return values


def spread_of(residuals: Floats) -> float:
    """Return the standard deviation of residuals, of which some may be gross errors."""
    if not len(residuals):
        return 0.0
    return float(1.4826 * np.median(np.abs(residuals - np.median(residuals))))


def robust_line(x: Floats, y: Floats) -> tuple[float, float]:
    """Return intercept and slope of a line through points, of which some may be gross errors."""
    columns = np.column_stack((np.ones_like(x), x))
    weights: Floats = np.ones_like(y)
    line: Floats = np.zeros(2)
    for _ in range(_TURNS):
        scaled = columns * weights[:, None]
        line = np.asarray(np.linalg.lstsq(scaled, y * weights, rcond=None)[0], np.float64)
        weights = _huber(y - columns @ line) ** 0.5
    return float(line[0]), float(line[1])


def monotone_curve(
    x: Floats, y: Floats, knots: Floats, rising: bool, prior: Floats, strength: float
) -> Curve:
    """Return a rising or falling curve through points.

    prior: the curve at the knots where there are no points; it weighs as much there as `strength`
    points.
    """
    basis = _hats(x, knots)
    weights: Floats = np.ones_like(y)
    values: Floats = np.array(prior, np.float64)
    for _ in range(_TURNS):
        normal = basis.T @ (basis * weights[:, None]) + strength * np.eye(len(knots))
        values = np.asarray(
            np.linalg.solve(normal, basis.T @ (weights * y) + strength * prior), np.float64
        )
        weights = _huber(y - basis @ values)
    counts = basis.T @ weights + strength
    monotone = isotonic(values, counts) if rising else -isotonic(-values, counts)
    spread = spread_of(y - basis @ monotone)
    error = spread * np.sqrt(np.diag(np.linalg.inv(normal)))
    return Curve(knots, monotone, error, spread)


def isotonic(values: Floats, weights: Floats) -> Floats:
    """Return the closest sequence that does not fall (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, length
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, length = value, weight, 1
        while pools and pools[-1][0] > mean:
            before, its_weight, its_length = pools.pop()
            mean = (before * its_weight + mean * total) / (its_weight + total)
            total += its_weight
            length += its_length
        pools.append((mean, total, length))
    return np.concatenate([np.full(length, mean) for mean, _, length in pools])


def _hats(x: Floats, knots: Floats) -> Floats:
    """Return the weights of the knots at each x in linear interpolation, (points, knots)."""
    return np.array([np.interp(x, knots, row) for row in np.eye(len(knots))]).T


def _huber(residuals: Floats) -> Floats:
    size = np.abs(residuals) / max(spread_of(residuals), 1e-9)
    weights: Floats = np.minimum(1.0, _HUBER / np.maximum(size, 1e-9))
    return weights
