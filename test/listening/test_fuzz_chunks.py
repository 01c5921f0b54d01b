# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whatever layout and samples come in, a chunk is read or refused by its own error."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from improv_ros.listening.capture.audio_chunk import (
    HIGHEST_RATE,
    LABELS,
    LONGEST,
    AudioChunk,
    AudioChunkError,
    from_layout,
    to_layout,
)

words = st.integers(0, 2**32 - 1)
sizes = st.one_of(st.integers(0, 64), st.sampled_from([16000, 768_000, 10**9, 2**31]), words)
samples = st.one_of(
    st.lists(st.integers(-(2**15), 2**15 - 1), max_size=64).map(lambda data: array('h', data)),
    st.lists(st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=3), max_size=8),
)


def survive(dimensions, data, offset):
    """Read a chunk; what is taken must be one that a listener can bear, and write back."""
    try:
        chunk = from_layout(dimensions, data, offset)
    except AudioChunkError as error:
        assert str(error)
        return
    assert isinstance(chunk, AudioChunk)
    assert chunk.frames * chunk.channels == len(data)
    assert chunk.frames <= LONGEST * chunk.sample_rate <= HIGHEST_RATE
    assert chunk.mono().shape == (chunk.frames,)
    assert to_layout(chunk) == list(dimensions)[:2] + [(d[0], d[1], 0) for d in dimensions[2:]]


@given(st.lists(st.tuples(st.sampled_from(LABELS) | st.text(), sizes, sizes)), samples, sizes)
def test_any_layout(dimensions, data, offset):
    survive(dimensions, data, offset)


@given(samples, st.integers(1, 4), st.lists(st.tuples(st.integers(0, 5), sizes), max_size=2))
def test_a_right_layout_with_wrong_numbers(data, channels, wrong):
    frames = len(data) // channels
    values = [frames, channels, 16000, 9, 5, 7]
    strides = [frames * channels, channels, 0, 0, 0, 0]
    for place, value in wrong:
        values[place] = value
    survive(list(zip(LABELS, values, strides, strict=True)), data, 0)
