# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Damaged, clipped, quiet or unusual audio is transcribed as well as possible, without errors."""

from __future__ import annotations

from pathlib import Path
import warnings

import numpy as np
import pytest
import soundfile

from improv_ros.event_text import is_note_on
from improv_ros.listening.capture import EndOfAudio, FileSource
from improv_ros.listening.capture.audio_chunk import AudioChunk, AudioChunkError, to_int16
from improv_ros.listening.transcription.spectral_estimator import SpectralEstimator
from improv_ros.listening.transcription.streaming_transcriber import (
    ChunkTranscriber,
    StreamingTranscriber,
)

RATE = 22050
PITCHES = [60, 67, 64, 72]


def melody(rate: int = RATE) -> np.ndarray:
    """A note every 400 ms, something like a piano's; peak about 0.4."""
    time = np.arange(round(0.4 * rate)) / rate
    swell = np.minimum(1, time / 0.004) * np.exp(-4 * time)
    notes = []
    for pitch in PITCHES:
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        partials = [np.sin(2 * np.pi * hertz * n * time) / n**1.5 for n in range(1, 7)]
        notes.append(0.25 * swell * np.sum(partials, axis=0))
    return np.concatenate(notes)


def heard(samples: np.ndarray, rate: int = RATE) -> list[int]:
    """The pitches heard in float samples of shape (frames,) or (frames, channels)."""
    if samples.ndim == 1:
        samples = samples[:, np.newaxis]
    frames = rate // 50
    transcriber = ChunkTranscriber(StreamingTranscriber(SpectralEstimator()))
    events = []
    for number, start in enumerate(range(0, len(samples), frames)):
        piece = to_int16(samples[start : start + frames])
        events += transcriber.transcribe(AudioChunk(piece, rate, start * 10**9 // rate, number))
    events += transcriber.flush()
    return [event.values[0] for event in events if is_note_on(event)]


def test_the_melody_is_heard() -> None:
    assert heard(melody()) == PITCHES


def test_nan_is_silence_and_infinity_is_clipped() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        samples = to_int16(np.array([np.nan, np.inf, -np.inf, 2.0, 0.5]))
    assert samples.tolist() == [0, 32767, -32768, 32767, 16384]


def test_transcription_goes_on_after_gaps_in_a_file(tmp_path: Path) -> None:
    sound = melody()
    sound[1000:1010] = np.nan
    sound[2000] = np.inf
    soundfile.write(tmp_path / 'holes.wav', sound, RATE, 'FLOAT')
    source = FileSource(tmp_path / 'holes.wav')
    source.open()
    transcriber = ChunkTranscriber(StreamingTranscriber(SpectralEstimator()))
    events = []
    with pytest.raises(EndOfAudio):
        while True:
            chunk = source.read(1.0)
            assert chunk is not None
            events += transcriber.transcribe(chunk)
    events += transcriber.flush()
    pitches = [event.values[0] for event in events if is_note_on(event)]
    assert pitches[-3:] == PITCHES[-3:]


@pytest.mark.parametrize('offset', [-0.3, 0.05, 0.3])
def test_a_constant_offset_changes_no_note(offset: float) -> None:
    assert heard(np.concatenate((np.full(RATE, offset), melody() + offset))) == PITCHES


def test_a_clipped_melody_is_heard() -> None:
    pitches = heard(np.clip(4 * melody(), -1, 1))
    assert [pitch for pitch in pitches if pitch in PITCHES] == PITCHES


def test_a_quiet_melody_is_heard() -> None:
    assert heard(0.1 * melody()) == PITCHES


@pytest.mark.parametrize('channels', [[1, 1], [1, 0], [0, 0, 0, 1]])
def test_channels_are_heard_together(channels: list[int]) -> None:
    assert heard(melody()[:, np.newaxis] * channels) == PITCHES


@pytest.mark.parametrize('rate', [8000, 11025, 16000, 44100, 48000, 96000, 192000])
def test_every_rate_is_heard(rate: int) -> None:
    assert heard(melody(rate), rate) == PITCHES


def test_eight_bits_are_enough() -> None:
    assert heard(np.round(melody() * 128) / 128) == PITCHES


@pytest.mark.parametrize('rate', [0, -1])
def test_no_rate_is_refused(rate: int) -> None:
    with pytest.raises(AudioChunkError, match='sample rate must be positive'):
        AudioChunk(np.zeros((10, 1), np.int16), rate, 0, 0)


@pytest.mark.parametrize('value', [0.0, 3e-5, -0.02])
def test_nothing_is_heard_in_silence(value: float) -> None:
    assert heard(np.full(3 * RATE, value)) == []
