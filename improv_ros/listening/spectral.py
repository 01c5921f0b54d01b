"""Hearing piano notes without learning: the spectrum as a sum of the spectra of the 88 keys.

Every hop, two spectra are split into non-negative parts of fixed key spectra: the sound itself
(which keys sound?) and what has been added to it in the last 60 ms (which keys were struck?).
The splitting is a few multiplicative updates of a sparse Kullback-Leibler NMF, begun where the
last hop left off; see Lee and Seung, "Algorithms for non-negative matrix factorization", NIPS
2001, and for its use on live piano Dessein, Cont and Lemaitre, "Real-time polyphonic music
transcription with non-negative matrix factorization and beta-divergence", ISMIR 2010.
"""

from collections import deque
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from improv_ros.listening import piano_spectra
from improv_ros.listening.estimator import LOWEST_PITCH, PITCHES, Estimate, Estimator, PerPitch

_WINDOW = 2048  # samples; 128 ms
_RISING = 0.75  # of the window: the newest sound weighs early, which saves latency
_LOWEST, _HIGHEST = 25.0, 5000.0  # Hz
_COMPRESSION = 0.6  # exponent on magnitudes, so that weak partials count too

_RISE_HOPS = 6
_KEPT = 0.9  # of the older spectrum is taken to sound still: strings fade
_UPDATES = 10
_SPARSITY = 4.0
_TINY = 1e-7
_LEAST_ACTIVATION = 1e-5  # from zero no multiplication leads back

_LOUDEST_DECAY = 0.999  # a hop: the loudest recent note is forgotten by half in 7 s
_LOUDEST_FLOOR = 6e-3  # amplitude; in a quiet room nothing is taken for a loud note

# Square roots of amplitude, relative to the loudest recent note, that are believed by half.
_ONSET_HALF = 0.3
_FRAME_HALF = 0.8

# Short bass strings radiate little of what the templates expect, and the treble fades within the
# window; dB over pitch that make equal touch read as equal velocity on a sampled piano.
_EVEN_PITCHES = (21, 36, 48, 88, 108)
_EVEN_DECIBELS = (25, 9, 0, 0, 8)

_LOUDEST_VELOCITY_LEVEL = -25.5  # dB of an attack at velocity 127 on that piano
_DECIBELS_A_DECADE = 40  # of velocity, as General MIDI recommends

_Floats = npt.NDArray[np.float32]


class SpectralEstimator(Estimator):
    """An Estimator without a network. Belief grows with amplitude: relative to the loudest
    recent note, so a quiet microphone hears as well as a loud one.

    gain: dB to add to the sound before velocities are read from it; may be changed at any time.
    """

    sample_rate = 16000
    hop = 160
    latency_hops = 8
    decoding: Mapping[str, float] = {'lookahead': 2, 'frame_share': 0.0}

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
        """Forget all that was heard."""
        self._samples: _Floats = np.zeros(_WINDOW, np.float32)
        silence: _Floats = np.zeros(self._spectra.shape[1], np.float32)
        self._earlier = deque([silence] * _RISE_HOPS, _RISE_HOPS)
        self._activations: _Floats = np.full((2, len(self._spectra)), 1e-3, np.float32)
        self._loudest = _LOUDEST_FLOOR

    def step(self, samples: PerPitch) -> Estimate:
        """Hear `hop` more samples. See Estimator."""
        self._samples = np.concatenate((self._samples[self.hop :], samples))
        sound: _Floats = self._analyse(self._samples) ** np.float32(_COMPRESSION)
        added = np.maximum(sound - np.float32(_KEPT) * self._earlier[0], 0)
        self._earlier.append(sound)

        sounding, struck = self._split(np.stack((sound, added)))
        self._loudest = max(self._loudest * _LOUDEST_DECAY, float(struck.max()), _LOUDEST_FLOOR)
        level = 20 * np.log10(np.maximum(struck, _TINY)) + self.gain - self._loudest_level
        return Estimate(
            onset=_belief(struck / self._loudest, _ONSET_HALF),
            frame=_belief(sounding / self._loudest, _FRAME_HALF),
            velocity=np.minimum(10 ** (level / _DECIBELS_A_DECADE), 1),
        )

    def _analyse(self, samples: npt.NDArray[np.floating]) -> _Floats:
        return np.abs(np.fft.rfft(samples * self._window))[self._bins].astype(np.float32)

    def _tone(self, frequency: float) -> _Floats:
        phase = 2 * np.pi * frequency / self.sample_rate * np.arange(_WINDOW)
        return self._analyse(np.cos(phase))

    def _split(self, spectra: _Floats) -> _Floats:
        """The amplitude of each key in each of two compressed spectra, shape (2, 88)."""
        activations = np.maximum(self._activations, _LEAST_ACTIVATION)
        target = spectra + np.float32(_TINY)
        for _ in range(_UPDATES):
            ratio = target / (activations @ self._spectra + np.float32(_TINY))
            activations *= (ratio @ self._by_bin) / self._weight
        self._activations = activations
        keys: _Floats = activations[:, :PITCHES] ** np.float32(1 / _COMPRESSION)
        return keys


def _belief(amplitude: PerPitch, half: float) -> PerPitch:
    loudness: PerPitch = np.sqrt(amplitude)
    belief: PerPitch = loudness / (loudness + np.float32(half))
    return belief
