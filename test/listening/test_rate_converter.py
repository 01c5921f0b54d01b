# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Rate conversion: no shift in time, little delay, no aliasing."""

from __future__ import annotations

import time

import numpy as np
import pytest

from improv_ros.listening.capture.resampling import RateConverter

RATE = 16000
RATES = [16001, 22050, 32000, 44100, 48000, 96000, 192000]


def sine(frequency: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * frequency / rate * np.arange(round(seconds * rate))).astype(
        np.float32
    )


def decibels(samples: np.ndarray) -> float:
    """Return the level of what lies away from the ends, 0 for a full-scale sine."""
    return 10 * np.log10(2 * np.mean(samples[500:-500].astype(float) ** 2) + 1e-12)


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('milliseconds', [10, 20])
def test_the_delay_is_below_two_milliseconds(rate: int, milliseconds: int) -> None:
    converter = RateConverter(rate, RATE)
    heard = said = 0
    for _ in range(50):
        frames = rate * milliseconds // 1000
        said += len(converter.process(np.zeros(frames, np.float32)))
        heard += frames
        assert 0 <= heard / rate - said / RATE < 0.0018


@pytest.mark.parametrize('rate', [8000, *RATES])
@pytest.mark.parametrize('frequency', [50, 440, 3000])
def test_a_tone_is_the_same_at_the_same_time(rate: int, frequency: float) -> None:
    converted = RateConverter(rate, RATE).process(sine(frequency, rate))
    wanted = np.sin(2 * np.pi * frequency / RATE * np.arange(len(converted)))
    assert decibels(converted - wanted) < -60


@pytest.mark.parametrize('rate', [rate for rate in RATES if rate >= 22050])
def test_the_pass_band_is_flat_and_the_stop_band_is_silent(rate: int) -> None:
    for frequency in (1000, 4000, 6000, 6800):
        level = decibels(RateConverter(rate, RATE).process(sine(frequency, rate)))
        assert abs(level) < 0.1, frequency
    for frequency in (8300, 9000, 10000, 15000, 20000):
        if frequency < rate / 2:
            level = decibels(RateConverter(rate, RATE).process(sine(frequency, rate)))
            assert level < -68, frequency


@pytest.mark.parametrize('rate', RATES)
def test_flush_returns_the_rest(rate: int) -> None:
    sound = sine(440, rate, 0.3)
    converter = RateConverter(rate, RATE)
    pieces = [converter.process(sound), converter.flush()]
    assert 0 <= sum(map(len, pieces)) - len(sound) * RATE / rate < 1


@pytest.mark.parametrize('rate', [1, 7, 15999, 44099, 767_999, 768_000])
def test_no_rate_takes_long(rate: int) -> None:
    """A chunk may claim any rate; it must not hold up the node."""
    began = time.thread_time()
    converter = RateConverter(rate, RATE)
    converter.process(np.zeros(max(1, rate // 50), np.float32))
    assert time.thread_time() - began < 0.5


@pytest.mark.parametrize('rate', RATES)
def test_a_constant_offset_begins_without_a_click(rate: int) -> None:
    converter = RateConverter(rate, RATE)
    assert len(converter.process(np.zeros(0, np.float32))) == 0
    assert np.abs(converter.process(np.full(rate // 50, 0.3, np.float32)) - 0.3).max() < 1e-5
