# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a calibration decodes again and again is what the transcriber node hears."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from improv_ros.calibration.hop_outputs import HopOutputs, outputs_of
from improv_ros.calibration.refusal import CalibrationError
from improv_ros.calibration.room import Hearing, Room
from improv_ros.event_text import SECOND, is_note_on, note_off, note_on
from improv_ros.listening.transcription.streaming_transcriber import StreamingTranscriber
from improv_ros.listening.transcription.transcription_runtime import load_estimator
from improv_ros.listening.transcription.velocity_estimation import WEIGHTS
from improv_ros.listening.transcription.velocity_scale import VelocityScale
from improv_ros.playing.synth.rendering import render

SCALE = VelocityScale(WEIGHTS, (-60, 20), np.tile([1.0, 127.0], (88, 1)))


@pytest.fixture(scope='module')
def sound() -> np.ndarray:
    events = []
    for number, pitch in enumerate((60, 64, 67, 72, 48, 55)):
        begin = SECOND // 2 + number * SECOND * 4 // 10
        events.append(note_on(begin, pitch, 40 + 12 * number))
        events.append(note_off(begin + SECOND * 3 // 10, pitch))
    samples = render(events, sample_rate=16000, start=0, tail=1.0)
    return (samples.mean(axis=1) / 32768).astype(np.float32)


@pytest.fixture(scope='module')
def outputs(sound: np.ndarray) -> HopOutputs:
    estimator = load_estimator()
    blocks = np.array_split(sound, 7)
    return outputs_of(estimator, blocks)[estimator.latency_hops]


def live_notes(sound: np.ndarray, room: Room | None = None) -> list[tuple[float, int, int]]:
    estimator = load_estimator()
    if room:
        room.apply_to(estimator)
    transcriber = StreamingTranscriber(estimator)
    events = transcriber.process(sound) + transcriber.flush()
    return sorted((e.time / SECOND, *e.values[:2]) for e in events if is_note_on(e))


def test_notes_are_those_of_the_transcriber(sound: np.ndarray, outputs: HopOutputs) -> None:
    estimator = load_estimator()
    live = live_notes(sound)
    again = outputs.decode(estimator.decoding)
    assert len(live) >= 6
    assert [note.pitch for note in again] == [pitch for _, pitch, _ in live]
    for note, (onset, _, velocity) in zip(again, live, strict=True):
        assert note.onset - estimator.onset_bias == pytest.approx(onset, abs=0.001)
        assert note.velocity == pytest.approx(velocity, abs=1)


def test_a_room_changes_what_the_transcriber_hears(sound: np.ndarray, outputs: HopOutputs) -> None:
    estimator = load_estimator()
    decoding = {**estimator.decoding, 'onset_threshold': 0.7}
    room = Room('r', '2026-11-30', 'transcriber', {}, {}, 'port')
    room = replace(room, hearing={estimator.latency_hops: Hearing(0.02, decoding, SCALE)})
    live = live_notes(sound, room)
    again = outputs.decode(decoding, SCALE)
    assert [note.pitch for note in again] == [pitch for _, pitch, _ in live]
    for note, (onset, _, velocity) in zip(again, live, strict=True):
        assert note.onset - 0.02 == pytest.approx(onset, abs=0.001)
        assert note.velocity == pytest.approx(velocity, abs=2)
    with pytest.raises(CalibrationError, match='lag by 9 hops'):
        replace(room, hearing={9: Hearing()}).apply_to(estimator)


def test_outputs_are_kept_in_a_file(outputs: HopOutputs, tmp_path: Path) -> None:
    outputs.save(tmp_path / 'outputs.npz')
    again = HopOutputs.load(tmp_path / 'outputs.npz')
    assert again.latency_hops == outputs.latency_hops
    assert again.decode({}) == outputs.decode({})
