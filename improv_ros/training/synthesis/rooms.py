# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Rooms: random impulse responses with the statistics of image sources.

In a room of volume V, the reflections that arrive t seconds after emission have a density of
4 pi c^3 t^2 / V per second (Kuttruff, *Room Acoustics*), and an amplitude of 1 / (c t) times the
attenuation by the walls. Reflections drawn from these statistics give sparse early reflections, a
diffuse tail, and the ratio of direct to reverberant sound that fits the distance.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy import fft

from improv_ros.training.synthesis.bank import SAMPLE_RATE

_SPEED_OF_SOUND = 343.0  # m/s
_BANDS = np.array([125, 500, 2000, 6000])  # Hz, at which the reverberation time is given


@dataclass
class Room:
    """A room and the microphone in it.

    volume: m^3; distance: of the microphone from the piano, m; reverberation: time to decay by
    60 dB at 500 Hz, s; bass, treble: that time at 125 Hz and at 6 kHz, relative to 500 Hz.
    """

    volume: float
    distance: float
    reverberation: float
    bass: float
    treble: float

    def describe(self) -> dict[str, float]:
        """Return its parameters for the description of a recording."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def draw_room(random: np.random.Generator) -> Room | None:
    """Return a random room, mostly with a distant microphone; None: no reverberation."""
    chance = random.random()
    if chance < 0.06:
        return None
    volume = float(np.exp(random.uniform(np.log(25), np.log(1500))))
    size = volume ** (1 / 3)
    far = min(6.0, 1.1 * size)
    near = 0.25 if chance < 0.3 else 1.0
    distance = float(np.exp(random.uniform(np.log(near), np.log(far))))
    typical = 0.12 * size ** random.uniform(0.5, 1.15)
    reverberation = float(np.clip(typical * np.exp(random.normal(0.15, 0.4)), 0.12, 1.8))
    return Room(
        volume, distance, reverberation, random.uniform(0.8, 1.6), random.uniform(0.3, 0.8)
    )


def impulse_response(room: Room, random: np.random.Generator) -> np.ndarray:
    """Return the impulse response from a piano 1.5 m wide to the microphone, float32.

    It begins with the direct sound, whose energy is 1; the delay of the direct sound is left out.
    """
    length = int(SAMPLE_RATE * min(1.1 * room.reverberation * max(1.0, room.bass), 2.0))
    length = max(length, SAMPLE_RATE // 10)
    since = np.arange(length) / SAMPLE_RATE
    travelled = _SPEED_OF_SOUND * since + room.distance
    density = 4 * np.pi * _SPEED_OF_SOUND * travelled**2 / (room.volume * SAMPLE_RATE)
    count = random.poisson(np.minimum(density, 50.0)) * np.maximum(density / 50, 1)
    echoes = np.sqrt(count) * random.normal(size=length) * room.distance / travelled
    echoes[:2] = 0
    response = _decaying(echoes, room, since)
    # The direct sound comes from the whole soundboard: a few paths within its width.
    width = 1.5 / (1 + room.distance) * random.uniform(0.2, 1) / _SPEED_OF_SOUND
    direct = np.zeros(length)
    places = (random.random(5) * width * SAMPLE_RATE).astype(int)
    places[0] = 0
    np.add.at(direct, places, [1, *random.normal(0, 0.35, 4)])
    direct /= np.sqrt((direct**2).sum())
    return (direct + response).astype(np.float32)


def _decaying(echoes: np.ndarray, room: Room, since: np.ndarray) -> np.ndarray:
    """Return reflections attenuated by the decay of each band of the room."""
    times = room.reverberation * np.array([room.bass, 1, (1 + room.treble) / 2, room.treble])
    frequency = fft.rfftfreq(len(echoes), 1 / SAMPLE_RATE)
    place = np.interp(
        np.log(np.maximum(frequency, 1)), np.log(_BANDS), np.arange(len(_BANDS), dtype=float)
    )
    spectrum = fft.rfft(echoes)
    decayed = np.zeros(len(echoes))
    for band, time in enumerate(times):
        weight = np.maximum(0, 1 - np.abs(place - band))
        decayed += fft.irfft(spectrum * weight, len(echoes)) * np.exp(-6.91 * since / time)
    return decayed
