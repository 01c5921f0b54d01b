# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from array import array

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from improv_ros.listening.capture.audio_chunk import (
    AudioChunk,
    AudioChunkError,
    from_layout,
    to_int16,
    to_layout,
)


def chunk_of(frames: int, channels: int, rate=44100, time=5_000_000_007, sequence=9) -> AudioChunk:
    samples = np.arange(frames * channels, dtype=np.int16).reshape(frames, channels)
    return AudioChunk(samples, rate, time, sequence)


def test_the_layout_names_everything_a_listener_needs():
    assert to_layout(chunk_of(3, 2)) == [
        ('frames', 3, 6),
        ('channels', 2, 2),
        ('sample_rate', 44100, 0),
        ('sequence', 9, 0),
        ('stamp_sec', 5, 0),
        ('stamp_nanosec', 7, 0),
    ]


def test_the_data_is_interleaved():
    left_and_right = np.array([[1, -1], [2, -2]], np.int16)
    assert AudioChunk(left_and_right, 8000, 0, 0).data == array('h', [1, -1, 2, -2])


@given(
    frames=st.integers(0, 50),
    channels=st.integers(1, 8),
    rate=st.integers(50, 192000),
    time=st.integers(0, 2**32 * 10**9 - 1),
    sequence=st.integers(0, 2**32 - 1),
)
def test_a_chunk_survives_the_trip(frames, channels, rate, time, sequence):
    chunk = chunk_of(frames, channels, rate, time, sequence)
    back = from_layout(to_layout(chunk), chunk.data)
    assert np.array_equal(back.samples, chunk.samples)
    assert (back.sample_rate, back.time, back.sequence) == (rate, time, sequence)


def test_plain_lists_are_taken_too():
    chunk = chunk_of(3, 2)
    assert np.array_equal(from_layout(to_layout(chunk), list(chunk.data)).samples, chunk.samples)


def test_the_sequence_wraps():
    assert to_layout(chunk_of(1, 1, sequence=2**32 + 3))[3] == ('sequence', 3, 0)


def changed(position: int, dimension: tuple) -> list:
    layout = to_layout(chunk_of(3, 2))
    layout[position] = dimension
    return layout


@pytest.mark.parametrize(
    ('layout', 'complaint'),
    [
        ([], 'none'),
        (to_layout(chunk_of(3, 2))[:5], 'stamp_nanosec'),
        (changed(0, ('samples', 3, 6)), "'samples'"),
        (changed(0, ('frames', 4, 8)), '8 samples; there are 6'),
        (changed(0, ('frames', 3, 3)), 'stride of frames must be 6'),
        (changed(1, ('channels', 2, 1)), 'stride of channels must be 2'),
        (changed(1, ('channels', 0, 0)), '0 channels'),
        (changed(2, ('sample_rate', 0, 0)), 'sample rate'),
        (changed(2, ('sample_rate', 768_001, 0)), 'sample rate'),
        (changed(2, ('sample_rate', 2, 0)), '3 frames at 2 Hz are over the 1 s'),
        (changed(3, ('sequence', 2**32, 0)), 'sequence'),
        (changed(5, ('stamp_nanosec', 10**9, 0)), 'stamp'),
    ],
)
def test_a_wrong_layout_is_refused_by_name(layout, complaint):
    with pytest.raises(AudioChunkError, match=complaint):
        from_layout(layout, chunk_of(3, 2).data)


@pytest.mark.parametrize('data', [[0, 0, 0, 0, 0, 40000], [0, 0, 0, 0, 0, -40000], [0.5] * 6])
def test_samples_that_are_no_int16_are_refused(data):
    with pytest.raises(AudioChunkError):
        from_layout(to_layout(chunk_of(3, 2)), data)


def test_a_data_offset_is_refused():
    chunk = chunk_of(3, 2)
    with pytest.raises(AudioChunkError, match='data_offset'):
        from_layout(to_layout(chunk), chunk.data, 1)


@pytest.mark.parametrize('time', [-1, 2**32 * 10**9])
def test_a_time_that_no_stamp_can_hold_is_refused(time):
    with pytest.raises(AudioChunkError, match='time'):
        to_layout(chunk_of(1, 1, time=time))


def test_samples_of_a_wrong_shape_or_type_are_refused():
    with pytest.raises(AudioChunkError, match='shape'):
        AudioChunk(np.zeros(3, np.int16), 8000, 0, 0)
    with pytest.raises(AudioChunkError, match='float32'):
        AudioChunk(np.zeros((3, 1), np.float32), 8000, 0, 0)


def test_mono_is_the_mean_at_full_scale_one():
    samples = np.array([[16384, 0], [-32768, -32768]], np.int16)
    assert AudioChunk(samples, 8000, 0, 0).mono().tolist() == [0.25, -1.0]


def test_floats_are_rounded_and_clipped_to_int16():
    assert to_int16(np.array([0.0, 1.0, -1.5, 1.6 / 32768])).tolist() == [0, 32767, -32768, 2]
