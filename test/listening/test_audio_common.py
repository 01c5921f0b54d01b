# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Sound in the layouts of the packages `audio_common_msgs`, in stand-ins for their messages."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from improv_ros.listening.capture.audio_chunk import AudioChunkError
from improv_ros.listening.capture.audio_common import (
    GSTREAMER_FORMATS,
    PORTAUDIO_FORMATS,
    PcmFormat,
    gstreamer_format,
    portaudio_chunk,
)

HALF_SCALE = 16384
# One frame of two channels: half of full scale up, and full scale down.
FRAME = {
    'i1': [64, -128],
    'u1': [192, 0],
    'i2': [HALF_SCALE, -32768],
    'i4': [2**30, -(2**31)],
    'f4': [0.5, -1.0],
}


def audio_info(**changed: Any) -> SimpleNamespace:
    """Return what stands in for `AudioInfo` of ros-drivers, as its audio_capture fills it."""
    fields = {
        'channels': 2,
        'sample_rate': 16000,
        'sample_format': 'S16LE',
        'bitrate': 192,
        'coding_format': 'wave',
    }
    return SimpleNamespace(**fields | changed)


def portaudio(flag: int, samples: array[Any], channels: int = 2, rate: int = 16000) -> Any:
    """Return what stands in for `Audio` of mgonzs13."""
    fields: dict[str, array[Any]] = {
        field: array(np.dtype(kind).char) for field, kind in PORTAUDIO_FORMATS.values()
    }
    if flag in PORTAUDIO_FORMATS:
        fields[PORTAUDIO_FORMATS[flag][0]] = samples
    info = SimpleNamespace(format=flag, channels=channels, rate=rate, chunk=len(samples))
    return SimpleNamespace(audio_data=SimpleNamespace(**fields), info=info)


@pytest.mark.parametrize('name', GSTREAMER_FORMATS)
def test_bytes_of_every_format_of_gstreamer_become_the_same_chunk(name: str) -> None:
    samples = np.array([FRAME[GSTREAMER_FORMATS[name][-2:]]] * 3, GSTREAMER_FORMATS[name])
    data = array('B', samples.tobytes())  # as rclpy gives uint8[]
    chunk = gstreamer_format(audio_info(sample_format=name)).chunk(data, 7, 9)
    assert chunk.samples.tolist() == [[HALF_SCALE, -32768]] * 3
    assert (chunk.sample_rate, chunk.time, chunk.sequence) == (16000, 7, 9)


@pytest.mark.parametrize('flag', PORTAUDIO_FORMATS)
def test_samples_of_every_format_of_portaudio_become_the_same_chunk(flag: int) -> None:
    kind = PORTAUDIO_FORMATS[flag][1]
    samples = array(np.dtype(kind).char, FRAME[kind] * 3)
    chunk = portaudio_chunk(portaudio(flag, samples), 7, 9)
    assert chunk.samples.tolist() == [[HALF_SCALE, -32768]] * 3
    assert (chunk.sample_rate, chunk.time, chunk.sequence) == (16000, 7, 9)


def test_floats_that_are_no_sound_do_not_pass() -> None:
    samples = array('f', [float('nan'), 2.0, float('-inf')])
    chunk = portaudio_chunk(portaudio(0x01, samples, channels=1), 0, 0)
    assert chunk.samples.tolist() == [[0], [32767], [-32768]]


@pytest.mark.parametrize(
    ('changed', 'data', 'complaint'),
    [
        ({'coding_format': 'mp3'}, bytes(8), 'the sound is mp3: start audio_capture with format'),
        ({'sample_format': 'A24'}, bytes(8), 'sample format A24 is not supported'),
        ({}, bytes(7), '7 bytes are no whole number of frames of 2 channels, int16'),
        ({}, bytes(6), '6 bytes are no whole number of frames'),
        ({}, b'', '0 elements of 2 channels are not audio'),
        ({'channels': 0}, bytes(8), '8 elements of 0 channels'),
        ({'sample_rate': 0}, bytes(8), 'the sample rate 0 Hz'),
        ({'sample_rate': 8000}, bytes(8000 * 2 * 2 + 4), 'over the 1 s a chunk may last'),
    ],
)
def test_what_is_no_sound_is_refused(changed: dict[str, Any], data: bytes, complaint: str) -> None:
    with pytest.raises(AudioChunkError, match=complaint):
        gstreamer_format(audio_info(**changed)).chunk(data, 0, 0)


def test_a_format_of_portaudio_without_a_field_is_refused() -> None:
    with pytest.raises(AudioChunkError, match='format 4 is not supported'):
        portaudio_chunk(portaudio(0x04, array('b')), 0, 0)  # packed 24 bits
    with pytest.raises(AudioChunkError, match='0 elements'):
        portaudio_chunk(portaudio(0x08, array('h')), 0, 0)  # the samples are in another field
    with pytest.raises(AudioChunkError, match='-1 channels'):
        portaudio_chunk(portaudio(0x08, array('h', [1]), channels=-1), 0, 0)


def test_the_samples_of_a_chunk_can_be_changed() -> None:
    chunk = PcmFormat('<i2', 1, 16000).chunk(b'\1\0', 0, 0)
    chunk.samples[0, 0] = 5
    assert chunk.mono()[0] == np.float32(5 / 32768)
