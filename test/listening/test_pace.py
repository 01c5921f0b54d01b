# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Transcription that is slower than the sound, on a simulated clock."""

from __future__ import annotations

import numpy as np
import pytest

from improv_ros.listening.capture.audio_chunk import AudioChunk
from improv_ros.listening.capture.pace import LONGEST_SKIP, MAX_BEHIND, Pace

MILLISECOND = 1_000_000
RATE = 16000
BEGAN = 1_700_000_000_000 * MILLISECOND


def chunk(number: int, milliseconds: int = 10, offset: int = 0) -> AudioChunk:
    samples = np.zeros((RATE * milliseconds // 1000, 1), np.int16)
    time = BEGAN + number * milliseconds * MILLISECOND + offset
    return AudioChunk(samples, RATE, time, number)


class Listener:
    """Hears chunks one after the other; each takes `cost` times as long as it lasts."""

    def __init__(self, cost: float) -> None:
        self.pace = Pace()
        self.cost = cost
        self.now = 0
        self.delays: list[int] = []  # ms, of the chunks heard
        self.heard: list[int] = []  # their numbers

    def listen(self, chunk: AudioChunk, arrives: int | None = None) -> None:
        end = chunk.time + chunk.duration
        self.now = max(self.now, end if arrives is None else arrives)
        if self.pace.should_skip(chunk, self.now):
            return
        took = round(self.cost * chunk.duration)
        self.now += took
        self.pace.processed(chunk, took)
        self.delays.append((self.now - end) // MILLISECOND)
        self.heard.append(chunk.sequence)


@pytest.mark.parametrize('milliseconds', [10, 20])
@pytest.mark.parametrize('cost', [1.05, 1.5, 5.0, 40.0])
def test_too_slow_transcription_skips_sound_and_stays_in_time(
    cost: float, milliseconds: int
) -> None:
    listener = Listener(cost)
    for number in range(60_000 // milliseconds):
        listener.listen(chunk(number, milliseconds))
    one = cost * milliseconds
    assert max(listener.delays) <= 1000 * MAX_BEHIND + 2 * one
    # No more is skipped than cannot be processed.
    heard = len(listener.heard) * milliseconds / 60_000
    assert heard == pytest.approx(1 / cost, rel=0.15)
    assert listener.pace.skipped == pytest.approx(60 * (1 - heard), abs=0.1)
    assert 'skipped' in listener.pace.warning()


def test_fast_transcription_skips_nothing() -> None:
    listener = Listener(0.3)
    for number in range(1000):
        listener.listen(chunk(number))
    assert listener.heard == list(range(1000))
    assert listener.pace.behind < 0.001
    assert listener.pace.real_time_factor == pytest.approx(0.3, abs=0.01)
    assert listener.pace.warning() == ''


def test_there_is_a_warning_before_sound_is_skipped() -> None:
    listener = Listener(0.9)
    for number in range(1000):
        listener.listen(chunk(number))
    assert listener.pace.skipped == 0
    assert '90 %' in listener.pace.warning()


def test_a_burst_after_a_network_delay_is_processed_in_full() -> None:
    listener = Listener(0.3)
    for number in range(1000):
        listener.listen(
            chunk(number), BEGAN + 3_000 * MILLISECOND if 200 <= number < 300 else None
        )
    assert listener.heard == list(range(1000))
    assert listener.pace.behind < 0.001


def test_after_a_moment_of_high_load_it_catches_up() -> None:
    listener = Listener(0.3)
    for number in range(500):
        listener.cost = 3.0 if 200 <= number < 320 else 0.3
        listener.listen(chunk(number))
    assert 0 < listener.pace.skipped < 1.5
    assert listener.pace.warning() == ''
    assert listener.delays[-1] == 3


@pytest.mark.parametrize('leap', [-3600, -2, 2, 3600])
def test_setting_the_clock_skips_nothing(leap: int) -> None:
    listener = Listener(0.9)
    arrivals = [chunk(number) for number in range(1000)]
    for number, plain in enumerate(arrivals):
        set_back = chunk(number, offset=leap * 1000 * MILLISECOND if number >= 500 else 0)
        listener.listen(set_back, plain.time + plain.duration)
    assert len(listener.heard) == 1000


def test_another_microphone_with_a_wrong_clock_is_skipped_for_a_second_only() -> None:
    """Its first number follows the last of the other by chance; all would seem too late."""
    listener = Listener(0.9)
    for number in range(500):
        listener.listen(chunk(number))
    for number in range(700, 1700):
        late = chunk(number, offset=-5000 * MILLISECOND)
        listener.listen(late, late.time + late.duration + 5000 * MILLISECOND)
    assert listener.pace.skipped <= LONGEST_SKIP + 0.02
    assert listener.heard[-800:] == list(range(900, 1700))
