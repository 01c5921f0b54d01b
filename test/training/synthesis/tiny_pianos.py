# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Pianos of decaying sines, made in a moment, where the program looks for banks."""

from pathlib import Path

import numpy as np

from improv_ros.training.synthesis.bank import KEYS, LOWEST_PITCH, SAMPLE_RATE, Bank, build_bank
from improv_ros.training.synthesis.pianos import read_pianos
from improv_ros.training.synthesis.score_rendering import PianoRegulation

PIANOS = """
- {name: first, procedural: grand, seed: 1, licence: none, source: computed}
- {name: second, procedural: upright, seed: 2, licence: none, source: computed, weight: 2}
- {name: kept, procedural: upright, seed: 3, licence: none, source: computed, held_out: true}
"""


def tiny_bank(silence: float = 0.0) -> Bank:
    """Return a bank of two layers; its sounds begin after some seconds of silence."""
    t = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    before = np.zeros(round(silence * SAMPLE_RATE))

    def note(key: int, layer: int) -> np.ndarray:
        f0 = 440 * 2 ** ((key + LOWEST_PITCH - 69) / 12)
        sound = np.cos(2 * np.pi * f0 * t) * np.exp(-t / 0.3) * (0.5 + layer)
        return np.concatenate([before, sound])

    return build_bank(note, [40, 100])


def plain_regulation(cents: float = 0.0) -> PianoRegulation:
    """Return the touch of a piano that is even and in tune, or as much out of it as told."""
    return PianoRegulation(
        cents=np.full(KEYS, cents),
        gains=np.ones(KEYS),
        dynamics=30.0,
        timbre=0.0,
        release=np.full(KEYS, 0.02),
        resonance=0.0,
        knock=0.0,
    )


def write_pianos(folder: Path, text: str = PIANOS) -> Path:
    """Write a list of pianos, and banks for them where `build_set` looks for them."""
    path = folder / 'pianos.yaml'
    path.write_text(text)
    for piano in read_pianos(path, folder):
        tiny_bank().save(piano.bank_path(folder / 'cache' / 'banks'))
    return path
