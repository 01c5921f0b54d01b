# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import time

import numpy as np
import pytest
import soundfile

from improv_ros.listening.capture import EndOfAudio, FileSource, SourceError
from timing import PATIENCE, promised


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    phase = 2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate
    return np.column_stack([0.5 / (1 + channel) * np.sin(phase) for channel in range(channels)])


def read_all(source: FileSource) -> list:
    chunks = []
    with pytest.raises(EndOfAudio):
        while True:
            chunk = source.read(PATIENCE)
            assert chunk is not None
            chunks.append(chunk)
    return chunks


@pytest.mark.parametrize(
    ('name', 'subtype', 'rate', 'channels', 'exactness'),
    [
        ('a.wav', 'PCM_U8', 8000, 1, 1 / 127),
        ('a.wav', 'PCM_16', 44100, 2, 1 / 32000),
        ('a.wav', 'PCM_24', 48000, 1, 1 / 32000),
        ('a.wav', 'FLOAT', 96000, 3, 1 / 32000),
        ('a.flac', 'PCM_16', 16000, 1, 1 / 32000),
        ('a.ogg', 'VORBIS', 22050, 2, 0.1),
    ],
)
def test_any_format_is_read_to_its_end(tmp_path, name, subtype, rate, channels, exactness):
    sound = tone(0.15, rate, channels)
    soundfile.write(tmp_path / name, sound, rate, subtype)
    source = FileSource(tmp_path / name)
    source.open()
    chunks = read_all(source)
    source.close()
    assert (source.sample_rate, source.channels) == (rate, channels)
    heard = np.concatenate([chunk.samples for chunk in chunks]) / 32768
    assert heard.shape == sound.shape
    assert np.abs(heard - sound).max() <= exactness
    assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))


def test_a_recording_takes_as_long_as_it_sounds(tmp_path):
    soundfile.write(tmp_path / 'a.wav', tone(1.0, 11025), 11025)
    source = FileSource(tmp_path / 'a.wav', chunk_seconds=0.02)
    began = time.monotonic_ns()
    source.open()
    source.read(PATIENCE)
    time.sleep(0.2)  # a pause of the reader must not delay what follows
    for chunk in read_all(source):
        assert began <= chunk.time <= time.monotonic_ns() - chunk.duration
    assert 0.99 < (time.monotonic_ns() - began) / 1e9 < promised(1.15)


def test_stamps_follow_the_frames_without_drift(tmp_path):
    soundfile.write(tmp_path / 'a.wav', tone(0.5, 11025), 11025)
    source = FileSource(tmp_path / 'a.wav', chunk_seconds=0.017)
    source.open()
    chunks = read_all(source)
    frames = 0
    for chunk in chunks:
        assert abs(chunk.time - chunks[0].time - frames * 1e9 / 11025) <= 1
        frames += chunk.frames


def test_no_chunk_comes_before_it_is_due(tmp_path):
    soundfile.write(tmp_path / 'a.wav', tone(4.0, 8000), 8000)
    source = FileSource(tmp_path / 'a.wav', chunk_seconds=2.0)
    source.open()
    began = time.monotonic()
    assert source.read(0.05) is None
    assert time.monotonic() - began < promised(0.4)
    chunk = source.read(PATIENCE)
    assert time.monotonic_ns() >= chunk.time + chunk.duration


def test_a_loop_goes_on_without_a_seam(tmp_path):
    sound = tone(0.05, 8000)
    soundfile.write(tmp_path / 'a.wav', sound, 8000)
    source = FileSource(tmp_path / 'a.wav', loop=True, chunk_seconds=0.02)
    source.open()
    heard = np.concatenate([source.read(PATIENCE).samples for _ in range(10)]) / 32768
    assert len(heard) == 1600
    assert np.abs(heard - np.tile(sound, (4, 1))).max() < 1e-4


@pytest.mark.parametrize(
    ('content', 'complaint'), [(None, 'no audio file'), (b'this is no sound', 'not an audio file')]
)
def test_a_file_that_is_no_sound_is_named(tmp_path, content, complaint):
    path = tmp_path / 'silly.wav'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=complaint) as caught:
        FileSource(path).open()
    assert 'silly.wav' in str(caught.value)


def test_damage_in_the_midst_of_a_recording_is_named(tmp_path):
    path = tmp_path / 'damaged.flac'
    soundfile.write(path, np.random.default_rng(3).normal(0, 0.1, 44100), 44100)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 4] + bytes(len(data) * 3 // 4))
    source = FileSource(path)
    source.open()
    with pytest.raises(SourceError, match=r'damaged\.flac is damaged'):
        while True:
            source.read(PATIENCE)


def test_an_empty_recording_is_refused(tmp_path):
    soundfile.write(tmp_path / 'empty.wav', np.zeros((0, 1)), 8000)
    with pytest.raises(SourceError, match='no frames'):
        FileSource(tmp_path / 'empty.wav', loop=True).open()


def test_a_source_opens_again_from_the_beginning(tmp_path):
    soundfile.write(tmp_path / 'a.wav', tone(0.1, 8000), 8000)
    source = FileSource(tmp_path / 'a.wav')
    source.open()
    first = source.read(PATIENCE)
    source.open()
    again = source.read(PATIENCE)
    assert again.sequence == 0
    assert again.time > first.time
    assert np.array_equal(again.samples, first.samples)
    source.close()
    source.close()
    with pytest.raises(SourceError, match='not open'):
        source.read(0.1)


@pytest.mark.filterwarnings('error')
def test_what_is_no_number_in_a_recording_is_silence_and_too_loud_is_clipped(tmp_path):
    sound = tone(0.1, 16000)
    sound[100:110, 0] = np.nan
    sound[200:203, 0] = np.inf, -np.inf, 7.0
    soundfile.write(tmp_path / 'a.wav', sound, 16000, 'FLOAT')
    source = FileSource(tmp_path / 'a.wav')
    source.open()
    heard = np.concatenate([chunk.samples for chunk in read_all(source)])[:, 0]
    source.close()
    assert not heard[100:110].any()
    assert heard[200:203].tolist() == [32767, -32768, 32767]
    assert np.abs(heard[300:] / 32768 - sound[300:, 0]).max() < 1e-4
