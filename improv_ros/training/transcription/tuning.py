"""Searches the decoder's thresholds that do best on recordings, from kept posteriors.

One setting after another is moved up and down its grid, with the others held, as long as that
does better, until a round changes nothing. Best is the mean over the recordings of onset F1 and
onset+offset F1 together, among the settings that invent no more than a note a minute where nobody
plays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial
import inspect
from typing import NamedTuple

import numpy as np

from improv_ros.listening.decoder import Decoder

from .estimators import BIAS
from .posteriors import Kept, decode_kept
from .scores import compare

GRIDS: dict[str, tuple[float, ...]] = {
    'onset_threshold': (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7),
    BIAS: tuple(round(0.0025 * step, 4) for step in range(-8, 17)),
    'frame_share': (0.0, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8),
    'restrike_threshold': (0.0, 0.3, 0.4, 0.5, 0.6, 0.7),
    'rise': (0.0, 0.05, 0.1, 0.2, 0.3, 0.4),
    'refractory': (0.03, 0.04, 0.05, 0.06, 0.08),
    'frame_threshold': (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6),
    'lookahead': (0, 1),
    'release_hops': (1, 2, 3, 4, 6),
    'offset_threshold': (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
}
MOST_INVENTED = 1.0  # a minute

_WORTH_IT = 1e-4  # of merit
_PATIENCE = 2  # values in a row that do no better
_DEFAULTS = inspect.signature(Decoder).parameters

Settings = Mapping[str, float]


class Trial(NamedTuple):
    """What some settings come to: means over the recordings, and notes a minute of noise."""

    onset_f1: float
    offset_f1: float
    invented: float

    @property
    def merit(self) -> float:
        if self.invented > MOST_INVENTED:
            return -self.invented
        return self.onset_f1 + self.offset_f1

    def __str__(self) -> str:
        return (
            f'onset F1 {self.onset_f1:.4f}, onset+offset F1 {self.offset_f1:.4f}, '
            f'{self.invented:.2f} invented a minute'
        )


def trial(kept: list[Kept], settings: Settings, executor: Executor) -> Trial:
    """Decode all recordings with the same settings."""
    onsets, offsets, invented, minutes = [], [], 0, 0.0
    judged = executor.map(partial(_judge, settings=dict(settings)), kept)
    for one, (notes, onset_f1, offset_f1) in zip(kept, judged, strict=True):
        if one.recording.notes is None:
            invented += notes
            minutes += one.recording.seconds / 60
        else:
            onsets.append(onset_f1)
            offsets.append(offset_f1)
    if not onsets:
        onsets = offsets = [0.0]
    rate = invented / minutes if minutes else 0.0
    return Trial(float(np.mean(onsets)), float(np.mean(offsets)), rate)


def _judge(kept: Kept, settings: dict[str, float]) -> tuple[int, float, float]:
    notes = decode_kept(kept, settings)
    if kept.recording.notes is None:
        return len(notes), 0.0, 0.0
    score = compare(kept.recording.notes, notes)
    return len(notes), score.onset_f1, score.offset_f1


def tune(
    kept: list[Kept],
    start: Settings,
    executor: Executor,
    tell: Callable[[str], object],
) -> dict[str, float]:
    """Return the best settings found from `start` on; `tell` hears of every trial."""
    beliefs = kept[0].load()
    best = {name: _DEFAULTS[name].default for name in GRIDS if name in _DEFAULTS}
    best |= {BIAS: beliefs.onset_bias, **beliefs.decoding, **start}
    reached = trial(kept, best, executor)
    tell(f'{"as they are":27} {reached}')
    before = None
    while before != best:
        before = dict(best)
        for name, grid in GRIDS.items():
            for values in _ways(grid, best[name]):
                in_vain = 0
                for value in values:
                    tried = trial(kept, {**best, name: value}, executor)
                    better = tried.merit > reached.merit + _WORTH_IT
                    tell(f'{name:20} {value:6.3g} {tried}{" *" if better else ""}')
                    in_vain = 0 if better else in_vain + 1
                    if better:
                        best[name], reached = value, tried
                    elif in_vain == _PATIENCE:
                        break
    return best


def _ways(grid: tuple[float, ...], value: float) -> tuple[list[float], list[float]]:
    """The values of a grid above one, upwards, and below it, downwards."""
    return [v for v in grid if v > value], [v for v in reversed(grid) if v < value]
