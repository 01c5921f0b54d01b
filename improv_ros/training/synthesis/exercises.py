# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Random exercises, for what occurs too rarely in pieces.

Wide and narrow chords, clusters, octaves, scales, arpeggios, repeated notes, trills, isolated
notes of every pitch and velocity, and random keys over the whole keyboard.
"""

from collections.abc import Callable, Iterator

import numpy as np

from improv_ros.improvising.network.vocabulary import HIGHEST_PITCH, LOWEST_PITCH
from improv_ros.training.synthesis.score import Score, make_score, truncated

_Notes = Iterator[tuple[float, float, int, int]]
_SCALES = ([0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 11], list(range(12)), [0, 3, 5, 7, 10])
_CHORDS = ([0, 4, 7], [0, 3, 7], [0, 4, 7, 10], [0, 3, 6, 9], [0, 4, 7, 11], [0, 5, 7], [0, 7, 16])


def exercise(random: np.random.Generator, seconds: float) -> Score:
    """Return a random sequence of exercises, with pauses between them and some pedal."""
    notes: list[tuple[float, float, int, int]] = []
    pedal: list[tuple[float, float]] = []
    time = random.uniform(0.2, 2)
    while time < seconds:
        kind = _KINDS[int(random.integers(len(_KINDS)))]
        part = list(kind(random, time, min(time + random.uniform(3, 12), seconds)))
        notes += part
        end = max((off for _, off, _, _ in part), default=time)
        if random.random() < 0.5:
            pedal += [(time - random.uniform(0, 0.1), end + random.uniform(-0.3, 1.5))]
        time = end + random.choice([0.05, 0.4, 1.5, 4], p=[0.3, 0.3, 0.3, 0.1])
    inside = [note for note in notes if LOWEST_PITCH <= note[2] <= HIGHEST_PITCH]
    pedal = [(max(0.0, down), up) for down, up in pedal]
    return truncated(make_score(inside, pedal), seconds)


def _velocity(random: np.random.Generator, mean: float, spread: float = 8) -> int:
    return int(np.clip(random.normal(mean, spread), 4, 127))


def _isolated(random: np.random.Generator, time: float, end: float) -> _Notes:
    while time < end:
        held = float(np.exp(random.uniform(np.log(0.06), np.log(4))))
        pitch = int(random.integers(LOWEST_PITCH, HIGHEST_PITCH + 1))
        yield time, time + held, pitch, int(random.integers(6, 128))
        time += held + random.uniform(0.02, 1.2)


def _chords(random: np.random.Generator, time: float, end: float) -> _Notes:
    mean, rolled = random.uniform(20, 110), random.random() < 0.2
    while time < end:
        held = random.uniform(0.12, 2)
        root = int(random.integers(28, 84))
        shape = list(_CHORDS[int(random.integers(len(_CHORDS)))])
        shape += [
            12 * int(random.integers(-2, 3)) + step for step in shape if random.random() < 0.4
        ]
        spread = 0.05 if rolled else random.uniform(0, 0.012)
        for number, step in enumerate(sorted(set(shape))):
            begin = time + (number * spread if rolled else random.uniform(0, spread))
            yield begin, time + held + 0.1, root + step, _velocity(random, mean)
        time += held + random.uniform(-0.05, 0.4)


def _clusters(random: np.random.Generator, time: float, end: float) -> _Notes:
    while time < end:
        held, low = random.uniform(0.1, 1.5), int(random.integers(LOWEST_PITCH, 100))
        mean = random.uniform(20, 115)
        for pitch in range(low, low + int(random.integers(2, 6)) * 2, int(random.integers(1, 3))):
            yield time + random.uniform(0, 0.01), time + held, pitch, _velocity(random, mean)
        time += held + random.uniform(0, 1)


def _octaves(random: np.random.Generator, time: float, end: float) -> _Notes:
    step, mean = random.uniform(0.1, 0.6), random.uniform(30, 110)
    pitch = int(random.integers(28, 90))
    while time < end:
        for octave in (0, 12, 24)[: int(random.integers(2, 4))]:
            yield (
                time,
                time + step * random.uniform(0.4, 1),
                pitch + octave,
                _velocity(random, mean),
            )
        pitch = int(np.clip(pitch + random.integers(-7, 8), LOWEST_PITCH, 90))
        time += step


def _scale(random: np.random.Generator, time: float, end: float) -> _Notes:
    shape = _SCALES[int(random.integers(len(_SCALES)))]
    step = float(np.exp(random.uniform(np.log(0.06), np.log(0.5))))
    mean, legato = random.uniform(20, 110), random.uniform(0.4, 1.15)
    place, way, root = 0, 1, int(random.integers(LOWEST_PITCH, 96))
    hands = (0,) if random.random() < 0.6 else (0, int(random.choice([12, 16, 24])))
    while time < end:
        pitch = root + 12 * (place // len(shape)) + shape[place % len(shape)]
        for hand in hands:
            yield time, time + step * legato, pitch + hand, _velocity(random, mean)
        way = -1 if pitch >= 104 - max(hands) else 1 if place == 0 else way
        way = -way if random.random() < 0.03 and place else way
        place, time = place + way, time + step


def _arpeggio(random: np.random.Generator, time: float, end: float) -> _Notes:
    chord = _CHORDS[int(random.integers(len(_CHORDS)))]
    step, mean = random.uniform(0.05, 0.3), random.uniform(20, 105)
    root, place, way = int(random.integers(LOWEST_PITCH, 72)), 0, 1
    held = step * random.choice([0.8, 1, 4])
    while time < end:
        pitch = root + 12 * (place // len(chord)) + chord[place % len(chord)]
        yield time, time + held, pitch, _velocity(random, mean)
        way = -1 if pitch > 100 else 1 if place == 0 else way
        place, time = place + way, time + step


def _repeated(random: np.random.Generator, time: float, end: float) -> _Notes:
    step = float(np.exp(random.uniform(np.log(0.07), np.log(0.8))))
    pitches = random.integers(LOWEST_PITCH, HIGHEST_PITCH + 1, int(random.integers(1, 4)))
    mean, held = random.uniform(20, 110), random.uniform(0.3, 0.98)
    while time < end:
        for pitch in pitches:
            yield time, time + step * held, int(pitch), _velocity(random, mean)
        time += step


def _trill(random: np.random.Generator, time: float, end: float) -> _Notes:
    low, width = int(random.integers(LOWEST_PITCH, 104)), int(random.choice([1, 2, 3, 4]))
    step, mean = random.uniform(0.05, 0.13), random.uniform(25, 100)
    number = 0
    while time < end:
        pitch = low + width * (number % 2)
        yield time, time + step * random.uniform(0.7, 1.1), pitch, _velocity(random, mean)
        number, time = number + 1, time + step * random.uniform(0.9, 1.1)


def _random_keys(random: np.random.Generator, time: float, end: float) -> _Notes:
    low = int(random.choice([LOWEST_PITCH, LOWEST_PITCH, 60, 84]))
    high = int(random.choice([HIGHEST_PITCH, 48, 72])) if low == LOWEST_PITCH else HIGHEST_PITCH
    rate, held = random.uniform(1, 14), random.uniform(0.1, 1.5)
    while time < end:
        velocity = int(random.integers(8, 128))
        pitch = int(random.integers(low, high + 1))
        yield time, time + held * random.uniform(0.3, 1.5), pitch, velocity
        time += random.exponential(1 / rate)


def _bass(random: np.random.Generator, time: float, end: float) -> _Notes:
    """Notes and octaves in the lowest two octaves, with a few higher notes."""
    mean, step = random.uniform(16, 100), random.uniform(0.15, 1)
    while time < end:
        pitch = int(random.integers(LOWEST_PITCH, 46))
        held = step * random.uniform(0.5, 2.5)
        for octave in (0, 12)[: int(random.integers(1, 3))]:
            yield time, time + held, pitch + octave, _velocity(random, mean)
        for _ in range(int(random.integers(0, 4))):
            begin = time + step * random.random()
            yield begin, begin + held / 2, int(random.integers(46, 85)), _velocity(random, mean)
        time += step * random.uniform(0.7, 1.3)


def _soft(random: np.random.Generator, time: float, end: float) -> _Notes:
    """Soft notes, with some louder ones."""
    rate = random.uniform(1, 10)
    while time < end:
        velocity = int(
            random.integers(5, 34) if random.random() < 0.75 else random.integers(40, 90)
        )
        pitch = int(np.clip(random.normal(62, 18), LOWEST_PITCH, HIGHEST_PITCH))
        yield time, time + random.uniform(0.1, 2), pitch, velocity
        time += random.exponential(1 / rate)


_KINDS: tuple[Callable[[np.random.Generator, float, float], _Notes], ...] = (
    _isolated,
    _isolated,
    _bass,
    _bass,
    _soft,
    _soft,
    _chords,
    _chords,
    _clusters,
    _octaves,
    _scale,
    _arpeggio,
    _repeated,
    _trill,
    _random_keys,
    _random_keys,
)
