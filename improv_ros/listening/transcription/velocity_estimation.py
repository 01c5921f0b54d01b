# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Estimates MIDI velocities from the loudness of notes.

The gain of the microphone is unknown. So the loudness of a note is compared with the mean of the
last notes (up to `MEAN_NOTES`), which is mapped to the velocity `MIDDLE`. Where the piano, the
room and the gain were calibrated, a `VelocityScale` maps loudness to velocity instead.
"""

from collections import deque

import numpy as np
import numpy.typing as npt

from improv_ros.listening.transcription.estimator import LOWEST_PITCH, PITCHES, PerKey
from improv_ros.listening.transcription.spectra import (
    BANDS,
    BANDS_A_SEMITONE,
    Spectra,
    power_of,
)
from improv_ros.listening.transcription.velocity_scale import VelocityScale

MIDDLE = 64  # MIDI velocity
MEAN_NOTES = 300

WEIGHTS = (0.756, 0.87, 16.2, 8.04, 1.26)
"""MIDI velocities for one unit of each of `features`.

Fitted by linear regression on synthetic recordings, by `improv bench velocity`.
"""

_PARTIALS = (0, 12, 19, 24, 28, 31)  # semitones above the fundamental
_FLOOR = 1e-10  # power; below the noise of 16 bits
_MIN_ONSET = 0.3  # onset posterior from which a note counts in the mean
_ABOVE_MIDDLE_C = (LOWEST_PITCH + np.arange(PITCHES) - 60) / 20


def _sums() -> npt.NDArray[np.float32]:
    """Return the matrix that sums the bands of each key's partials, and all bands, (BANDS, 89)."""
    sums = np.zeros((BANDS, PITCHES + 1), np.float32)
    for key in range(PITCHES):
        for partial in _PARTIALS:
            first = (key + partial) * BANDS_A_SEMITONE
            sums[first : first + BANDS_A_SEMITONE, key] = 1
    sums[:, PITCHES] = 1
    return sums


_SUMS = _sums()


class VelocityEstimator:
    """Estimates at each hop the velocity of each key, as if its note began there.

    hops: the number of recent hops in which the attack may be; the loudest one counts.
    scale: that of a calibrated room; it may be changed between two steps.
    """

    def __init__(self, hops: int, scale: VelocityScale | None = None) -> None:
        self.hops = hops
        self.scale = scale
        self.reset()

    def reset(self) -> None:
        """Forget the mean loudness of the notes."""
        self._powers: deque[npt.NDArray[np.floating]] = deque(maxlen=self.hops)
        self._mean, self._count = 0.0, 0.0

    def step(self, spectra: Spectra, onset: PerKey, network_velocity: PerKey) -> PerKey:
        """Return MIDI velocity / 127 of each key, 0 to 1, shape (88,).

        spectra: of the latest hop, (BANDS, windows). onset: the network's onset posterior.
        network_velocity: the network's velocity output, 0 to 1.
        """
        return self.step_powers(powers(spectra), onset, network_velocity)

    def step_powers(
        self, power: npt.NDArray[np.floating], onset: PerKey, network_velocity: PerKey
    ) -> PerKey:
        """Like `step`, of a hop whose `powers` are known."""
        self._powers.append(power)
        found = features(np.max(self._powers, axis=0), network_velocity)
        if self.scale:
            return (self.scale(found) / 127).astype(np.float32)
        return self._relative(found, onset)

    def _relative(self, found: npt.NDArray[np.floating], onset: PerKey) -> PerKey:
        loudness = np.dot(WEIGHTS, found)
        weight = np.where(onset > _MIN_ONSET, onset, 0)
        if weight.any():
            self._count = min(self._count + float(weight.sum()), MEAN_NOTES)
            self._mean += float(weight @ (loudness - self._mean)) / self._count
        velocity = np.clip(MIDDLE + loudness - self._mean, 1, 127)
        return (velocity / 127).astype(np.float32)


def powers(spectra: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the power of each key's partials and, last, the total power, (..., 89).

    spectra: of `FrontEnd`, (..., BANDS, windows); only the shortest window is used.
    """
    return power_of(spectra[..., 0]) @ _SUMS


def features(
    power: npt.NDArray[np.floating], network_velocity: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """Return the features of the linear regression, (5, 88).

    They are the level of the key's partials (dB), the total level (dB), the logit of the
    network's velocity (nats), and the height of the key above middle C, in units of 20 semitones,
    and its square (high keys sound softer).

    power: as returned by `powers`, (89,). network_velocity: 0 to 1, (88,).
    """
    probability = np.clip(network_velocity, 0.01, 0.99)
    logits = np.log(probability / (1 - probability))
    decibels = 10 * np.log10(power + _FLOOR)
    total = np.full(PITCHES, decibels[PITCHES])
    return np.stack([decibels[:PITCHES], total, logits, _ABOVE_MIDDLE_C, _ABOVE_MIDDLE_C**2])
