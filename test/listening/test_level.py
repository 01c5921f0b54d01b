"""A muted, a working and an overdriven microphone must look different."""

import math

import numpy as np
import pytest

from improv_ros.listening.level import LevelMeter


def test_a_muted_microphone_never_heard_anything() -> None:
    meter = LevelMeter()
    meter.feed(np.zeros((320, 1), np.int16), time=1)
    assert meter.last_sound is None
    assert meter.take_peak() == -math.inf


def test_the_peak_is_of_the_time_since_it_was_last_taken() -> None:
    meter = LevelMeter()
    meter.feed(np.array([[0], [-16384]], np.int16), time=5)
    meter.feed(np.array([[100]], np.int16), time=6)
    assert meter.take_peak() == pytest.approx(-6.02, abs=0.01)
    assert meter.take_peak() == -math.inf
    assert meter.last_sound == 6


def test_clipped_samples_are_counted_at_both_ends() -> None:
    meter = LevelMeter()
    meter.feed(np.array([[32767, -32768], [32766, 0]], np.int16), time=1)
    assert meter.clipped == 2


def test_no_samples_are_no_sound() -> None:
    meter = LevelMeter()
    meter.feed(np.zeros((0, 1), np.int16), time=1)
    assert meter.last_sound is None
