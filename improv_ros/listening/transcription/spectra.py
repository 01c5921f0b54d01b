# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The input of the network: log spectra on the piano's scale, in four windows.

Every hop, the last 48, 128, 256 and 512 ms are each split into bands of a third of a semitone.
The short windows show an attack early, the long ones resolve low keys. Each window rises slowly
and falls fast, so that the newest sound has weight early.
"""

import numpy as np
import numpy.typing as npt

from improv_ros.listening.transcription.estimator import LOWEST_PITCH, Samples

SAMPLE_RATE = 16000  # Hz
HOP = 160  # samples; 10 ms
WINDOWS = (768, 2048, 4096, 8192)  # samples
BANDS_A_SEMITONE = 3
SEMITONES = 98  # from the lowest key up; those above the highest key hold its overtones
BANDS = SEMITONES * BANDS_A_SEMITONE

_FALLING = 256  # samples of the falling end of each window
_SHORTEST_TRANSFORM = 1024
_WIDTH_OF_A_TONE = 1.5  # bins of the transform over which a steady tone spreads
_FLOOR = 1e-10  # power; below the noise of 16 bits
_BLOCK = 16  # hops analysed at once; they fit the cache of a processor

Spectra = npt.NDArray[np.float32]
"""Log spectra of one hop, float32, shape (BANDS, len(WINDOWS)), or of several, (hops, ...).

A full-scale sine reads about 1 in its band; every 10 dB less reads 0.2 less, down to -1.
"""


class FrontEnd:
    """Computes the log spectra of a stream, hop by hop."""

    def __init__(self) -> None:
        self._windows = [_window(length) for length in WINDOWS]
        self._sizes = [max(length, _SHORTEST_TRANSFORM) for length in WINDOWS]
        self._edges = [_edges(size) for size in self._sizes]
        self.reset()

    def reset(self) -> None:
        """Begin a new stream, preceded by silence."""
        self._history: Samples = np.zeros(max(WINDOWS), np.float32)

    def step(self, samples: Samples) -> Spectra:
        """Return the spectra, (BANDS, windows), after `HOP` more samples."""
        self._history = np.concatenate((self._history[HOP:], samples))
        spectra: Spectra = self._analyse(self._history[np.newaxis])[0]
        return spectra

    def analyse(self, samples: Samples) -> Spectra:
        """Return the spectra of each whole hop of a new stream, (hops, BANDS, windows)."""
        hops = len(samples) // HOP
        if not hops:
            return np.zeros((0, BANDS, len(WINDOWS)), np.float32)
        past = np.zeros(max(WINDOWS) - HOP, np.float32)
        histories = np.lib.stride_tricks.sliding_window_view(
            np.concatenate((past, samples[: hops * HOP]), dtype=np.float32), max(WINDOWS)
        )[::HOP]
        blocks = [self._analyse(histories[i : i + _BLOCK]) for i in range(0, hops, _BLOCK)]
        return np.concatenate(blocks)

    def _analyse(self, histories: Samples) -> Spectra:
        spectra = np.empty((len(histories), BANDS, len(WINDOWS)), np.float32)
        for number, (window, size) in enumerate(zip(self._windows, self._sizes, strict=True)):
            part = np.fft.rfft(histories[:, -len(window) :] * window, size)
            power = np.empty((len(histories), size // 2 + 2))
            power[:, 0] = 0
            np.cumsum(part.real**2 + part.imag**2, axis=1, out=power[:, 1:])
            left, share, width = self._edges[number]
            below = power[:, left] + share * (power[:, left + 1] - power[:, left])
            spectra[:, :, number] = np.diff(below) / width
        np.log10(spectra + np.float32(_FLOOR), out=spectra)
        spectra *= np.float32(0.2)
        spectra += np.float32(1)
        return spectra


def power_of(spectra: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the power in log spectra: 1 for a full-scale sine."""
    power: npt.NDArray[np.floating] = 10 ** ((spectra - 1) * 5)
    return power


def _window(length: int) -> Samples:
    """Return a window that rises and falls as sin², scaled to show a sine's squared amplitude."""
    rising = length - _FALLING
    window = np.concatenate(
        (np.hanning(2 * rising + 1)[:rising], np.hanning(2 * _FALLING + 1)[_FALLING:-1])
    )
    return (window * 2 / window.sum()).astype(np.float32)


def _edges(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the edges of the bands in the cumulative power of a transform of `size` samples.

    For each of BANDS + 1 edges: its bin, and its place in the bin (0 to 1). For each band: how
    many bins a sine in it spreads over.
    """
    bands = np.arange(BANDS + 1) - 1 - 0.5
    pitches = LOWEST_PITCH + bands / BANDS_A_SEMITONE
    bins = 440 * 2 ** ((pitches - 69) / 12) * size / SAMPLE_RATE + 0.5
    left = bins.astype(int)
    return left, bins - left, np.minimum(np.diff(bins), _WIDTH_OF_A_TONE)
