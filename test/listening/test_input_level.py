# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A muted, a working and an overdriven microphone must look different."""

from collections.abc import Callable
import math

import numpy as np
import pytest

from improv_ros.event_text import SECOND
from improv_ros.listening.capture.input_level import LevelMeter, PeakLevel


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


def meter_after(seconds: int, sound: Callable[[int], np.ndarray], start: int = 0) -> LevelMeter:
    """A meter that was fed tenths of a second; `sound` makes each from its number."""
    meter = LevelMeter(start)
    for tenth in range(10 * seconds):
        meter.feed(sound(tenth), start + tenth * SECOND // 10)
    return meter


def silence(_: int) -> np.ndarray:
    return np.zeros((1600, 1), np.int16)


def tone(amplitude: float) -> Callable[[int], np.ndarray]:
    wave = amplitude * np.sin(2 * np.pi * 440 * np.arange(1600) / 16000)
    block = np.clip(wave, -32768, 32767).astype(np.int16)[:, None]
    return lambda _: block


def test_a_microphone_of_zeros_alone_is_called_muted_within_seconds() -> None:
    assert meter_after(2, silence).warning() == ''
    assert 'nothing but zeros for 5 s' in meter_after(5, silence, start=7 * SECOND).warning()


def test_a_quiet_room_is_not_called_muted_for_a_minute() -> None:
    assert meter_after(55, tone(10)).warning() == ''
    assert 'nothing above -60 dBFS for 70 s' in meter_after(70, tone(10)).warning()


def test_one_sound_ends_the_warning_of_a_muted_microphone() -> None:
    meter = meter_after(70, silence)
    meter.feed(tone(1000)(0), 70 * SECOND)
    assert meter.warning() == ''


def test_clipping_is_told_by_its_share_and_forgotten_in_time() -> None:
    assert meter_after(15, tone(32000)).warning() == ''
    overdriven = meter_after(15, tone(60000))
    assert 'overdriven' in overdriven.warning()
    for tenth in range(150, 260):
        overdriven.feed(tone(1000)(tenth), tenth * SECOND // 10)
    assert overdriven.warning() == ''


def test_a_single_click_is_not_overdriving() -> None:
    def click(tenth: int) -> np.ndarray:
        block = tone(1000)(tenth).copy()
        block[0] = 32767 if tenth == 140 else 0
        return block

    meter = meter_after(15, click)
    assert meter.clipped == 1
    assert meter.warning() == ''


def test_notes_that_are_too_quiet_are_told_of_and_silence_is_not() -> None:
    level = PeakLevel()
    assert level.peak == -math.inf
    level.feed(np.full((16000, 1), 100, np.int16), SECOND)  # -50 dBFS
    assert level.warning() == ''
    level.note_transcribed()
    assert '-50 dBFS' in level.warning()
    for _ in range(11):
        level.feed(np.full((16000, 1), -100, np.int16), SECOND)
    assert level.warning() == ''


def test_notes_that_are_loud_enough_are_not_told_of_until_they_are_long_past() -> None:
    level = PeakLevel()
    level.feed(np.array([[0], [-1000]], np.int16), SECOND)
    for _ in range(9):
        level.feed(np.full((1, 1), 50, np.int16), SECOND)
        level.note_transcribed()
    assert level.peak == pytest.approx(-30.3, abs=0.1)
    assert level.warning() == ''
    for _ in range(2):
        level.feed(np.full((1, 1), 50, np.int16), SECOND)
    assert level.peak == pytest.approx(-56.3, abs=0.1)
    assert 'turn the gain' in level.warning()
