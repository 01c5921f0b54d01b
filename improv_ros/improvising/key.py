"""The key of what was played, by how often each pitch class was struck."""

from collections.abc import Iterable

import numpy as np

# How well each degree, in semitones above the tonic, fits a major and a minor key (Krumhansl and
# Kessler 1982).
_PROFILES = np.array(
    [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    ]
)
_KEYS = np.concatenate([[np.roll(profile, tonic) for tonic in range(12)] for profile in _PROFILES])
_KEYS -= _KEYS.mean(axis=1, keepdims=True)
_KEYS /= np.linalg.norm(_KEYS, axis=1, keepdims=True)


def tonic_of(pitches: Iterable[int]) -> int:
    """Return the tonic, 0 (C) to 11, of the key that fits pitches best; of no pitches, 0."""
    struck = np.bincount(np.fromiter(pitches, int) % 12, minlength=12)
    return int((_KEYS @ struck).argmax()) % 12
