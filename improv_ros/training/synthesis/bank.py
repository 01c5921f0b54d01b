# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Sample banks: a sample of every key of a piano at several velocities."""

from collections.abc import Callable
from dataclasses import dataclass
import os
from pathlib import Path

import numpy as np

SAMPLE_RATE = 16000
LOWEST_PITCH = 21
KEYS = 88
UNDAMPED = 90 - LOWEST_PITCH  # the strings of this key and those above have no dampers

LEAD = SAMPLE_RATE // 1000
"""Audio samples before the onset of a note in a bank: 1 ms, a fade-in."""

_LOWEST_KEY_SECONDS = 10.0  # duration of the sample of the lowest key
_HIGHEST_KEY_SECONDS = 3.0  # and of the highest key
_AUDIBLE = 10 ** (-60 / 20)  # relative to the peak: the end below it is cut off
_RISE = 0.05  # relative to the peak of the attack: defines the onset
_ATTACK = int(0.15 * SAMPLE_RATE)
_FADE = int(0.5 * SAMPLE_RATE)

_Note = Callable[[int, int], np.ndarray]


@dataclass
class Bank:
    """All samples of a piano, mono, 16 kHz.

    samples: int16, end to end, each normalised to the full range; starts, lengths: int64
    (layers, keys), position of each; gains: float32 (layers, keys), factors on the int16 values
    that restore the balance of the keys, with a median peak of 1 in each layer; velocities: MIDI
    velocity of each layer, increasing.
    """

    samples: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    gains: np.ndarray
    velocities: np.ndarray

    def sample(self, layer: int, key: int) -> np.ndarray:
        """Return the sample of a key (0 to 87) in a layer, int16."""
        start = int(self.starts[layer, key])
        return self.samples[start : start + int(self.lengths[layer, key])]

    def save(self, path: Path) -> None:
        """Write `path`.npy and `path`.npz atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        for suffix, write in (
            ('.npy', lambda file: np.save(file, self.samples, allow_pickle=False)),
            (
                '.npz',
                lambda file: np.savez(
                    file,
                    starts=self.starts,
                    lengths=self.lengths,
                    gains=self.gains,
                    velocities=self.velocities,
                ),
            ),
        ):
            part = path.with_name(f'{path.name}.{os.getpid()}.part{suffix}')
            with part.open('wb') as file:
                write(file)
            os.replace(part, path.with_name(path.name + suffix))


def load_bank(path: Path) -> Bank:
    """Return a saved bank, its samples memory-mapped."""
    with np.load(path.with_name(path.name + '.npz'), allow_pickle=False) as index:
        parts = {name: index[name] for name in index.files}
    samples = np.load(path.with_name(path.name + '.npy'), mmap_mode='r', allow_pickle=False)
    return Bank(samples=samples, **parts)


def bank_exists(path: Path) -> bool:
    """Return whether a bank was saved under a path."""
    return path.with_name(path.name + '.npz').is_file()


def sample_seconds(key: int) -> float:
    """Return the longest duration of the sample of a key in seconds."""
    return _LOWEST_KEY_SECONDS + (_HIGHEST_KEY_SECONDS - _LOWEST_KEY_SECONDS) * key / (KEYS - 1)


def build_bank(note: _Note, velocities: list[int]) -> Bank:
    """Return the bank of a piano.

    note: function of (key, layer) that returns a sound, mono, 16 kHz; it is called for all layers
    of a key before the next key. Silence before the onset is cut off. The onset is where a sound
    first reaches 5 % of the peak of its attack, which makes labels comparable between pianos.
    """
    layers = range(len(velocities))
    trimmed = [_trimmed(note(key, layer), key) for key in range(KEYS) for layer in layers]
    samples = [sample for sample, _ in trimmed]
    peaks = np.array([peak for _, peak in trimmed]).reshape(KEYS, -1).T
    lengths = np.array([len(sample) for sample in samples], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    gains = peaks / np.median(peaks, axis=1, keepdims=True) / 32767
    return Bank(
        np.concatenate(samples),
        starts.reshape(KEYS, -1).T,
        lengths.reshape(KEYS, -1).T,
        gains.astype(np.float32),
        np.array(velocities),
    )


def onset_of(sound: np.ndarray) -> int:
    """Return the index of the audio sample at which a sound begins."""
    level = np.abs(sound)
    peak = level[: int(level.argmax()) + 1].max(initial=0.0)
    first = int((level >= 0.3 * peak).argmax())
    attack = level[max(0, first - _ATTACK) : first + _ATTACK]
    return max(0, first - _ATTACK) + int((attack >= _RISE * attack.max(initial=0.0)).argmax())


def _trimmed(sound: np.ndarray, key: int) -> tuple[np.ndarray, float]:
    """Return a sound from `LEAD` before its onset until it is inaudible, int16, and its peak."""
    sound = np.asarray(sound, dtype=np.float32)
    begin = onset_of(sound) - LEAD
    sound = np.pad(sound, (max(0, -begin), 0))[max(0, begin) :]
    sound = sound[: int(sample_seconds(key) * SAMPLE_RATE)].copy()
    peak = float(np.abs(sound).max(initial=0.0))
    if peak == 0:
        return np.zeros(2 * LEAD, dtype=np.int16), 0.0
    loud = np.flatnonzero(np.abs(sound) > peak * _AUDIBLE)
    sound = sound[: max(int(loud[-1]) + 1, 4 * LEAD)]
    sound[:LEAD] *= np.linspace(0, 1, LEAD, dtype=np.float32)
    fade = min(_FADE, len(sound) // 2)
    sound[len(sound) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return np.round(sound * (32767 / peak)).astype(np.int16), peak
