# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from improv_ros.listening.transcription.estimator import PITCHES
from improv_ros.listening.transcription.spectra import HOP, SAMPLE_RATE, FrontEnd
from improv_ros.listening.transcription.velocity_estimation import VelocityEstimator

KEY = 40
DELAY = 4
NETWORK_VELOCITY = np.full(PITCHES, 0.5, np.float32)


def heard(levels: list[float], gain: float = 1.0) -> list[float]:
    """Return the MIDI velocities heard of notes of one key, struck at these levels (dB)."""
    time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    pitch = 440 * 2 ** ((21 + KEY - 69) / 12)
    tone = np.sin(2 * np.pi * pitch * time) * np.exp(-6 * time)
    sound = np.concatenate([gain * 10 ** (level / 20) * tone for level in levels])
    noise = 1e-5 * np.random.default_rng(1).standard_normal(len(sound))
    spectra = FrontEnd().analyse((sound + noise).astype(np.float32))
    estimator, velocities = VelocityEstimator(DELAY + 2), []
    for hop, row in enumerate(spectra):
        onset = np.zeros(PITCHES, np.float32)
        peak = (hop - DELAY) % (SAMPLE_RATE // 2 // HOP) == 0
        onset[KEY] = peak
        velocity = estimator.step(row, onset, NETWORK_VELOCITY)
        if peak:
            velocities.append(float(velocity[KEY]) * 127)
    return velocities


def test_louder_notes_are_heard_as_struck_harder():
    soft, loud, softest = heard([-30] * 20 + [-24, -36])[-3:]
    assert loud - soft == pytest.approx(soft - softest, abs=3)
    assert 6 < loud - soft < 18


def test_velocity_is_relative_to_the_notes_before():
    assert heard([-30] * 5) == pytest.approx([64] * 5, abs=1)
    crescendo = heard([-40, -36, -32, -28, -24, -20])
    assert crescendo == sorted(crescendo) and 78 < crescendo[-1] < 90
    # Whoever goes on louder becomes the measure: of 40 notes 30, so a quarter is left.
    louder = [velocity - 64 for velocity in heard([-30] * 10 + [-20] * 30)[10:]]
    assert 12 < louder[0] < 20 and louder == sorted(louder, reverse=True)
    assert louder[-1] / louder[0] == pytest.approx(10 / 40 / (10 / 11), abs=0.05)


def test_the_gain_of_the_microphone_does_not_matter():
    levels = [-30, -22, -34, -26]
    assert heard(levels, gain=0.1) == pytest.approx(heard(levels), abs=2)


def test_every_velocity_is_one_of_midi_whatever_is_heard():
    estimator = VelocityEstimator(DELAY + 2)
    spectra = np.full((294, 4), -1, np.float32)
    for onset in (np.zeros(PITCHES), np.ones(PITCHES)):
        for level in (-1, 1.5, -1):
            velocity = estimator.step(
                spectra * 0 + level, onset.astype(np.float32), onset * NETWORK_VELOCITY
            )
            assert velocity.shape == (PITCHES,)
            assert ((velocity >= 1 / 127 - 1e-6) & (velocity <= 1 + 1e-6)).all()
