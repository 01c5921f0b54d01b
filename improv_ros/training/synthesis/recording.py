# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""One recording: a score, rendered on a piano, in a room, with noise, through a microphone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
import io
from typing import Any

import numpy as np

from improv_ros.training.improviser.dataset import Dataset
from improv_ros.training.synthesis.bank import SAMPLE_RATE, Bank
from improv_ros.training.synthesis.exercises import exercise
from improv_ros.training.synthesis.measured import Measured, measured_response
from improv_ros.training.synthesis.microphones import (
    Microphone,
    draw_microphone,
    filtered,
    record,
)
from improv_ros.training.synthesis.noises import draw_noises, make_noise
from improv_ros.training.synthesis.rooms import draw_room, impulse_response
from improv_ros.training.synthesis.score import SLOWEST, Score, augmented, make_score, score_of
from improv_ros.training.synthesis.score_rendering import convolve, draw_regulation, render

SECONDS = 60.0

EXERCISES = 0.22
"""Fraction of the recordings that contain exercises instead of a piece."""
NEGATIVES = 0.04
"""Fraction of the recordings without any note."""
_NOISELESS = 0.25
_MEASURED_ROOM = 0.35


@dataclass
class Music:
    """A collection of pieces: some performances of a data set, and their licence terms."""

    dataset: Dataset
    numbers: Sequence[int]
    terms: str

    def window(self, random: np.random.Generator, seconds: float) -> tuple[Score, str]:
        """Return a random window of a performance, and the name of the performance."""
        lengths = np.array(
            [self.dataset.performance(n)[:, 0].sum(dtype=np.int64) / 1000 for n in self.numbers]
        )
        number = int(random.choice(self.numbers, p=lengths / lengths.sum()))
        performance = self.dataset.performance(number)
        total = performance[:, 0].sum(dtype=np.int64) / 1000
        start = random.uniform(-1, max(0, total - 0.6 * seconds))
        return score_of(performance, start, seconds), self.dataset.names[number]


@dataclass
class Recording:
    """A recording of 60 s: int16 at 16 kHz, its score, and the parameters of its synthesis."""

    sound: np.ndarray
    score: Score
    description: dict[str, object]

    def wav(self) -> bytes:
        """Return the sound as a WAV file."""
        import soundfile

        file = io.BytesIO()
        soundfile.write(file, self.sound, SAMPLE_RATE, 'PCM_16', format='WAV')
        return file.getvalue()


def make_recording(
    random: np.random.Generator,
    banks: dict[str, Bank],
    weights: dict[str, float],
    music: Sequence[Music],
    nobody_plays: bool = False,
    measured: Measured | None = None,
) -> Recording:
    """Return a random recording with one of the pianos and one of the collections.

    banks, weights: bank and relative probability of each piano; nobody_plays: noise and speech
    without any note; measured: measured rooms and recorded noise to use beside the computed ones.
    """
    score, description = _no_notes() if nobody_plays else _music(random, music)
    names = sorted(banks)
    chances = np.array([weights[name] for name in names])
    piano = str(random.choice(names, p=chances / chances.sum()))
    regulation = draw_regulation(random)
    measured = measured or Measured()
    place = _draw_place(random, measured)
    microphone = draw_microphone(random)
    frames = round(SECONDS * SAMPLE_RATE)
    sound = np.zeros(frames, dtype=np.float32)
    if len(score.notes):
        description['piano'] = piano
        sound = _in_place(
            render(score, banks[piano], regulation, random, SECONDS), place, microphone, random
        )
    description['room'] = place.description
    noiseless = len(score.notes) and random.random() < _NOISELESS
    if not noiseless:
        noises = draw_noises(random, nobody_plays, measured.noises)
        noise = make_noise(noises, random, frames, measured.noises)
        if place.description and random.random() < 0.7:
            noise = _in_place(noise, place, microphone, random)
        description['noise'] = noises
        if len(score.notes):
            snr = round(random.uniform(12, 50), 1)
            description['snr'] = snr
            level = _active_rms(sound) / (np.sqrt((noise**2).mean()) + 1e-9)
            noise = noise * np.float32(level * 10 ** (-snr / 20))
        sound = sound + noise
    floor = random.standard_normal(frames, dtype=np.float32)
    level = _active_rms(sound) * 10 ** (random.uniform(-90, -50) / 20)
    sound = sound + np.float32(level) * floor
    description['microphone'] = microphone.describe()
    return Recording(record(sound, microphone, random), score, description)


def _music(random: np.random.Generator, music: Sequence[Music]) -> tuple[Score, dict[str, object]]:
    chance = random.random()
    if chance < NEGATIVES:
        return _no_notes()
    if chance < NEGATIVES + EXERCISES or not music:
        return exercise(random, SECONDS), {'music': 'exercises', 'terms': 'made by the program'}
    collection = music[int(random.integers(len(music)))]
    score, name = collection.window(random, SECONDS * SLOWEST)
    return augmented(score, random, SECONDS), {'music': name, 'terms': collection.terms}


def _no_notes() -> tuple[Score, dict[str, object]]:
    return make_score([], []), {'music': 'none', 'terms': 'made by the program'}


@dataclass
class _Place:
    """A place of a recording: the function that makes its impulse response, and a description."""

    response: Callable[[np.random.Generator], np.ndarray]
    description: dict[str, Any] | None


def _draw_place(random: np.random.Generator, measured: Measured) -> _Place:
    """Return a measured room, a computed room, or no room."""
    if measured.rooms and random.random() < _MEASURED_ROOM:
        name = str(random.choice(sorted(measured.rooms)))
        return _Place(partial(measured_response, measured.rooms[name]), {'measured': name})
    room = draw_room(random)
    if not room:
        return _Place(lambda _: np.ones(1, dtype=np.float32), None)
    return _Place(partial(impulse_response, room), room.describe())


def _in_place(
    sound: np.ndarray, place: _Place, microphone: Microphone, random: np.random.Generator
) -> np.ndarray:
    return convolve(sound, filtered(place.response(random), microphone))[: len(sound)]


def _active_rms(sound: np.ndarray) -> float:
    """Return the RMS of the louder half of the 100 ms blocks of a sound."""
    power = (sound[: len(sound) // 1600 * 1600].reshape(-1, 1600) ** 2).mean(axis=1)
    return float(np.sqrt(np.sort(power)[len(power) // 2 :].mean()) + 1e-9)
