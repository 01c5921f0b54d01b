# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Bad conditions are told in words, before two minutes are spent."""

from __future__ import annotations

import numpy as np

from improv_ros.calibration.conditions import (
    problem_of_hearing,
    problem_of_notes,
    problem_of_silence,
)
from improv_ros.calibration.note_program import SentNote
from improv_ros.calibration.recorded_sound import RecordedSound
from improv_ros.event_text import SECOND
from improv_ros.listening.capture.audio_chunk import AudioChunk

RATE = 16000
NOISE = (1e-3 * np.random.default_rng(1).standard_normal(2 * RATE)).astype(np.float32)
ONSETS = [0.3, 0.8, 1.3]


def sound_of_notes(amplitude: float) -> np.ndarray:
    time = np.arange(2 * RATE) / RATE
    sound = NOISE.astype(np.float64)
    for onset in ONSETS:
        since = np.maximum(time - onset, 0)
        sound += amplitude * (time >= onset) * np.exp(-3 * since) * np.sin(2765 * since)
    return np.clip(sound, -1, 1).astype(np.float32)


def test_good_conditions_are_no_problem() -> None:
    assert problem_of_silence(NOISE, RATE) == ''
    assert problem_of_notes(sound_of_notes(0.3), RATE, NOISE, ONSETS, 'synth') == ''


def test_somebody_talks() -> None:
    talk = NOISE.copy()
    talk[8000:16000] *= 60
    assert 'somebody talks' in problem_of_silence(talk, RATE)
    assert 'plugged in' in problem_of_silence(NOISE[:0], RATE)


def test_muted_clipping_or_nothing_heard_of_the_piano() -> None:
    assert 'muted' in problem_of_notes(np.zeros(RATE, np.float32), RATE, NOISE, ONSETS, 'port')
    assert 'clipped' in problem_of_notes(sound_of_notes(3.0), RATE, NOISE, ONSETS, 'port')
    assert 'switched on' in problem_of_notes(NOISE, RATE, NOISE, ONSETS, 'port')
    assert 'loudspeaker' in problem_of_notes(NOISE, RATE, NOISE, ONSETS, 'synth')
    assert 'played nothing' in problem_of_notes(NOISE, RATE, NOISE, [], 'port')


def test_what_is_heard_is_something_else() -> None:
    sent = [SentNote(0.5 * n, 0.5 * n + 0.2, 60 + n, 90) for n in range(6)]
    assert problem_of_hearing(sent, sent, 6) == ''
    assert 'only 1 of 6' in problem_of_hearing(sent, sent[:1], 1)
    assert 'transposed' in problem_of_hearing(sent, sent, 0)


def test_lost_chunks_do_not_move_later_sound_and_jitter_does_not_move_the_beginning() -> None:
    sound = RecordedSound(RATE)
    begin = 7 * SECOND
    for number in range(200):
        if number in (50, 51):
            continue
        samples = np.full((160, 1), 100 * (number == 100), np.int16)
        late = 3_000_000 * (number % 10 == 0)
        sound.feed(AudioChunk(samples, RATE, begin + number * SECOND // 100 + late, number))
    assert abs(sound.lost - 0.02) < 0.004
    assert abs(np.flatnonzero(sound.samples)[0] / RATE - 1.0) < 0.004
    origin, rate = sound.origin()
    assert abs(origin - begin) < SECOND / 1000
    assert rate == 1.0
