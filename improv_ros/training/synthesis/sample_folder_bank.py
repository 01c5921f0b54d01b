# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The bank of a folder of sample files, named like those of the Salamander Grand Piano.

The name of a file gives its note and velocity layer: `A0v1.ogg`, `D#4v16.flac`. A missing note is
transposed from the nearest one.
"""

from functools import lru_cache
from pathlib import Path
import re

import numpy as np

from improv_ros.training.synthesis.bank import (
    LOWEST_PITCH,
    SAMPLE_RATE,
    Bank,
    build_bank,
    sample_seconds,
)
from improv_ros.training.synthesis.synthesis_error import SynthesisError

_NAME = re.compile(r'([A-G])(#?)(\d)v(\d+)\.(?:ogg|flac|wav)')
_STEPS = {'C': 0, 'D': 2, 'E': 4, 'F': 5, 'G': 7, 'A': 9, 'B': 11}
_MAX_TRANSPOSITION = 4  # semitones that a sample is transposed


def find_samples(folder: Path) -> dict[tuple[int, int], Path]:
    """Return the sample files under a folder by (layer, pitch).

    Raises SynthesisError if there is none.
    """
    found = {}
    for path in sorted(folder.rglob('*')):
        name = _NAME.fullmatch(path.name)
        if name:
            step, sharp, octave, layer = name.groups()
            pitch = 12 * (int(octave) + 1) + _STEPS[step] + len(sharp)
            found[int(layer), pitch] = path
    if not found:
        raise SynthesisError(f'the folder {folder} has no sample file with a name like A0v1.ogg')
    return found


def build_sample_bank(folder: Path) -> Bank:
    """Return the bank of a folder; its layers are spaced evenly over the velocities.

    Raises SynthesisError if samples are missing or cannot be read.
    """
    import soundfile
    import soxr

    files = find_samples(folder)
    layers = sorted({layer for layer, _ in files})
    velocities = np.round((np.arange(len(layers)) + 0.5) * 127 / len(layers)).astype(int)

    @lru_cache(maxsize=len(layers))
    def read(path: Path) -> tuple[np.ndarray, int]:
        try:
            sound, rate = soundfile.read(path, dtype='float32', always_2d=True)
        except (OSError, soundfile.LibsndfileError) as error:
            raise SynthesisError(f'{path} cannot be read: {error}') from error
        return sound.mean(axis=1), rate

    def note(key: int, layer: int) -> np.ndarray:
        pitch = key + LOWEST_PITCH
        sampled = [other for number, other in files if number == layers[layer]]
        nearest = min(sampled, key=lambda other: abs(other - pitch))
        if abs(nearest - pitch) > _MAX_TRANSPOSITION:
            raise SynthesisError(
                f'{folder}: layer {layers[layer]} has no sample within '
                f'{_MAX_TRANSPOSITION} semitones of pitch {pitch}'
            )
        sound, rate = read(files[layers[layer], nearest])
        faster = 2 ** ((pitch - nearest) / 12)
        sound = sound[: int((sample_seconds(key) + 1) * faster * rate)]
        return soxr.resample(sound, rate * faster, SAMPLE_RATE)

    return build_bank(note, velocities.tolist())
