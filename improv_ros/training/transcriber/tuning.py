# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Tunes the settings of the decoder on recordings, from stored posteriors.

Coordinate ascent: one setting after another is moved up and down its grid, with the others held,
while the objective improves, until a round changes nothing. The objective is the sum of onset F1
and onset+offset F1, each the mean over the sets of the mean over a set's recordings, among the
settings that invent no more than one note per minute of noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
import inspect
from typing import NamedTuple

import numpy as np

from improv_ros.listening.transcription.decoder import Decoder
from improv_ros.training.transcriber.estimators import BIASES
from improv_ros.training.transcriber.posteriors import StoredPosteriors, decode_stored
from improv_ros.training.transcriber.scores import compare

GRIDS: dict[str, tuple[float, ...]] = {
    'onset_threshold': (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7),
    'onset_bias': tuple(round(0.0025 * step, 4) for step in range(-8, 17)),
    'offset_bias': tuple(round(0.005 * step, 4) for step in range(-4, 13)),
    'frame_weight': (0.0, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8),
    'restrike_threshold': (0.0, 0.3, 0.4, 0.5, 0.6, 0.7),
    'rise': (0.0, 0.05, 0.1, 0.2, 0.3, 0.4),
    'refractory': (0.03, 0.04, 0.05, 0.06, 0.08),
    'frame_threshold': (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6),
    'lookahead': (0, 1),
    'release_hops': (1, 2, 3, 4, 6),
    'offset_threshold': (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
}
MAX_INVENTED = 1.0  # per minute of noise

_MIN_IMPROVEMENT = 1e-4  # of the objective
_PATIENCE = 2  # consecutive values without improvement
_DEFAULTS = inspect.signature(Decoder).parameters

Settings = Mapping[str, float]


class Trial(NamedTuple):
    """The result of some settings: means over the sets; invented notes per minute of noise."""

    onset_f1: float
    offset_f1: float
    invented: float

    @property
    def objective(self) -> float:
        if self.invented > MAX_INVENTED:
            return -self.invented
        return self.onset_f1 + self.offset_f1

    def __str__(self) -> str:
        return (
            f'onset F1 {self.onset_f1:.4f}, onset+offset F1 {self.offset_f1:.4f}, '
            f'{self.invented:.2f} invented per minute'
        )


def trial(sets: Sequence[list[StoredPosteriors]], settings: Settings, executor: Executor) -> Trial:
    """Decode all recordings of all sets with the same settings and score them."""
    score = partial(_score, settings=dict(settings))
    scored = [(stored, executor.map(score, stored)) for stored in sets]
    means, invented, minutes = [], 0, 0.0
    for stored, results in scored:
        f1s = []
        for one, (notes, onset_f1, offset_f1) in zip(stored, results, strict=True):
            if one.recording.notes is None:
                invented += notes
                minutes += one.recording.seconds / 60
            else:
                f1s.append((onset_f1, offset_f1))
        if f1s:
            means.append(np.mean(f1s, axis=0))
    onset_f1, offset_f1 = np.mean(means, axis=0) if means else (0.0, 0.0)
    return Trial(float(onset_f1), float(offset_f1), invented / minutes if minutes else 0.0)


def _score(stored: StoredPosteriors, settings: dict[str, float]) -> tuple[int, float, float]:
    notes = decode_stored(stored, settings)
    if stored.recording.notes is None:
        return len(notes), 0.0, 0.0
    score = compare(stored.recording.notes, notes)
    return len(notes), score.onset_f1, score.offset_f1


def tune(
    sets: Sequence[list[StoredPosteriors]],
    start: Settings,
    executor: Executor,
    report: Callable[[str], object],
) -> dict[str, float]:
    """Return the best settings found from `start`; `report` is called with each trial."""
    posteriors = sets[0][0].load()
    best = {name: _DEFAULTS[name].default for name in GRIDS if name in _DEFAULTS}
    best |= {name: getattr(posteriors, name) for name in BIASES}
    best |= {**posteriors.decoding, **start}
    reached = trial(sets, best, executor)
    report(f'{"at the start":27} {reached}')
    before = None
    while before != best:
        before = dict(best)
        for name, grid in GRIDS.items():
            for values in _directions(grid, best[name]):
                without_improvement = 0
                for value in values:
                    tried = trial(sets, {**best, name: value}, executor)
                    better = tried.objective > reached.objective + _MIN_IMPROVEMENT
                    report(f'{name:20} {value:6.3g} {tried}{" *" if better else ""}')
                    without_improvement = 0 if better else without_improvement + 1
                    if better:
                        best[name], reached = value, tried
                    elif without_improvement == _PATIENCE:
                        break
    return best


def _directions(grid: tuple[float, ...], value: float) -> tuple[list[float], list[float]]:
    """Return the values of a grid above `value`, ascending, and below it, descending."""
    return [v for v in grid if v > value], [v for v in reversed(grid) if v < value]
