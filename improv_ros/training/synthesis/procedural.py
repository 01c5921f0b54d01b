# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Procedural pianos: strings, hammer and soundboard with random parameters.

Additive synthesis of the stiff string: the frequency of partial n is n f0 sqrt(1 + B n^2), with
the inharmonicity B (Fletcher 1964), which depends on the key as in Rigaud, David and Daudet 2013.
A partial decays in two stages and beats, because two polarisations and unison strings differ in
decay and slightly in pitch (Weinreich 1977). The striking point, the hardness of the hammer, which
grows with velocity, and the resonances of the soundboard shape the spectrum. The ranges of the
parameters are deliberately wide.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from improv_ros.training.synthesis.bank import (
    KEYS,
    LOWEST_PITCH,
    SAMPLE_RATE,
    Bank,
    build_bank,
    sample_seconds,
)
from improv_ros.training.synthesis.synthesis_error import SynthesisError

VELOCITIES = [12, 30, 48, 66, 84, 102, 120]
BODIES = ('grand', 'upright')
_MAX_FREQUENCY = 7600.0  # Hz, of a partial
_MAX_PARTIALS = 90  # of a key


@dataclass
class _Piano:
    """The random parameters of one piano."""

    body: str
    inharmonicity: float
    strike: float
    hardness: float
    decay: float
    aftersound: float
    detune: float
    cut: float
    slope: float
    knock: float
    attack: float
    unevenness: float
    board: np.ndarray  # gain of the soundboard in dB over log frequency
    knocks: np.ndarray  # modes of the knock of the hammer: Hz, amplitude, decay in seconds


def build_procedural(body: str, seed: int, velocities: list[int] | None = None) -> Bank:
    """Return the bank of a piano; body: one of `BODIES`; seed: of its parameters."""
    if body not in BODIES:
        raise SynthesisError(f'a procedural piano is one of {", ".join(BODIES)}, not {body!r}')
    layers = velocities or VELOCITIES
    piano = _draw(body, np.random.default_rng([seed, BODIES.index(body)]))

    @lru_cache(maxsize=1)  # a key's partials are computed once for all layers
    def sounds(key: int) -> list[np.ndarray]:
        return _key(piano, key, layers, np.random.default_rng([seed, key]))

    return build_bank(lambda key, layer: sounds(key)[layer], layers)


def _draw(body: str, random: np.random.Generator) -> _Piano:
    upright = body == 'upright'
    bins = 64
    board = np.convolve(random.normal(size=bins + 8), np.hanning(9), 'valid')
    board *= random.uniform(3, 6) / board.std()
    lows = random.uniform(60, 110, 1), random.uniform(110, 700, 9)
    frequencies = np.concatenate(lows)
    knocks = np.stack(
        [
            frequencies,
            random.uniform(0.2, 1, len(frequencies)),
            random.uniform(0.015, 0.06, len(frequencies)),
        ]
    )
    return _Piano(
        body=body,
        inharmonicity=random.uniform(0.8, 2.2) if upright else random.uniform(0.5, 1.3),
        strike=random.uniform(0.09, 0.14),
        hardness=float(np.exp(random.normal(0.1 if upright else 0.0, 0.35))),
        decay=random.uniform(0.5, 0.9) if upright else random.uniform(0.8, 1.5),
        aftersound=random.uniform(0.08, 0.35),
        detune=random.uniform(0.15, 0.6) if upright else random.uniform(0.08, 0.4),
        cut=random.uniform(60, 130) if upright else random.uniform(40, 90),
        slope=random.uniform(0.3, 1.0),
        knock=float(np.exp(random.normal(-3.2, 0.5))),
        attack=random.uniform(0.0008, 0.003),
        unevenness=random.uniform(0.5, 2.0),
        board=board,
        knocks=knocks,
    )


def _key(
    piano: _Piano, key: int, velocities: list[int], random: np.random.Generator
) -> list[np.ndarray]:
    """Return the sound of a key at each velocity, float32, 16 kHz, mono."""
    pitch = key + LOWEST_PITCH
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    b = piano.inharmonicity * (np.exp(0.0926 * pitch - 13.64) + np.exp(-0.0847 * pitch - 5.82))
    n = np.arange(1, _MAX_PARTIALS + 1)
    frequency = n * f0 * np.sqrt(1 + b * n**2) / np.sqrt(1 + b)
    n, frequency = n[frequency < _MAX_FREQUENCY], frequency[frequency < _MAX_FREQUENCY]

    place = np.clip(np.log2(frequency / 27.5) / 8.2, 0, 1) * (len(piano.board) - 1)
    body = np.interp(place, np.arange(len(piano.board)), piano.board)
    body = body + random.normal(0, 2.5, len(n))
    radiation = 1 / np.sqrt(1 + (piano.cut / frequency) ** 4)
    struck = np.abs(np.sin(np.pi * n * piano.strike)) + 0.05
    base = struck * radiation * 10 ** (body / 20) / n**piano.slope

    # The felt of the hammer is a low-pass filter whose cut-off rises with velocity.
    brightness = 10 ** (random.normal(0, piano.unevenness) / 40)
    loud = np.array(velocities)[:, None] / 127
    edge = (300 + 1.2 * f0 + 1700 * loud**1.4) * piano.hardness * brightness
    hammer = 1 / (1 + (frequency / edge) ** 2)
    steep = np.exp(-frequency / (1200 + 3800 * loud) / piano.hardness)
    amplitude = base * hammer * steep

    seconds = sample_seconds(key)
    time = np.arange(int(seconds * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    t60 = 12 * 2 ** (-key / 21) * piano.decay * np.exp(random.normal(0, 0.12))
    rate = 6.9 / t60 * (1 + (frequency / 1800) ** 1.1)
    rate *= np.exp(random.normal(0, 0.2, len(n)))
    slow = rate * random.uniform(0.15, 0.4, len(n))
    apart = frequency * (2 ** (random.normal(0, piano.detune, len(n)) / 1200) - 1)
    apart += random.normal(0, 0.12, len(n))
    after = piano.aftersound * np.exp(random.normal(0, 0.5, len(n)))
    if key < 8:  # single strings
        after *= 0.3

    sounds = np.zeros((len(velocities), len(time)), dtype=np.float32)
    turn = np.float32(2 * np.pi)
    for i in range(len(n)):
        last = min(len(time), int(SAMPLE_RATE * 7.5 / slow[i]))
        t = time[:last]
        phase = np.float32(random.uniform(0, 2 * np.pi))
        wave = np.exp(-t * np.float32(rate[i])) * np.sin(
            turn * np.float32(frequency[i]) * t + phase
        )
        wave += (
            np.float32(after[i])
            * np.exp(-t * np.float32(slow[i]))
            * np.sin(turn * np.float32(frequency[i] + apart[i]) * t + phase)
        )
        sounds[:, :last] += amplitude[:, i : i + 1].astype(np.float32) * wave

    rise = piano.attack + 0.004 * np.exp(-key / 30)
    ramp = np.clip(time / np.float32(rise), 0, 1)
    sounds *= 0.5 - 0.5 * np.cos(np.pi * ramp)
    sounds /= np.abs(sounds).max(axis=1, keepdims=True)
    knock = _knock(piano, random)
    sounds[:, : len(knock)] += piano.knock * (1 + 1.5 * key / KEYS) * knock
    # A technician evens out the keys: the resonances of the board affect their balance little.
    balance = -9 * (key / KEYS) ** 1.5 + random.normal(0, piano.unevenness)
    return list(sounds * np.float32(10 ** (balance / 20)))


def _knock(piano: _Piano, random: np.random.Generator) -> np.ndarray:
    """Return the knock of the hammer and the key, float32, peak 1."""
    t = np.arange(int(0.25 * SAMPLE_RATE)) / SAMPLE_RATE
    frequency, amplitude, decay = piano.knocks
    phase = random.uniform(0, 2 * np.pi, len(frequency))
    modes = np.sin(2 * np.pi * frequency[:, None] * t + phase[:, None])
    modes *= amplitude[:, None] * np.exp(-t / decay[:, None])
    noise = random.normal(size=len(t)) * np.exp(-t / 0.006)
    sound = modes.sum(axis=0) / 3 + 0.5 * noise
    sound *= np.clip(t / 0.001, 0, 1)
    return (sound / np.abs(sound).max()).astype(np.float32)
