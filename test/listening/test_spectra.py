# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The input of the transcription network."""

import numpy as np
import pytest

from improv_ros.listening.transcription.estimator import LOWEST_PITCH
from improv_ros.listening.transcription.spectra import (
    BANDS,
    BANDS_A_SEMITONE,
    HOP,
    SAMPLE_RATE,
    WINDOWS,
    FrontEnd,
)


def tone(pitch: float, amplitude: float = 1.0, seconds: float = 0.5) -> np.ndarray:
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def band_of(pitch: int) -> int:
    """The middle one of a key's bands."""
    return (pitch - LOWEST_PITCH) * BANDS_A_SEMITONE + 1


def test_hop_by_hop_and_all_at_once_the_spectra_are_the_same():
    samples = np.random.default_rng(1).normal(0, 0.1, 40 * HOP + 17).astype(np.float32)
    front_end = FrontEnd()
    by_hop = [front_end.step(samples[i * HOP : (i + 1) * HOP]) for i in range(40)]
    at_once = FrontEnd().analyse(samples)
    assert at_once.shape == (40, BANDS, len(WINDOWS))
    np.testing.assert_allclose(np.stack(by_hop), at_once, atol=1e-5)


@pytest.mark.parametrize('pitch', [33, 48, 69, 96, 105])
def test_a_tone_is_highest_in_the_middle_of_its_key(pitch):
    spectrum = FrontEnd().analyse(tone(pitch))[-1]
    longest = spectrum[:, WINDOWS.index(max(WINDOWS))]
    assert abs(int(longest.argmax()) - band_of(pitch)) <= 1
    assert longest.max() == pytest.approx(1, abs=0.05)


def test_ten_decibels_less_read_a_fifth_less():
    loud = FrontEnd().analyse(tone(69))[-1, band_of(69)]
    soft = FrontEnd().analyse(tone(69, 10**-0.5))[-1, band_of(69)]
    np.testing.assert_allclose(loud - soft, 0.2, atol=1e-3)


def test_silence_is_the_lowest_that_there_is():
    assert FrontEnd().analyse(np.zeros(10 * HOP, np.float32)) == pytest.approx(-1)


def test_a_short_window_shows_an_attack_before_a_long_one():
    samples = np.concatenate((np.zeros(SAMPLE_RATE // 2, np.float32), tone(69)))
    rise = FrontEnd().analyse(samples)[:, band_of(69)]
    hop_of_half = (rise > 0.9).argmax(axis=0)
    assert hop_of_half[0] < hop_of_half[1] < hop_of_half[2]


def test_a_reset_clears_the_history():
    front_end = FrontEnd()
    front_end.step(np.ones(HOP, np.float32))
    front_end.reset()
    assert front_end.step(np.zeros(HOP, np.float32)) == pytest.approx(-1)


def test_less_than_a_hop_is_no_spectrum():
    assert len(FrontEnd().analyse(np.zeros(HOP - 1, np.float32))) == 0
