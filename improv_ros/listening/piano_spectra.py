"""What each piano key should look like in a spectrum, from physics rather than from recordings."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from improv_ros.listening.estimator import LOWEST_PITCH, PITCHES

_PARTIALS = 30
_SLOPE = 1.0  # partial n of a struck string is about n ** -slope as strong ...
_BRIGHTNESS = 2000.0  # ... and falls by a factor e every so many Hz: soft felt on the hammer
_SOUNDBOARD = 60.0  # Hz below which the soundboard hardly radiates

# Inharmonicity of a grand piano's strings over pitch, about as measured by Fletcher, "Normal
# vibration frequencies of a stiff piano string", JASA 1964: least in the tenor.
_INHARMONICITY_PITCHES = (21, 33, 45, 57, 69, 81, 96, 108)
_INHARMONICITY_LOG10 = (-3.5, -3.8, -3.9, -3.6, -3.2, -2.7, -2.2, -1.9)

_NOISE_CENTRES = (100.0, 300.0, 800.0, 2000.0, 4000.0)  # Hz
_NOISE_OCTAVES = 0.6

Spectrum = npt.NDArray[np.floating]


def partials(pitch: int, highest: float) -> list[tuple[float, float]]:
    """(frequency in Hz, strength) of the partials of a MIDI pitch below `highest` Hz."""
    fundamental = 440 * 2 ** ((pitch - 69) / 12)
    stiffness = 10 ** np.interp(pitch, _INHARMONICITY_PITCHES, _INHARMONICITY_LOG10)
    found = []
    for n in range(1, _PARTIALS + 1):
        frequency = n * fundamental * np.sqrt((1 + stiffness * n * n) / (1 + stiffness))
        strength = n**-_SLOPE * np.exp(-frequency / _BRIGHTNESS)
        strength /= np.sqrt(1 + (_SOUNDBOARD / frequency) ** 4)
        if frequency < highest:
            found.append((float(frequency), float(strength)))
    return found


def key_spectra(tone: Callable[[float], Spectrum], highest: float) -> npt.NDArray[np.float64]:
    """Magnitudes of the 88 keys, shape (88, bins).

    tone: the magnitudes that the analysis at hand shows for a sine of that frequency in Hz.
    """
    return np.array(
        [
            sum(strength * tone(frequency) for frequency, strength in partials(pitch, highest))
            for pitch in range(LOWEST_PITCH, LOWEST_PITCH + PITCHES)
        ]
    )


def noise_spectra(frequencies: Spectrum) -> npt.NDArray[np.float64]:
    """Broad humps over the bins at `frequencies` (Hz), shape (humps, bins): hammers and rooms,
    which would otherwise be taken for many keys at once."""
    octaves = np.log2(frequencies / np.array(_NOISE_CENTRES)[:, np.newaxis])
    return np.exp(-0.5 * (octaves / _NOISE_OCTAVES) ** 2)
