"""How generated music compares with real music, by what can be counted in it.

Each statistic is a histogram; two are compared by their overlap area, from 0 (nothing in common)
to 1 (the same). Overlap says that the music has the right ingredients, not that it is good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from improv_ros.improvising.vocabulary import LOWEST_PITCH

from .representations import Notes, sounding

# Milliseconds, about three bins to an octave, and one for what is simultaneous.
TIMES = np.concatenate([[0, 5], np.geomspace(10, 5120, 28), [np.inf]])
MOST_KEYS = 12


def histograms(performances: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return each statistic of some performances as shares that sum to 1.

    pitch class: of 12; interval between onsets and note length (the key's, not the pedal's):
    over `TIMES`; velocity: in steps of 4; polyphony: how many keys are down at each onset.
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
    """Return how many keys are down just after each onset."""
    begun = np.searchsorted(np.sort(notes.onset), notes.onset, side='right')
    ended = np.searchsorted(np.sort(notes.offset), notes.onset, side='right')
    return begun - ended


def overlaps(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the overlap area of each statistic."""
    return {name: float(np.minimum(one[name], other[name]).sum()) for name in one}


def excerpt(performance: np.ndarray, begin: float, end: float) -> np.ndarray:
    """Return what is played between two times in seconds; keys held over its edges are cut."""
    times = np.cumsum(performance[:, 0], dtype=np.int64)
    inside = (times >= 1000 * begin) & (times < 1000 * end)
    part = performance[inside].copy()
    pressed: set[int] = set()
    kept = np.ones(len(part), bool)
    for number, (_, what, _) in enumerate(part.tolist()):
        key = what % 88
        if what < 88:
            pressed.add(key)
        elif what < 176:
            kept[number] = key in pressed
            pressed.discard(key)
    moments = times[inside][kept]
    part = part[kept]
    part[:, 0] = np.diff(moments, prepend=moments[:1])
    return part
