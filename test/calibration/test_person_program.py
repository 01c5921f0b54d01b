# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A room is fitted to keys that a person pressed: which and when is told by the sound alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from improv_ros.calibration.hop_outputs import HeardNote, outputs_of
from improv_ros.calibration.person_program import REQUESTS, Span, person_notes
from improv_ros.calibration.room import Room
from improv_ros.calibration.room_fit import Recorded, Shipped, fit_room
from improv_ros.event_text import SECOND, note_off, note_on
from improv_ros.listening.transcription.transcription_runtime import (
    NetworkEstimator,
    load_estimator,
)
from improv_ros.playing.synth.rendering import render

STEP = 0.4  # seconds between keys
PRESSED = {49: 35, 80: 70, 96: 105}  # by the velocity that was asked for: this person plays wider


def keys_of(number: int) -> int:
    return 43 + number * 11 % 40


@pytest.fixture(scope='module')
def recorded() -> tuple[Recorded, Shipped, list[float]]:
    """Provide what a person played on the synthesiser, and when each key really sounded."""
    events, times, spans = [], [], []
    time = 1.0
    for request in REQUESTS:
        begin = time
        for _ in range(request.notes):
            pitch, velocity = keys_of(len(times)), PRESSED[request.velocity]
            onset = round(time * SECOND)
            events += [note_on(onset, pitch, velocity)]
            events += [note_off(onset + round(0.7 * STEP * SECOND), pitch)]
            times.append(time)
            time += STEP
        spans.append(Span(begin - 0.1, time, request.velocity))
        time += 2.0
    estimator = load_estimator()
    assert isinstance(estimator, NetworkEstimator) and estimator.confirmation
    rate = estimator.sample_rate
    rendered = render(events, sample_rate=rate, start=0, tail=1.5)
    samples = (rendered.mean(axis=1) / 32768).astype(np.float32)
    samples += np.random.default_rng(1).normal(0, 1e-3, len(samples)).astype(np.float32)
    outputs = outputs_of(estimator, [samples])
    later = estimator.confirmation
    heard = outputs[later.latency_hops].decode(later.decoding)
    sent = person_notes(heard, spans, samples, rate, later.onset_bias)
    shipped = Shipped(
        estimator.latency_hops,
        estimator.onset_bias,
        dict(estimator.decoding),
        {later.latency_hops: dict(later.decoding)},
    )
    return Recorded(samples, rate, sent, outputs, by_person=True), shipped, times


def test_which_keys_were_pressed_and_when_is_found_in_the_sound(
    recorded: tuple[Recorded, Shipped, list[float]],
) -> None:
    sent, times = recorded[0].sent, recorded[2]
    assert len(sent) > 0.9 * len(times)
    late = []
    for note in sent:
        number = int(np.argmin(np.abs(np.array(times) - note.onset)))
        assert note.pitch == keys_of(number)
        assert note.velocity == REQUESTS[number // REQUESTS[0].notes].velocity
        late.append(note.onset - times[number])
    assert np.std(late) < 0.005  # the synthesiser itself is late by some time


@pytest.mark.parametrize(('octave_below', 'key'), [(85, 67), (40, 79)])
def test_of_a_key_and_its_octave_the_lower_counts_if_it_is_about_as_loud(
    octave_below: int, key: int
) -> None:
    rate = 16000
    samples = np.zeros(rate, np.float32)
    samples[rate // 2 :] = np.sin(2 * np.pi * 784 * np.arange(rate // 2) / rate)  # G5
    heard = [HeardNote(0.5, 0.9, 79, 89, 50), HeardNote(0.51, 0.9, 67, octave_below, 51)]
    notes = person_notes(heard, [Span(0.0, 1.0, 80)], samples, rate, 0.0)
    assert [note.pitch for note in notes] == [key]


def test_bias_velocities_and_tuning_are_fitted_and_nothing_else(
    recorded: tuple[Recorded, Shipped, list[float]],
) -> None:
    room = Room('parlour', '2026-12-01', 'transcriber', {}, {}, 'a person')
    room, points = fit_room(room, recorded[0], recorded[1])
    assert room.latency is None
    assert 'nobody knows when a person' in room.not_fitted['latency']
    assert 'thresholds (heard)' in room.not_fitted
    hearing = room.hearing[recorded[1].delay]
    assert hearing.onset_bias is not None and hearing.decoding is None
    assert abs(np.mean(points.error_after)) < 0.002
    assert hearing.scale is not None
    for asked, pressed in PRESSED.items():
        assert np.median(points.heard_after[points.struck == asked]) == pytest.approx(asked, abs=6)
        assert pressed != asked
    assert room.tuning is not None and abs(room.tuning.cents) < 5


def test_options_of_the_player_are_refused_where_a_person_plays() -> None:
    command = [sys.executable, '-m', 'improv_ros.cli', 'calibrate', 'parlour', '--person']
    refused = subprocess.run([*command, '--port=Clavinova'], capture_output=True, text=True)
    assert refused.returncode == 2
    assert '--port is about what the robot plays on' in refused.stderr


@pytest.mark.parametrize(
    ('option', 'words'),
    [
        ('--simulate', '--simulate needs a body'),
        ('--body=piano_88 --port=Clavinova', '--port are'),
    ],
)
def test_options_of_a_body_that_contradict_each_other_are_refused(option: str, words: str) -> None:
    command = [sys.executable, '-m', 'improv_ros.cli', 'calibrate', 'parlour', *option.split()]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 2
    assert words in refused.stderr
