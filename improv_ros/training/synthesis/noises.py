# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Background noise: hum, hiss, voices, applause, steps, knocks, motors, fans and speech."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from scipy import fft, signal

from improv_ros.training.synthesis.bank import SAMPLE_RATE
from improv_ros.training.synthesis.measured import recorded_noise
from improv_ros.training.synthesis.speech import make_speech

_Noise = Callable[[np.random.Generator, int], np.ndarray]
_VOWELS = np.array(
    [[730, 1090, 2440], [270, 2290, 3010], [300, 870, 2240], [530, 1840, 2480], [570, 840, 2410]]
)


def draw_noises(
    random: np.random.Generator,
    spoken: bool = False,
    recorded: Mapping[str, Path] = MappingProxyType({}),
) -> list[str]:
    """Return the names of one to three random kinds of noise; spoken: mostly speech.

    recorded: recordings by name; one of them replaces the kinds with a probability of 0.5.
    """
    names = [name for name in NOISES if name != 'speech']
    if recorded and random.random() < 0.5:
        return [str(random.choice(sorted(recorded)))]
    if spoken and random.random() < 0.6:
        return ['speech', *draw_noises(random)[: random.integers(0, 2)]]
    weights = np.array([3, 1.5, 2, 0.7, 1, 1, 1.5, 1.5])
    count = int(random.choice([1, 2, 3], p=[0.55, 0.33, 0.12]))
    drawn = random.choice(names, count, replace=False, p=weights / weights.sum())
    return [str(name) for name in drawn]


def make_noise(
    names: list[str],
    random: np.random.Generator,
    frames: int,
    recorded: Mapping[str, Path] = MappingProxyType({}),
) -> np.ndarray:
    """Return the sum of kinds of noise and of recordings, float32, with an RMS of 1."""
    total = np.zeros(frames, dtype=np.float32)
    for name in names:
        if name in recorded:
            noise = recorded_noise(recorded[name], random, frames)
        else:
            noise = NOISES[name](random, frames)
        total += noise * np.float32(random.uniform(0.3, 1) / (np.sqrt((noise**2).mean()) + 1e-9))
    return total / np.float32(np.sqrt((total**2).mean()) + 1e-9)


def _hiss(random: np.random.Generator, frames: int) -> np.ndarray:
    """Noise between white and brown, with a peak at a random frequency."""
    size = fft.next_fast_len(frames, real=True)
    frequency = np.maximum(fft.rfftfreq(size, 1 / SAMPLE_RATE), 20).astype(np.float32)
    colour = random.uniform(0, 1.1)
    centre = np.exp(random.uniform(np.log(100), np.log(6000)))
    bump = 1 + random.uniform(0, 3) * np.exp(-((np.log(frequency / centre) / 0.5) ** 2))
    shape = (frequency**-colour * bump).astype(np.float32)
    white = fft.rfft(random.standard_normal(size, dtype=np.float32))
    return fft.irfft(white * shape, size)[:frames]


def _hum(random: np.random.Generator, frames: int) -> np.ndarray:
    """Mains hum and its harmonics."""
    t = np.arange(frames, dtype=np.float32) / SAMPLE_RATE
    mains = random.choice([50.0, 60.0]) * random.uniform(0.998, 1.002)
    sound = np.zeros(frames, dtype=np.float32)
    for n in range(1, int(random.integers(4, 16))):
        level = random.random() / n ** random.uniform(0.3, 1.5)
        sound += np.float32(level) * np.sin(
            np.float32(2 * np.pi * mains * n) * t + random.uniform(0, 6)
        )
    return sound


def _voices(random: np.random.Generator, frames: int) -> np.ndarray:
    """Speech-like sound of one to four talkers: voiced and unvoiced syllables with formants."""
    sound = np.zeros(frames, dtype=np.float32)
    for _ in range(int(random.integers(1, 5))):
        sound += np.float32(random.uniform(0.3, 1)) * _talker(random, frames)
    return sound


def _talker(random: np.random.Generator, frames: int) -> np.ndarray:
    sound = np.zeros(frames, dtype=np.float32)
    pitch, tract = random.uniform(85, 240), random.uniform(0.9, 1.2)
    place = int(random.uniform(0, 2) * SAMPLE_RATE)
    while place < frames:
        length = min(int(random.uniform(0.08, 0.3) * SAMPLE_RATE), frames - place)
        if length < 320:
            break
        t = np.arange(length, dtype=np.float32) / SAMPLE_RATE
        shape = np.sin(np.pi * np.arange(length) / length) ** 0.7
        if random.random() < 0.75:
            glide = random.uniform(-0.25, 0.15) * t / t[-1]
            phase = (
                2
                * np.pi
                * np.cumsum(pitch * random.uniform(0.85, 1.2) * (1 + glide))
                / SAMPLE_RATE
            )
            start, end = tract * _VOWELS[random.integers(len(_VOWELS), size=2)]
            formants = (start + end) / 2
            n = np.arange(1, int(5000 / pitch))
            near = np.exp(-np.abs(np.log(n[:, None] * pitch / formants)) / 0.12)
            levels = near @ np.array([1, 0.5, 0.25]) + 0.02 / n
            syllable = levels.astype(np.float32) @ np.sin(np.outer(n, phase).astype(np.float32))
        else:
            edge = random.uniform(2500, 6000)
            syllable = random.standard_normal(length, dtype=np.float32)
            syllable = 0.3 * signal.sosfilt(_band(edge, 1.6), syllable)
        sound[place : place + length] += (syllable * shape).astype(np.float32)
        pause = random.uniform(0.3, 1.8) if random.random() < 0.12 else random.uniform(0, 0.06)
        place += length + int(pause * SAMPLE_RATE)
    return sound


def _band(centre: float, ratio: float) -> np.ndarray:
    edges = [centre / np.sqrt(ratio), min(centre * np.sqrt(ratio), 0.49 * SAMPLE_RATE)]
    return signal.butter(2, edges, 'band', fs=SAMPLE_RATE, output='sos')


def _bursts(
    random: np.random.Generator, frames: int, places: np.ndarray, burst: Callable[[], np.ndarray]
) -> np.ndarray:
    """Return eight different bursts, repeated at random places with random levels."""
    sound = np.zeros(frames + SAMPLE_RATE, dtype=np.float32)
    kinds = [burst().astype(np.float32) for _ in range(8)]
    for place in places[places < frames].astype(int):
        kind = kinds[int(random.integers(8))]
        sound[place : place + len(kind)] += np.float32(random.lognormal(0, 0.5)) * kind
    return sound[:frames]


def _applause(random: np.random.Generator, frames: int) -> np.ndarray:
    """Applause of a random density, for 4 to 20 s."""
    start = random.uniform(0, 0.7) * frames
    end = start + random.uniform(4, 20) * SAMPLE_RATE
    count = int(random.integers(30, 150) * (end - start) / SAMPLE_RATE / 4)
    t = np.arange(800) / SAMPLE_RATE

    def clap() -> np.ndarray:
        noise = random.normal(size=800) * np.exp(-t / random.uniform(0.003, 0.01))
        return signal.sosfilt(_band(random.uniform(800, 2500), 2.5), noise)

    return _bursts(random, frames, random.uniform(start, end, count), clap)


def _steps(random: np.random.Generator, frames: int) -> np.ndarray:
    """Footsteps, from a random time on."""
    t = np.arange(4000) / SAMPLE_RATE
    pace = random.uniform(0.4, 0.9) * SAMPLE_RATE
    start = random.uniform(0, 0.5) * frames
    places = np.arange(start, frames, pace)
    places += random.normal(0, 0.04 * pace, len(places))

    def step() -> np.ndarray:
        thump = np.sin(2 * np.pi * random.uniform(50, 140) * t) * np.exp(-t / 0.03)
        scrape = random.normal(size=len(t)) * np.exp(-t / random.uniform(0.01, 0.04))
        return thump + 0.4 * signal.sosfilt(_band(random.uniform(300, 2500), 3), scrape)

    return _bursts(random, frames, places[places > 0], step)


def _knocks(random: np.random.Generator, frames: int) -> np.ndarray:
    """Clicks, knocks and doors at random times."""
    t = np.arange(3200) / SAMPLE_RATE

    def knock() -> np.ndarray:
        modes = np.exp(random.uniform(np.log(80), np.log(3000), 5))
        sound = random.normal(size=5) @ np.sin(2 * np.pi * modes[:, None] * t)
        noise = random.normal(size=len(t)) * np.exp(-t / 0.003)
        return sound * np.exp(-t / random.uniform(0.005, 0.05)) + noise

    places = random.uniform(0, frames, int(random.integers(2, 60)))
    return _bursts(random, frames, places, knock)


def _motor(random: np.random.Generator, frames: int) -> np.ndarray:
    """Servo motors of a robot: tones that start, glide and stop, and the tone of their drive."""
    t = np.arange(frames, dtype=np.float32) / SAMPLE_RATE
    times = np.arange(0, frames / SAMPLE_RATE + 1, 0.25)
    speed = np.clip(np.cumsum(random.normal(0, 0.25, len(times))), -1.5, 1.5)
    pitch = random.uniform(60, 700) * 2 ** np.interp(t, times, speed)
    moves = np.repeat(random.random(len(times) // 3 + 1) < 0.5, 3)[: len(times)]
    gate = np.interp(t, times, moves.astype(float)).astype(np.float32)
    phase = (2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE) % (2 * np.pi)
    sound = np.zeros(frames, dtype=np.float32)
    for n in range(1, int(random.integers(3, 9))):
        sound += np.float32(random.random() / n**0.5) * np.sin(n * phase).astype(np.float32)
    drive = np.float32(random.uniform(0, 0.3)) * np.sin(
        np.float32(2 * np.pi * random.uniform(3000, 7500)) * t
    )
    rough = np.float32(0.3) * random.standard_normal(frames, dtype=np.float32)
    return gate * (sound + drive + rough)


def _fan(random: np.random.Generator, frames: int) -> np.ndarray:
    """A fan: noise of air, and the tones of its blades."""
    t = np.arange(frames, dtype=np.float32) / SAMPLE_RATE
    air = _hiss(random, frames)
    air /= np.sqrt((air**2).mean())
    blades = random.uniform(60, 400)
    for n in range(1, 5):
        level = random.uniform(0, 0.5) / n
        air += np.float32(level) * np.sin(np.float32(2 * np.pi * blades * n) * t)
    return air


NOISES: dict[str, _Noise] = {
    'hiss': _hiss,
    'hum': _hum,
    'voices': _voices,
    'applause': _applause,
    'steps': _steps,
    'knocks': _knocks,
    'motor': _motor,
    'fan': _fan,
    'speech': make_speech,
}
