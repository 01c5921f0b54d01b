# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""One chunk of PCM and its layout on the `audio` topic.

A chunk is sent as a `std_msgs/Int16MultiArray` whose layout describes it completely, so that a
late subscriber understands the first chunk it receives. This module has the layout as plain data,
without ROS: `to_layout` returns the (label, size, stride) of every dimension; `from_layout` reads
them back and rejects any other layout.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from improv_ros.event_text import SECOND

LABELS = ('frames', 'channels', 'sample_rate', 'sequence', 'stamp_sec', 'stamp_nanosec')
SEQUENCE_MODULUS = 2**32

# Limits of a received chunk; the microphone's chunks are 5 to 100 ms long.
LONGEST = 1.0  # seconds
HIGHEST_RATE = 768_000  # Hz

_FULL_SCALE = 32768.0

Dimension = tuple[str, int, int]


class AudioChunkError(ValueError):
    """The samples or the layout of a chunk are invalid; the message says what is wrong."""


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """Consecutive frames of one recording.

    samples: int16, shape (frames, channels). sample_rate: Hz. time: of the first frame, in
    nanoseconds of the clock of its source. sequence: number of the chunk, from 0; wraps at 2**32.
    """

    samples: npt.NDArray[np.int16]
    sample_rate: int
    time: int
    sequence: int

    def __post_init__(self) -> None:
        if self.samples.dtype != np.int16 or self.samples.ndim != 2:
            raise AudioChunkError(
                'samples must be int16 of shape (frames, channels), not '
                f'{self.samples.dtype} of shape {self.samples.shape}'
            )
        if self.samples.shape[1] < 1:
            raise AudioChunkError('a chunk needs at least one channel')
        if self.sample_rate < 1:
            raise AudioChunkError(f'the sample rate must be positive, not {self.sample_rate}')

    @property
    def frames(self) -> int:
        return self.samples.shape[0]

    @property
    def channels(self) -> int:
        return self.samples.shape[1]

    @property
    def duration(self) -> int:
        """Nanoseconds from the first frame to the one after the last."""
        return self.frames * SECOND // self.sample_rate

    @property
    def data(self) -> 'array[int]':
        """The interleaved samples, in the type that rclpy takes without checking each element."""
        return array('h', self.samples.tobytes())

    def mono(self) -> npt.NDArray[np.float32]:
        """Return the mean of the channels, float32 in [-1, 1), shape (frames,)."""
        return self.samples.mean(axis=1, dtype=np.float32) / np.float32(_FULL_SCALE)


def to_int16(samples: npt.NDArray[np.floating]) -> npt.NDArray[np.int16]:
    """Round samples with full scale 1.0 to int16; values beyond are clipped, NaN becomes 0."""
    scaled = np.rint(np.multiply(np.nan_to_num(samples, nan=0, posinf=1, neginf=-1), _FULL_SCALE))
    return np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def to_layout(chunk: AudioChunk) -> list[Dimension]:
    """Return the (label, size, stride) of each dimension; the samples are `chunk.data`.

    Only the first two dimensions are dimensions of the data and have strides; the others carry
    their value as their size. Raises AudioChunkError for a time outside the range of ROS time.
    """
    seconds, nanoseconds = divmod(chunk.time, SECOND)
    if not 0 <= seconds < 2**32:
        raise AudioChunkError(f'the time {chunk.time} ns is outside the range of a ROS time')
    return [
        ('frames', chunk.frames, chunk.frames * chunk.channels),
        ('channels', chunk.channels, chunk.channels),
        ('sample_rate', chunk.sample_rate, 0),
        ('sequence', chunk.sequence % SEQUENCE_MODULUS, 0),
        ('stamp_sec', seconds, 0),
        ('stamp_nanosec', nanoseconds, 0),
    ]


def from_layout(
    dimensions: Sequence[Dimension], data: Sequence[int], data_offset: int = 0
) -> AudioChunk:
    """Return the chunk that a layout describes; it shares memory with `data` if that is an array.

    dimensions: (label, size, stride) as in the message. data: the interleaved int16 samples.
    Raises AudioChunkError.
    """
    labels = tuple(label for label, _, _ in dimensions)
    if labels != LABELS:
        raise AudioChunkError(
            f'the layout must have the dimensions {", ".join(LABELS)}; '
            f'it has {", ".join(map(repr, labels)) or "none"}'
        )
    if data_offset != 0:
        raise AudioChunkError(f'data_offset must be 0, not {data_offset}')
    frames, channels, sample_rate, sequence, seconds, nanoseconds = (
        size for _, size, _ in dimensions
    )
    if frames < 0 or channels < 1:
        raise AudioChunkError(f'{frames} frames of {channels} channels are not audio')
    for (label, _, stride), true_stride in zip(
        dimensions[:2], (frames * channels, channels), strict=True
    ):
        if stride != true_stride:
            raise AudioChunkError(f'the stride of {label} must be {true_stride}, not {stride}')
    if len(data) != frames * channels:
        raise AudioChunkError(
            f'{frames} frames of {channels} channels need {frames * channels} samples; '
            f'there are {len(data)}'
        )
    check_limits(frames, sample_rate)
    if not 0 <= sequence < SEQUENCE_MODULUS:
        raise AudioChunkError(f'the sequence {sequence} is outside 0 to 2**32 - 1')
    if seconds < 0 or not 0 <= nanoseconds < SECOND:
        raise AudioChunkError(f'the stamp {seconds} s {nanoseconds} ns is not a time')
    return AudioChunk(
        _as_int16(data).reshape(frames, channels),
        sample_rate,
        seconds * SECOND + nanoseconds,
        sequence,
    )


def check_limits(frames: int, sample_rate: int) -> None:
    """Raise AudioChunkError where a received chunk has an impossible rate or is too long."""
    if not 1 <= sample_rate <= HIGHEST_RATE:
        raise AudioChunkError(f'the sample rate {sample_rate} Hz is outside 1 to {HIGHEST_RATE}')
    if frames > LONGEST * sample_rate:
        raise AudioChunkError(
            f'{frames} frames at {sample_rate} Hz are over the {LONGEST:g} s a chunk may last'
        )


def _as_int16(data: Sequence[int]) -> npt.NDArray[np.int16]:
    samples = np.asarray(data)
    if samples.dtype == np.int16 or samples.size == 0:
        return samples.astype(np.int16, copy=False)
    if samples.dtype.kind not in 'iu':
        raise AudioChunkError(f'the samples must be whole numbers, not {samples.dtype}')
    if samples.min() < -_FULL_SCALE or samples.max() >= _FULL_SCALE:
        raise AudioChunkError('a sample is outside the range of int16')
    return samples.astype(np.int16)
