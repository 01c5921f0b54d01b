# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Statistics of generated and real music, and how much they overlap.

Each statistic is a histogram; two are compared by their overlap area, from 0 (disjoint) to 1
(equal), as in Yang and Lerch, "On the evaluation of generative models in music", 2020. A large
overlap does not show that music is good, a small one shows that it differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from improv_ros.improvising.network.vocabulary import KEYS, LOWEST_PITCH, PEDAL_DOWN, RELEASE
from improv_ros.training.improviser.representations import Notes, sounding

# Edges in milliseconds: about three bins per factor of 2, and one for simultaneous onsets.
TIMES = np.concatenate([[0, 5], np.geomspace(10, 5120, 28), [np.inf]])
MOST_KEYS = 12


def histograms(performances: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return the histogram of each statistic over some performances, normalised to a sum of 1.

    Pitch class: 12 bins; interval between onsets, and note length without the pedal: bins of
    `TIMES`; velocity: 32 bins of 4; polyphony: keys down at each onset, 0 to `MOST_KEYS`.
    """
    played = [sounding(performance, pedal=False) for performance in performances]
    onsets = [np.sort(notes.onset) for notes in played]
    key, length, velocity = (
        np.concatenate(each)
        for each in (
            [notes.key for notes in played],
            [notes.offset - notes.onset for notes in played],
            [notes.velocity for notes in played],
        )
    )
    intervals = np.concatenate([np.diff(each) for each in onsets])
    down = np.concatenate([_keys_down(notes) for notes in played])
    counts: Mapping[str, np.ndarray] = {
        'pitch class': np.bincount((key + LOWEST_PITCH) % 12, minlength=12),
        'interval between onsets': np.histogram(intervals, TIMES)[0],
        'note length': np.histogram(length, TIMES)[0],
        'velocity': np.bincount(velocity // 4, minlength=32),
        'polyphony': np.bincount(np.minimum(down, MOST_KEYS), minlength=MOST_KEYS + 1),
    }
    return {name: count / max(count.sum(), 1) for name, count in counts.items()}


def _keys_down(notes: Notes) -> np.ndarray:
    """Return the number of keys that are down just after each onset."""
    begun = np.searchsorted(np.sort(notes.onset), notes.onset, side='right')
    ended = np.searchsorted(np.sort(notes.offset), notes.onset, side='right')
    return begun - ended


def overlaps(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the overlap area of each statistic."""
    return {name: float(np.minimum(one[name], other[name]).sum()) for name in one}


def velocity_figures(performances: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the medians over some performances of the mean velocity and of its deviation.

    The standard deviation is that within each performance.
    """
    velocities = [performance[performance[:, 2] > 0, 2] for performance in performances]
    means, deviations = ([f(each) for each in velocities] for f in (np.mean, np.std))
    return float(np.median(means)), float(np.median(deviations))


def excerpt(performance: np.ndarray, begin: float, end: float) -> np.ndarray:
    """Return what is played between two times in seconds, without keys that were down before."""
    times = np.cumsum(performance[:, 0], dtype=np.int64)
    inside = (times >= 1000 * begin) & (times < 1000 * end)
    part = performance[inside].copy()
    pressed: set[int] = set()
    kept = np.ones(len(part), bool)
    for number, (_, event_type, _) in enumerate(part.tolist()):
        key = event_type % KEYS
        if event_type < RELEASE:
            pressed.add(key)
        elif event_type < PEDAL_DOWN:
            kept[number] = key in pressed
            pressed.discard(key)
    moments = times[inside][kept]
    part = part[kept]
    part[:, 0] = np.diff(moments, prepend=moments[:1])
    return part
