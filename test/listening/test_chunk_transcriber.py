# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Stamped chunks to events: lost, duplicate and late chunks, jitter and restarts."""

from __future__ import annotations

import numpy as np
import pytest

from improv_ros.event_text import SECOND, TimedEvent, is_note_off, is_note_on
from improv_ros.listening.capture.audio_chunk import AudioChunk
from improv_ros.listening.capture.resampling import ChunkResampler
from improv_ros.listening.transcription.estimator import LOWEST_PITCH, PITCHES, Estimate, Estimator
from improv_ros.listening.transcription.streaming_transcriber import (
    ChunkTranscriber,
    StreamingTranscriber,
)

RATE = 16000
CHUNK = 320
BEGAN = 1_700_000_000 * SECOND


class LevelEstimator(Estimator):
    """Hears one key, middle C, as long as there is any sound: enough to follow the stamps."""

    sample_rate = RATE
    hop = 160
    latency_hops = 0

    def reset(self) -> None:
        self._loud = False
        self.least, self.most = np.inf, -np.inf

    def step(self, samples: np.ndarray) -> Estimate:
        self.least = min(self.least, float(samples.min()))
        self.most = max(self.most, float(samples.max()))
        loud = bool(np.abs(samples).max() > 0.1)
        onset, frame, velocity = (np.zeros(PITCHES, np.float32) for _ in range(3))
        onset[60 - LOWEST_PITCH] = loud and not self._loud
        frame[60 - LOWEST_PITCH] = loud
        velocity[60 - LOWEST_PITCH] = 0.5
        self._loud = loud
        return Estimate(onset, frame, velocity)


def hearing() -> ChunkTranscriber:
    return ChunkTranscriber(StreamingTranscriber(LevelEstimator()))


def tone(seconds: float, begins: float, ends: float) -> list[AudioChunk]:
    """Return chunks of a recording that sounds from `begins` to `ends`, in seconds."""
    time = np.arange(int(seconds * RATE)) / RATE
    sound = np.where((time >= begins) & (time < ends), np.sin(2 * np.pi * 440 * time), 0)
    samples = (sound * 20000).astype(np.int16)[:, np.newaxis]
    return [
        AudioChunk(samples[start : start + CHUNK], RATE, BEGAN + start * SECOND // RATE, number)
        for number, start in enumerate(range(0, len(samples), CHUNK))
    ]


def hear(listener: ChunkTranscriber, chunks: list[AudioChunk]) -> list[TimedEvent]:
    return [event for chunk in chunks for event in listener.transcribe(chunk)]


def test_events_carry_the_time_of_the_sound() -> None:
    on, off = hear(hearing(), tone(2.0, 0.5, 1.0))
    assert (on.time - BEGAN) / SECOND == pytest.approx(0.5, abs=0.011)
    assert (off.time - BEGAN) / SECOND == pytest.approx(1.0, abs=0.05)


def test_jitter_of_the_stamps_is_averaged_out() -> None:
    random = np.random.default_rng(1)
    chunks = [
        AudioChunk(c.samples, RATE, c.time + int(random.normal(0, 5e6)), c.sequence)
        for c in tone(6.0, 5.0, 5.5)
    ]
    on, _ = hear(hearing(), chunks)
    assert (on.time - BEGAN) / SECOND == pytest.approx(5.0, abs=0.015)


def test_a_lost_chunk_is_counted_and_releases_what_sounds() -> None:
    listener = hearing()
    chunks = tone(2.0, 0.5, 1.5)
    before = hear(listener, chunks[:40])
    assert [is_note_on(event) for event in before] == [True]
    after = hear(listener, chunks[43:44])
    assert listener.lost == 3
    assert is_note_off(after[0])
    assert after[0].time <= chunks[43].time


def test_a_duplicate_chunk_is_transcribed_once() -> None:
    listener = hearing()
    events = [event for chunk in tone(2.0, 0.5, 1.0) for event in hear(listener, [chunk, chunk])]
    assert len(events) == 2
    assert listener.stale == len(tone(2.0, 0.5, 1.0))


def test_a_restarted_microphone_begins_a_new_stream_in_its_own_time() -> None:
    listener = hearing()
    assert len(hear(listener, tone(2.0, 0.5, 1.0))) == 2
    later = 60 * SECOND
    again = [AudioChunk(c.samples, RATE, c.time + later, c.sequence) for c in tone(2.0, 0.5, 1.0)]
    on, _ = hear(listener, again)
    assert (on.time - BEGAN - later) / SECOND == pytest.approx(0.5, abs=0.011)


@pytest.mark.parametrize('first', [1, 7, 1000])
def test_a_restarted_microphone_is_heard_though_its_first_chunks_are_lost(first: int) -> None:
    listener = hearing()
    chunks = tone(2.0, 0.5, 1.0)
    hear(listener, [AudioChunk(c.samples, RATE, c.time, c.sequence + 1005) for c in chunks])
    later = 60 * SECOND
    again = [AudioChunk(c.samples, RATE, c.time + later, c.sequence + first) for c in chunks]
    assert len(hear(listener, again)) == 2
    assert listener.stale == listener.lost == 0


def test_a_chunk_with_a_random_sequence_number_does_not_stop_transcription() -> None:
    listener = hearing()
    chunks = tone(2.0, 0.5, 1.0)
    odd = AudioChunk(chunks[0].samples, RATE, BEGAN + SECOND, 2**31 + 5)
    assert len(hear(listener, [*chunks[:10], odd, *chunks[10:]])) == 2
    assert listener.stale == 0


def test_stereo_at_another_rate_is_heard_at_the_same_time() -> None:
    rate = 44100
    time = np.arange(2 * rate) / rate
    sound = np.where((time >= 0.5) & (time < 1.0), np.sin(2 * np.pi * 440 * time), 0) * 20000
    samples = np.repeat(sound.astype(np.int16)[:, np.newaxis], 2, axis=1)
    chunks = [
        AudioChunk(samples[i : i + 1024], rate, BEGAN + i * SECOND // rate, number)
        for number, i in enumerate(range(0, len(samples), 1024))
    ]
    on, _ = hear(hearing(), chunks)
    assert (on.time - BEGAN) / SECOND == pytest.approx(0.5, abs=0.02)


def test_flush_releases_what_sounds() -> None:
    listener = hearing()
    hear(listener, tone(1.0, 0.5, 2.0))
    assert [is_note_off(event) for event in listener.flush()] == [True]
    assert listener.flush() == []


@pytest.mark.parametrize('rate', [16000, 44100, 48000])
@pytest.mark.parametrize('milliseconds', [10, 20])
def test_no_sound_waits_for_the_next_chunk(rate: int, milliseconds: int) -> None:
    """However the microphone converts it: when a chunk comes, all of it is understood."""
    microphone = ChunkResampler(RATE)
    listener = hearing()
    frames = rate * milliseconds // 1000
    for number in range(20):
        time = BEGAN + number * milliseconds * 1_000_000
        chunk = AudioChunk(np.ones((frames, 1), np.int16), rate, time, number)
        for piece in microphone.process(chunk):
            listener.transcribe(piece)
            assert len(listener.transcriber._pending) == 0


def test_with_rate_conversion_every_chunk_is_processed_to_its_end() -> None:
    listener = hearing()
    for number in range(20):
        time = BEGAN + number * 10_000_000
        listener.transcribe(AudioChunk(np.ones((480, 1), np.int16), 48000, time, number))
        assert len(listener.transcriber._pending) == 0


@pytest.mark.parametrize('rate', [16000, 48000])
def test_a_stream_with_a_constant_offset_begins_without_a_click(rate: int) -> None:
    listener = hearing()
    for number in range(20):
        time = BEGAN + number * 10_000_000
        samples = np.full((rate // 100 - 7, 1), 3000, np.int16)  # never a whole hop
        listener.transcribe(AudioChunk(samples, rate, time, number))
    estimator = listener.transcriber.estimator
    assert 0 <= estimator.most - estimator.least < 1e-3
