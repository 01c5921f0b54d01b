"""One recording, from its number alone: what is played, on what, where, and how it is heard."""

from collections.abc import Sequence
from dataclasses import dataclass
import io

import numpy as np

from improv_ros.training.dataset import Dataset

from .bank import SAMPLE_RATE, Bank
from .exercises import exercise
from .microphones import Microphone, coloured, draw_microphone, recorded
from .noises import draw_noises, make_noise
from .playing import convolve, draw_touch, play
from .rooms import Room, draw_room, impulse_response
from .score import SLOWEST, Score, make_score, score_of, varied

SECONDS = 60.0

EXERCISES = 0.16
"""Share of recordings of made-up music; of `NEGATIVES` no note is played at all."""
NEGATIVES = 0.04
_NOISELESS = 0.25


@dataclass
class Music:
    """A collection to take windows from: some performances of a dataset, and its terms."""

    dataset: Dataset
    numbers: Sequence[int]
    terms: str

    def window(self, random: np.random.Generator, seconds: float) -> tuple[Score, str]:
        """Return a window of a performance drawn by its length, and where it is from."""
        lengths = np.array(
            [self.dataset.performance(n)[:, 0].sum(dtype=np.int64) / 1000 for n in self.numbers]
        )
        number = int(random.choice(self.numbers, p=lengths / lengths.sum()))
        moves = self.dataset.performance(number)
        total = moves[:, 0].sum(dtype=np.int64) / 1000
        start = random.uniform(-1, max(0, total - 0.6 * seconds))
        return score_of(moves, start, seconds), self.dataset.names[number]


@dataclass
class Recording:
    """60 s as a microphone hears them: int16 at 16 kHz, what was played, and how it was made."""

    sound: np.ndarray
    score: Score
    about: dict[str, object]

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
) -> Recording:
    """Return a recording by chance: one of the pianos, one of the collections, one room.

    nobody_plays: no note at all, but noise and speech.
    """
    score, about = _nothing() if nobody_plays else _music(random, music)
    names = sorted(banks)
    chances = np.array([weights[name] for name in names])
    piano = str(random.choice(names, p=chances / chances.sum()))
    touch = draw_touch(random)
    room = draw_room(random)
    microphone = draw_microphone(random)
    frames = round(SECONDS * SAMPLE_RATE)
    sound = np.zeros(frames, dtype=np.float32)
    if len(score.notes):
        about['piano'] = piano
        sound = _heard(play(score, banks[piano], touch, random, SECONDS), room, microphone, random)
    about['room'] = room.about() if room else None
    noiseless = len(score.notes) and random.random() < _NOISELESS
    if not noiseless:
        noises = draw_noises(random, spoken=nobody_plays)
        noise = make_noise(noises, random, frames)
        if room and random.random() < 0.7:
            noise = _heard(noise, room, microphone, random)
        about['noise'] = noises
        if len(score.notes):
            snr = round(random.uniform(15, 60), 1)
            about['snr'] = snr
            level = _active_rms(sound) / (np.sqrt((noise**2).mean()) + 1e-9)
            noise = noise * np.float32(level * 10 ** (-snr / 20))
        sound = sound + noise
    floor = random.standard_normal(frames, dtype=np.float32)
    level = _active_rms(sound) * 10 ** (random.uniform(-90, -50) / 20)
    sound = sound + np.float32(level) * floor
    about['microphone'] = microphone.about()
    return Recording(recorded(sound, microphone, random), score, about)


def _music(random: np.random.Generator, music: Sequence[Music]) -> tuple[Score, dict[str, object]]:
    chance = random.random()
    if chance < NEGATIVES:
        return _nothing()
    if chance < NEGATIVES + EXERCISES or not music:
        return exercise(random, SECONDS), {'music': 'exercises', 'terms': 'made by the program'}
    collection = music[int(random.integers(len(music)))]
    score, name = collection.window(random, SECONDS * SLOWEST)
    return varied(score, random, SECONDS), {'music': name, 'terms': collection.terms}


def _nothing() -> tuple[Score, dict[str, object]]:
    return make_score([], []), {'music': 'none', 'terms': 'made by the program'}


def _heard(
    sound: np.ndarray, room: Room | None, microphone: Microphone, random: np.random.Generator
) -> np.ndarray:
    response = impulse_response(room, random) if room else np.ones(1, dtype=np.float32)
    return convolve(sound, coloured(response, microphone))[: len(sound)]


def _active_rms(sound: np.ndarray) -> float:
    """Return the RMS of the louder half of a sound's tenths of a second."""
    power = (sound[: len(sound) // 1600 * 1600].reshape(-1, 1600) ** 2).mean(axis=1)
    return float(np.sqrt(np.sort(power)[len(power) // 2 :].mean()) + 1e-9)
