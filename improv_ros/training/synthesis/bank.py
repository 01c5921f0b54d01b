"""A piano as a bank of samples: every key at several velocities, ready to be mixed."""

from collections.abc import Callable
from dataclasses import dataclass
import os
from pathlib import Path

import numpy as np

SAMPLE_RATE = 16000
LOWEST_PITCH = 21
KEYS = 88
UNDAMPED = 90 - LOWEST_PITCH  # from this key up strings have no dampers

LEAD = SAMPLE_RATE // 1000
"""Samples before the onset in each sample of a bank: 1 ms, in which it fades in."""

_LONGEST = 10.0  # seconds of the lowest key
_SHORTEST = 3.0  # and of the highest
_AUDIBLE = 10 ** (-60 / 20)  # of a sample's peak: what is under it at the end is cut off
_RISE = 0.05  # of the peak of the attack: where a sound begins
_ATTACK = int(0.15 * SAMPLE_RATE)
_FADE = int(0.5 * SAMPLE_RATE)

_Note = Callable[[int, int], np.ndarray]


@dataclass
class Bank:
    """All samples of a piano, mono, 16 kHz.

    samples: int16, all end to end, each using the whole range; starts, lengths: int64
    (layers, keys), where each is in it; gains: float32 (layers, keys), what to multiply int16
    values by so that the peaks of a layer are 1 in the middle and keys keep their balance;
    velocities: the MIDI velocity of each layer, rising.
    """

    samples: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    gains: np.ndarray
    velocities: np.ndarray

    def sample(self, layer: int, key: int) -> np.ndarray:
        """Return the sample of a key, int16."""
        start = int(self.starts[layer, key])
        return self.samples[start : start + int(self.lengths[layer, key])]

    def save(self, path: Path) -> None:
        """Write `path`.npy and `path`.npz; a bank half written is never taken for a whole one."""
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
    """Return a saved bank, its samples mapped from the file."""
    with np.load(path.with_name(path.name + '.npz'), allow_pickle=False) as index:
        parts = {name: index[name] for name in index.files}
    samples = np.load(path.with_name(path.name + '.npy'), mmap_mode='r', allow_pickle=False)
    return Bank(samples=samples, **parts)


def is_bank(path: Path) -> bool:
    """Return whether a bank was saved at a path."""
    return path.with_name(path.name + '.npz').is_file()


def longest(key: int) -> float:
    """Return for how many seconds a key is sampled."""
    return _LONGEST + (_SHORTEST - _LONGEST) * key / (KEYS - 1)


def build_bank(note: _Note, velocities: list[int]) -> Bank:
    """Return the bank of a piano of which `note(key, layer)` returns a sound, mono, 16 kHz.

    It is asked key by key, for each the layers in turn.

    Silence before the onset is cut off: a sound begins where it first reaches 5 % of the peak
    of its attack, the same for all pianos, so that labels mean the same on each.
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
    """Return the number of the sample at which a sound begins."""
    level = np.abs(sound)
    peak = level[: int(level.argmax()) + 1].max(initial=0.0)
    first = int((level >= 0.3 * peak).argmax())
    attack = level[max(0, first - _ATTACK) : first + _ATTACK]
    return max(0, first - _ATTACK) + int((attack >= _RISE * attack.max(initial=0.0)).argmax())


def _trimmed(sound: np.ndarray, key: int) -> tuple[np.ndarray, float]:
    """Return a sound from just before its onset to where it fades, int16, and its peak."""
    sound = np.asarray(sound, dtype=np.float32)
    begin = onset_of(sound) - LEAD
    sound = np.pad(sound, (max(0, -begin), 0))[max(0, begin) :]
    sound = sound[: int(longest(key) * SAMPLE_RATE)].copy()
    peak = float(np.abs(sound).max(initial=0.0))
    if peak == 0:
        return np.zeros(2 * LEAD, dtype=np.int16), 0.0
    loud = np.flatnonzero(np.abs(sound) > peak * _AUDIBLE)
    sound = sound[: max(int(loud[-1]) + 1, 4 * LEAD)]
    sound[:LEAD] *= np.linspace(0, 1, LEAD, dtype=np.float32)
    fade = min(_FADE, len(sound) // 2)
    sound[len(sound) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return np.round(sound * (32767 / peak)).astype(np.int16), peak
