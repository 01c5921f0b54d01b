"""How hard keys are struck, told from how loud they sound.

How much a microphone amplifies is not known. So a note is compared with those before it, whose
mean counts as `MIDDLE`: whoever plays louder than before is heard louder, for as long as some
hundred notes last.
"""

from collections import deque

import numpy as np
import numpy.typing as npt

from .estimator import LOWEST_PITCH, PITCHES, PerPitch
from .front_end import BANDS, BANDS_A_SEMITONE, power_of

MIDDLE = 64  # MIDI velocity
REMEMBERED = 300  # notes

WEIGHTS = (0.756, 0.87, 16.2, 8.04, 1.26)
"""MIDI velocities for one of each of `evidence`, fitted on recordings that are made up
(`python benchmark/touch.py`)."""

_PARTIALS = (0, 12, 19, 24, 28, 31)  # semitones
_FLOOR = 1e-10  # power; below 16 bits
_SURE = 0.3  # belief in an onset from which its loudness is remembered
_ABOVE = (LOWEST_PITCH + np.arange(PITCHES) - 60) / 20


def _sums() -> npt.NDArray[np.float32]:
    """Return what adds up the bands of each key's partials, and all bands, (BANDS, 89)."""
    sums = np.zeros((BANDS, PITCHES + 1), np.float32)
    for key in range(PITCHES):
        for partial in _PARTIALS:
            first = (key + partial) * BANDS_A_SEMITONE
            sums[first : first + BANDS_A_SEMITONE, key] = 1
    sums[:, PITCHES] = 1
    return sums


_SUMS = _sums()


class Touch:
    """Tells at each hop how hard each key would have been struck if its note began then.

    hops: how many of the latest may hold the note's beginning: the loudest one counts.
    """

    def __init__(self, hops: int) -> None:
        self._hops = hops
        self.reset()

    def reset(self) -> None:
        """Forget how loud the notes were."""
        self._powers: deque[npt.NDArray[np.floating]] = deque(maxlen=self._hops)
        self._mean, self._count = 0.0, 0.0

    def step(self, spectra: PerPitch, onset: PerPitch, believed: PerPitch) -> PerPitch:
        """Return MIDI velocity / 127 of each key, from 0 to 1.

        spectra: of the latest hop, (BANDS, windows). onset, believed: how sure it is that a note
        begins, and what the network takes its velocity / 127 for, (88,) each.
        """
        self._powers.append(powers(spectra))
        touch = np.tensordot(WEIGHTS, evidence(np.max(self._powers, axis=0), believed), 1)
        weight = np.where(onset > _SURE, onset, 0)
        if weight.any():
            self._count = min(self._count + float(weight.sum()), REMEMBERED)
            self._mean += float(weight @ (touch - self._mean)) / self._count
        velocity = np.clip(MIDDLE + touch - self._mean, 1, 127)
        return (velocity / 127).astype(np.float32)


def powers(spectra: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the power of each key's partials and, last, of all that sounds, (..., 89).

    spectra: as of `FrontEnd`, (..., BANDS, windows), of which the shortest window is looked at.
    """
    return power_of(spectra[..., 0]) @ _SUMS


def evidence(
    power: npt.NDArray[np.floating], believed: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """Return what tells how hard each key was struck, (5, 88).

    Its partials and all that sounds in dB, the belief in nats, and of high keys, which sound
    softer, how high they are: 20 semitones above middle C are 1, and the square of that.
    """
    believed = np.clip(believed, 0.01, 0.99)
    nats = np.log(believed / (1 - believed))
    decibels = 10 * np.log10(power + _FLOOR)
    total = np.full(PITCHES, decibels[PITCHES])
    return np.stack([decibels[:PITCHES], total, nats, _ABOVE, _ABOVE**2])
