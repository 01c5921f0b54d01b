"""One chunk of PCM and its layout on the `audio` topic.

A chunk travels as a `std_msgs/Int16MultiArray` whose layout names all that a listener needs, so
that whoever joins late understands the next chunk it sees. Here is that layout as plain data,
without ROS: `to_layout` gives the (label, size, stride) of every dimension, `from_layout` reads
them back and refuses whatever it does not understand.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LABELS = ('frames', 'channels', 'sample_rate', 'sequence', 'stamp_sec', 'stamp_nanosec')
SEQUENCE_MODULUS = 2**32

# What a listener takes; a microphone's chunks are 10 to 20 ms long.
LONGEST = 1.0  # seconds
HIGHEST_RATE = 768_000  # Hz

_NANOSECONDS = 1_000_000_000
_FULL_SCALE = 32768.0

Dimension = tuple[str, int, int]


class AudioChunkError(ValueError):
    """The samples or the layout of a chunk are not what this package speaks."""


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """Consecutive frames of one recording.

    samples: int16, shape (frames, channels). sample_rate: Hz. time: of the first frame, in
    nanoseconds of whatever clock its maker uses. sequence: counts the chunks of its maker from 0
    and wraps at 2**32.
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
        return self.frames * _NANOSECONDS // self.sample_rate

    @property
    def data(self) -> 'array[int]':
        """The samples interleaved, in the form that rclpy takes without looking at each."""
        return array('h', self.samples.tobytes())

    def mono(self) -> npt.NDArray[np.float32]:
        """The mean of the channels, float32 in [-1, 1), shape (frames,)."""
        return self.samples.mean(axis=1, dtype=np.float32) / np.float32(_FULL_SCALE)


def to_int16(samples: npt.NDArray[np.floating]) -> npt.NDArray[np.int16]:
    """Round samples of full scale 1.0 to int16, clipping what is beyond; no number is silence."""
    scaled = np.rint(np.multiply(np.nan_to_num(samples, nan=0, posinf=1, neginf=-1), _FULL_SCALE))
    return np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def to_layout(chunk: AudioChunk) -> list[Dimension]:
    """The (label, size, stride) of each dimension; the samples are `chunk.data`.

    Only the first two dimensions lie in the data and have strides; the others carry their value
    as their size. Raises AudioChunkError for a time that is not a ROS time.
    """
    seconds, nanoseconds = divmod(chunk.time, _NANOSECONDS)
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
    """The chunk that a layout describes, sharing memory with `data` where that is an array.

    dimensions: (label, size, stride) as in the message. data: the interleaved int16 samples.
    Raises AudioChunkError naming what is wrong.
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
        raise AudioChunkError(f'{frames} frames of {channels} channels is no audio')
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
    if not 1 <= sample_rate <= HIGHEST_RATE:
        raise AudioChunkError(f'the sample rate {sample_rate} Hz is outside 1 to {HIGHEST_RATE}')
    if frames > LONGEST * sample_rate:
        raise AudioChunkError(
            f'{frames} frames at {sample_rate} Hz are over the {LONGEST:g} s a chunk may last'
        )
    if not 0 <= sequence < SEQUENCE_MODULUS:
        raise AudioChunkError(f'the sequence {sequence} is outside 0 to 2**32 - 1')
    if seconds < 0 or not 0 <= nanoseconds < _NANOSECONDS:
        raise AudioChunkError(f'the stamp {seconds} s {nanoseconds} ns is no time')
    return AudioChunk(
        _as_int16(data).reshape(frames, channels),
        sample_rate,
        seconds * _NANOSECONDS + nanoseconds,
        sequence,
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
