# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""An estimator without a network: non-negative matrix factorisation with fixed key spectra.

Every hop, two spectra are decomposed into non-negative parts of the spectra of the 88 keys: the
spectrum of the sound (which keys sound?) and its increase over the last 60 ms (which keys were
struck?). The decomposition takes a few multiplicative updates of a sparse Kullback-Leibler NMF,
starting from the result of the last hop. See Lee and Seung, "Algorithms for non-negative matrix
factorization", NIPS 2001, and Dessein, Cont and Lemaitre, "Real-time polyphonic music
transcription with non-negative matrix factorization and beta-divergence", ISMIR 2010.

The constants were tuned by hand on recordings of a sampled piano.
"""

from collections import deque
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from improv_ros.listening.transcription import piano_spectra
from improv_ros.listening.transcription.estimator import (
    LOWEST_PITCH,
    PITCHES,
    Estimate,
    Estimator,
    PerKey,
    Samples,
)

_WINDOW = 2048  # samples; 128 ms
_RISING = 0.75  # of the window: the newest sound has weight early, which saves latency
_LOWEST, _HIGHEST = 25.0, 5000.0  # Hz
_COMPRESSION = 0.6  # exponent of magnitudes, so that weak partials count too

_RISE_HOPS = 6  # 60 ms
_KEPT = 0.9  # of the older spectrum is expected to sound still, as strings decay
_UPDATES = 10  # multiplicative updates per hop
_SPARSITY = 4.0  # weight of the L1 penalty on activations
_TINY = 1e-7
_LEAST_ACTIVATION = 1e-5  # multiplicative updates cannot raise a zero

_LOUDEST_DECAY = 0.999  # per hop: half in 7 s
_LOUDEST_FLOOR = 6e-3  # amplitude; below the noise of a quiet room counts as no note

# Square root of the amplitude, relative to the loudest recent note, for a posterior of 0.5.
_ONSET_HALF = 0.3
_FRAME_HALF = 0.8

# Correction of the level in dB over MIDI pitch, so that equal velocities of a sampled piano read
# as equal: short bass strings radiate less than the model spectra, and the treble decays within
# the window.
_EVEN_PITCHES = (21, 36, 48, 88, 108)
_EVEN_DECIBELS = (25, 9, 0, 0, 8)

_LOUDEST_VELOCITY_LEVEL = -25.5  # dBFS of an attack at velocity 127 of that piano
_DECIBELS_A_DECADE = 40  # per factor 10 of velocity, as General MIDI Level 1 recommends

_Array = npt.NDArray[np.float32]


class SpectralEstimator(Estimator):
    """An Estimator without a network.

    Posteriors grow with the amplitude relative to the loudest recent note, so the gain of the
    microphone does not matter.

    gain: dB added to the sound before velocities are read from it; may be changed at any time.
    """

    sample_rate = 16000
    hop = 160
    latency_hops = 8
    decoding: Mapping[str, float] = {'lookahead': 2, 'frame_weight': 0.0}

    def __init__(self, gain: float = 0.0) -> None:
        self.gain = gain
        frequencies = np.fft.rfftfreq(_WINDOW, 1 / self.sample_rate)
        first, last = np.searchsorted(frequencies, (_LOWEST, _HIGHEST))
        self._bins = slice(int(first), int(last))
        rising = round(_WINDOW * _RISING)
        falling = _WINDOW - rising
        window = np.concatenate(
            (np.hanning(2 * rising + 1)[:rising], np.hanning(2 * falling + 1)[falling:-1])
        )
        # Scaled so that a sine shows its amplitude.
        self._window = (window * 2 / window.sum()).astype(np.float32)
        spectra = np.concatenate(
            (
                piano_spectra.key_spectra(self._tone, _HIGHEST),
                piano_spectra.noise_spectra(frequencies[self._bins]),
            )
        )
        spectra **= _COMPRESSION
        spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
        self._spectra = spectra.astype(np.float32)
        self._by_bin = np.ascontiguousarray(self._spectra.T)
        self._weight = self._spectra.sum(axis=1) + np.float32(_SPARSITY)
        pitches = np.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES)
        even = np.interp(pitches, _EVEN_PITCHES, _EVEN_DECIBELS)
        self._loudest_level = (_LOUDEST_VELOCITY_LEVEL - even).astype(np.float32)
        self.reset()

    def reset(self) -> None:
        """Return to the initial state."""
        self._samples: _Array = np.zeros(_WINDOW, np.float32)
        silence: _Array = np.zeros(self._spectra.shape[1], np.float32)
        self._earlier = deque([silence] * _RISE_HOPS, _RISE_HOPS)
        self._activations: _Array = np.full((2, len(self._spectra)), 1e-3, np.float32)
        self._loudest = _LOUDEST_FLOOR

    def step(self, samples: Samples) -> Estimate:
        """Process the next hop. See Estimator."""
        self._samples = np.concatenate((self._samples[self.hop :], samples))
        sound: _Array = self._analyse(self._samples) ** np.float32(_COMPRESSION)
        added = np.maximum(sound - np.float32(_KEPT) * self._earlier[0], 0)
        self._earlier.append(sound)

        sounding, struck = self._split(np.stack((sound, added)))
        self._loudest = max(self._loudest * _LOUDEST_DECAY, float(struck.max()), _LOUDEST_FLOOR)
        level = 20 * np.log10(np.maximum(struck, _TINY)) + self.gain - self._loudest_level
        return Estimate(
            onset=_posterior(struck / self._loudest, _ONSET_HALF),
            frame=_posterior(sounding / self._loudest, _FRAME_HALF),
            velocity=np.minimum(10 ** (level / _DECIBELS_A_DECADE), 1),
        )

    def _analyse(self, samples: npt.NDArray[np.floating]) -> _Array:
        return np.abs(np.fft.rfft(samples * self._window))[self._bins].astype(np.float32)

    def _tone(self, frequency: float) -> _Array:
        phase = 2 * np.pi * frequency / self.sample_rate * np.arange(_WINDOW)
        return self._analyse(np.cos(phase))

    def _split(self, spectra: _Array) -> _Array:
        """Return the amplitudes of the keys in two compressed spectra, (2, 88)."""
        activations = np.maximum(self._activations, _LEAST_ACTIVATION)
        target = spectra + np.float32(_TINY)
        for _ in range(_UPDATES):
            ratio = target / (activations @ self._spectra + np.float32(_TINY))
            activations *= (ratio @ self._by_bin) / self._weight
        self._activations = activations
        keys: _Array = activations[:, :PITCHES] ** np.float32(1 / _COMPRESSION)
        return keys


def _posterior(amplitude: PerKey, half: float) -> PerKey:
    root: PerKey = np.sqrt(amplitude)
    posterior: PerKey = root / (root + np.float32(half))
    return posterior
