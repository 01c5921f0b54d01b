# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Speech noise: espeak-ng speaks random words in several languages."""

from math import gcd
import shutil
import subprocess
import tempfile

import numpy as np
from scipy import signal
import soundfile

from improv_ros.training.synthesis.bank import SAMPLE_RATE
from improv_ros.training.synthesis.synthesis_error import SynthesisError

LANGUAGES = ('es', 'it', 'pt', 'nl', 'pl', 'sv', 'fi', 'cs', 'hu', 'tr', 'el', 'ro', 'id', 'sw')
VARIANTS = ('', *(f'+m{n}' for n in range(1, 8)), *(f'+f{n}' for n in range(1, 6)), '+croak')
_CONSONANTS = ('', *'bdfghklmnprstvz', 'st', 'tr', 'pl', 'kr')
_ENDINGS = ('', '', '', *'nrslm')
_TIMEOUT = 600  # seconds for a sentence: at idle priority on a busy machine it takes minutes


def make_speech(random: np.random.Generator, frames: int) -> np.ndarray:
    """Return sentences of random voices with pauses between them, float32.

    Raises SynthesisError if espeak-ng is not installed or fails.
    """
    sound = np.zeros(frames, dtype=np.float32)
    pause = random.uniform(0.2, 3)
    at = int(random.uniform(0, pause) * SAMPLE_RATE)
    while at < frames:
        said = _say(random)[: frames - at]
        sound[at : at + len(said)] += said * np.float32(10 ** (random.uniform(-12, 0) / 20))
        at += len(said) + int(random.exponential(pause) * SAMPLE_RATE)
    return sound


def _say(random: np.random.Generator) -> np.ndarray:
    voice = str(random.choice(LANGUAGES)) + str(random.choice(VARIANTS))
    command = ['espeak-ng', '-v', voice, '-s', str(random.integers(100, 230))]
    command += ['-p', str(random.integers(5, 95)), '--']
    if not shutil.which(command[0]):
        raise SynthesisError('speech needs espeak-ng: install the Debian package of that name')
    with tempfile.NamedTemporaryFile(suffix='.wav') as file:
        command[1:1] = ['-w', file.name]
        try:
            subprocess.run(
                [*command, _sentence(random)], check=True, capture_output=True, timeout=_TIMEOUT
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise SynthesisError(f'espeak-ng failed with the voice {voice}: {error}') from error
        sound, rate = soundfile.read(file.name, dtype='float32')
    divisor = gcd(SAMPLE_RATE, rate)
    said = signal.resample_poly(sound, SAMPLE_RATE // divisor, rate // divisor)
    return (said / (np.abs(said).max() + 1e-9)).astype(np.float32)


def _sentence(random: np.random.Generator) -> str:
    words = [
        ''.join(
            str(random.choice(_CONSONANTS))
            + str(random.choice(list('aeiou')))
            + str(random.choice(_ENDINGS))
            for _ in range(random.integers(1, 5))
        )
        for _ in range(random.integers(3, 16))
    ]
    return ' '.join(words) + str(random.choice(['.', '?', '!']))
