# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Measured rooms and recorded noise, to use beside computed ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from improv_ros.training.synthesis.bank import SAMPLE_RATE
from improv_ros.training.synthesis.synthesis_error import SynthesisError

MAX_RESPONSE = 3.0  # seconds; longer responses are of rooms in which no piano stands

_DIRECT = int(0.0025 * SAMPLE_RATE)  # samples of the direct sound
_SUFFIXES = ('.flac', '.wav')


@dataclass(frozen=True)
class Measured:
    """Files by name: impulse responses of rooms, and recordings in which nobody plays.

    All are mono at 16 kHz; a response begins with the direct sound.
    """

    rooms: Mapping[str, Path] = field(default_factory=dict)
    noises: Mapping[str, Path] = field(default_factory=dict)


def find_measured(rooms: Path | None, noises: list[Path]) -> Measured:
    """Return the responses under a folder, up to 3 s long, and the recordings under others.

    Raises SynthesisError for a folder without FLAC and WAV files, and for a file that is not mono
    at 16 kHz.
    """
    found = _files([rooms] if rooms else [])
    short = {
        name: path for name, path in found.items() if soundfile.info(path).duration <= MAX_RESPONSE
    }
    return Measured(short, _files(noises))


def _files(folders: list[Path]) -> dict[str, Path]:
    found = {}
    for folder in folders:
        paths = sorted(path for path in folder.rglob('*') if path.suffix in _SUFFIXES)
        if not paths:
            raise SynthesisError(f'{folder} holds no {" or ".join(_SUFFIXES)} file')
        for path in paths:
            info = soundfile.info(path)
            if (info.samplerate, info.channels) != (SAMPLE_RATE, 1):
                raise SynthesisError(f'{path} is not mono at {SAMPLE_RATE} Hz')
            found[path.stem] = path
    return found


def measured_response(path: Path, random: np.random.Generator) -> np.ndarray:
    """Return a measured response, float32, whose direct sound has the energy 1.

    A random gain of -8 to 3 dB, and in half of the cases a random decay, vary what follows the
    direct sound.
    """
    response = _read(path).copy()
    begin = int(np.abs(response[:_DIRECT]).argmax())
    tail = response[begin + _DIRECT :]
    tail *= np.float32(10 ** (random.uniform(-8, 3) / 20))
    if random.random() < 0.5:
        since = np.arange(len(tail), dtype=np.float32) / SAMPLE_RATE
        tail *= np.exp(since / np.float32(-random.uniform(0.1, 1)))
    direct = response[: begin + _DIRECT]
    return response / np.float32(np.sqrt((direct**2).sum()) + 1e-9)


def recorded_noise(path: Path, random: np.random.Generator, frames: int) -> np.ndarray:
    """Return `frames` samples of a recording from a random place; a shorter one is repeated."""
    sound = _read(path)
    return np.resize(np.roll(sound, -int(random.integers(len(sound)))), frames)


@lru_cache(maxsize=64)
def _read(path: Path) -> np.ndarray:
    sound: np.ndarray = soundfile.read(path, dtype='float32')[0]
    return sound
