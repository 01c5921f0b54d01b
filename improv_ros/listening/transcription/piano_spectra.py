# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Model spectra of the piano keys, from the physics of strings rather than from recordings."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from improv_ros.listening.transcription.estimator import LOWEST_PITCH, PITCHES

_PARTIALS = 30
# Amplitude of partial n: n ** -_SLOPE, times exp(-frequency / _BRIGHTNESS) for the soft felt of
# the hammer, with a high-pass at _SOUNDBOARD, below which the soundboard hardly radiates.
_SLOPE = 1.0
_BRIGHTNESS = 2000.0  # Hz
_SOUNDBOARD = 60.0  # Hz

# Inharmonicity coefficient of a grand piano's strings over MIDI pitch, approximating Fletcher,
# "Normal vibration frequencies of a stiff piano string", JASA 1964.
_INHARMONICITY_PITCHES = (21, 33, 45, 57, 69, 81, 96, 108)
_INHARMONICITY_LOG10 = (-3.5, -3.8, -3.9, -3.6, -3.2, -2.7, -2.2, -1.9)

_NOISE_CENTRES = (100.0, 300.0, 800.0, 2000.0, 4000.0)  # Hz
_NOISE_OCTAVES = 0.6

Spectrum = npt.NDArray[np.floating]


def partials(pitch: int, highest: float) -> list[tuple[float, float]]:
    """Return (frequency in Hz, amplitude) of the partials of a MIDI pitch below `highest` Hz."""
    fundamental = 440 * 2 ** ((pitch - 69) / 12)
    stiffness = 10 ** np.interp(pitch, _INHARMONICITY_PITCHES, _INHARMONICITY_LOG10)
    found = []
    for n in range(1, _PARTIALS + 1):
        frequency = n * fundamental * np.sqrt((1 + stiffness * n * n) / (1 + stiffness))
        amplitude = n**-_SLOPE * np.exp(-frequency / _BRIGHTNESS)
        amplitude /= np.sqrt(1 + (_SOUNDBOARD / frequency) ** 4)
        if frequency < highest:
            found.append((float(frequency), float(amplitude)))
    return found


def key_spectra(tone: Callable[[float], Spectrum], highest: float) -> npt.NDArray[np.float64]:
    """Return the magnitude spectra of the 88 keys, (88, bins).

    tone: returns the magnitude spectrum, (bins,), of a full-scale sine of a frequency in Hz.
    highest: Hz; partials above it are left out.
    """
    return np.array(
        [
            sum(amplitude * tone(frequency) for frequency, amplitude in partials(pitch, highest))
            for pitch in range(LOWEST_PITCH, LOWEST_PITCH + PITCHES)
        ]
    )


def noise_spectra(frequencies: Spectrum) -> npt.NDArray[np.float64]:
    """Return broad Gaussians over the bins at `frequencies` (Hz), (5, bins).

    They take up the noise of hammers and rooms, which else would be split into many keys.
    """
    octaves = np.log2(frequencies / np.array(_NOISE_CENTRES)[:, np.newaxis])
    return np.exp(-0.5 * (octaves / _NOISE_OCTAVES) ** 2)
