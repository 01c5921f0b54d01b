"""What the network sees of the sound: spectra over a piano's scale, seen through three windows.

Every hop, the last 48, 128, 256 and 512 ms are each split into bands of a third of a semitone.
The short windows are quick to show an attack, the long ones tell low keys apart. Each window
rises slowly and falls fast, so that the newest sound weighs early.
"""

import numpy as np
import numpy.typing as npt

from .estimator import LOWEST_PITCH

SAMPLE_RATE = 16000  # Hz
HOP = 160  # samples; 10 ms
WINDOWS = (768, 2048, 4096, 8192)  # samples
BANDS_A_SEMITONE = 3
SEMITONES = 98  # from the lowest key on; what lies above the highest key holds its overtones
BANDS = SEMITONES * BANDS_A_SEMITONE

_FALLING = 256  # samples over which each window falls
_SHORTEST_TRANSFORM = 1024
_WIDTH_OF_A_TONE = 1.5  # bins of the transform over which a steady tone spreads
_FLOOR = 1e-10  # power; below 16 bits
_BLOCK = 16  # hops analysed at once; as many as the processor's cache holds

_Floats = npt.NDArray[np.float32]


class FrontEnd:
    """Spectra of a stream, hop by hop. A band reads about 1 for a full-scale tone and falls by
    0.2 for every 10 dB less, to -1."""

    def __init__(self) -> None:
        self._windows = [_window(length) for length in WINDOWS]
        self._sizes = [max(length, _SHORTEST_TRANSFORM) for length in WINDOWS]
        self._edges = [_edges(size) for size in self._sizes]
        self.reset()

    def reset(self) -> None:
        """Begin a new stream, before which all was silent."""
        self._heard: _Floats = np.zeros(max(WINDOWS), np.float32)

    def step(self, samples: _Floats) -> _Floats:
        """Return the spectra, (BANDS, windows), after `HOP` more samples in [-1, 1)."""
        self._heard = np.concatenate((self._heard[HOP:], samples))
        spectra: _Floats = self._analyse(self._heard[np.newaxis])[0]
        return spectra

    def analyse(self, samples: _Floats) -> _Floats:
        """Return `step` of each whole hop of a new stream, (hops, BANDS, windows)."""
        hops = len(samples) // HOP
        if not hops:
            return np.zeros((0, BANDS, len(WINDOWS)), np.float32)
        past = np.zeros(max(WINDOWS) - HOP, np.float32)
        heard = np.lib.stride_tricks.sliding_window_view(
            np.concatenate((past, samples[: hops * HOP]), dtype=np.float32), max(WINDOWS)
        )[::HOP]
        blocks = [self._analyse(heard[i : i + _BLOCK]) for i in range(0, hops, _BLOCK)]
        return np.concatenate(blocks)

    def _analyse(self, heard: _Floats) -> _Floats:
        spectra = np.empty((len(heard), BANDS, len(WINDOWS)), np.float32)
        for number, (window, size) in enumerate(zip(self._windows, self._sizes, strict=True)):
            part = np.fft.rfft(heard[:, -len(window) :] * window, size)
            power = np.empty((len(heard), size // 2 + 2))
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
    """Return the power that spectra tell of: 1 for a full-scale tone."""
    power: npt.NDArray[np.floating] = 10 ** ((spectra - 1) * 5)
    return power


def _window(length: int) -> _Floats:
    """A window that rises and falls as sin², of which a sine shows its squared amplitude."""
    rising = length - _FALLING
    window = np.concatenate(
        (np.hanning(2 * rising + 1)[:rising], np.hanning(2 * _FALLING + 1)[_FALLING:-1])
    )
    return (window * 2 / window.sum()).astype(np.float32)


def _edges(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the bands' edges lie in a transform's running sum of power.

    Returns, for each of BANDS + 1 edges, the bin it falls into and how far, and for each band
    the bins that a tone in it would fill.
    """
    bands = np.arange(BANDS + 1) - 1 - 0.5
    pitches = LOWEST_PITCH + bands / BANDS_A_SEMITONE
    bins = 440 * 2 ** ((pitches - 69) / 12) * size / SAMPLE_RATE + 0.5
    left = bins.astype(int)
    return left, bins - left, np.minimum(np.diff(bins), _WIDTH_OF_A_TONE)
