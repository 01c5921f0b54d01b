# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np

from improv_ros.listening.capture.device_source import StreamClock

BLOCK = 0.02
FRAMES = 320
RATE = 16000


def test_blocks_that_arrive_in_bursts_get_even_times():
    """A sound server hands over 50 ms at a time: two or three blocks at once."""
    clock = StreamClock(RATE, latency=0.0)
    ends = BLOCK * np.arange(1, 501)
    arrivals = np.ceil(ends / 0.05 - 1e-9) * 0.05
    times = np.array([clock.time_of(round(arrival * 1e9), FRAMES) for arrival in arrivals]) / 1e9
    settled = slice(10, None)
    assert np.abs((times - (ends - BLOCK))[settled]).max() < 0.001


def test_the_latency_is_taken_off():
    clock = StreamClock(RATE, latency=0.04)
    assert clock.time_of(1_000_000_000, FRAMES) == 940_000_000


def test_a_slow_sound_card_is_followed():
    clock = StreamClock(RATE, latency=0.0)
    ends = BLOCK * np.arange(1, 20001) * (1 + 100e-6)
    times = np.array([clock.time_of(round(end * 1e9), FRAMES) for end in ends]) / 1e9
    assert np.abs(times + BLOCK - ends).max() < 0.001


def test_after_a_loss_time_jumps_at_once():
    clock = StreamClock(RATE, latency=0.0)
    clock.time_of(1_020_000_000, FRAMES)
    assert clock.time_of(1_100_000_000, FRAMES, lost=True) == 1_080_000_000


def test_a_long_silence_counts_as_a_loss():
    clock = StreamClock(RATE, latency=0.0)
    clock.time_of(1_020_000_000, FRAMES)
    assert clock.time_of(3_000_000_000, FRAMES) == 2_980_000_000
