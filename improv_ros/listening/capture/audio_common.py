# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Sound in the messages of the two public packages called `audio_common_msgs`, as plain data.

Neither numbers its messages, and only some carry a time and a format. This module turns their
samples and formats into chunks without the messages themselves, so it needs neither package.

Layouts: `ros-drivers/audio_common`, branch `ros2`, of 2024-03-07; `mgonzs13/audio_common` 4.0.10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from improv_ros.listening.capture.audio_chunk import (
    AudioChunk,
    AudioChunkError,
    check_limits,
    to_int16,
)

# The samples of GStreamer's formats, which `AudioInfo.sample_format` of ros-drivers names.
GSTREAMER_FORMATS = {
    'S8': 'i1',
    'U8': 'u1',
    'S16LE': '<i2',
    'S16BE': '>i2',
    'S32LE': '<i4',
    'S32BE': '>i4',
    'F32LE': '<f4',
    'F32BE': '>f4',
}
UNCOMPRESSED = 'wave'  # as ros-drivers calls it; the other one is mp3
# PortAudio's flag in `AudioInfo.format` of mgonzs13: the field with the samples, and their type.
PORTAUDIO_FORMATS = {
    0x01: ('float32_data', 'f4'),
    0x02: ('int32_data', 'i4'),
    0x08: ('int16_data', 'i2'),
    0x10: ('int8_data', 'i1'),
    0x20: ('uint8_data', 'u1'),
}


@dataclass(frozen=True)
class PcmFormat:
    """
    How the bytes of a message are samples.

    sample_type: the NumPy type of a sample, in which whole numbers have full scale and floats
    reach 1.0. sample_rate: Hz.
    """

    sample_type: str
    channels: int
    sample_rate: int

    def chunk(self, data: Any, time: int, sequence: int) -> AudioChunk:
        """
        Return the chunk whose interleaved samples are `data`.

        data: any object with a buffer, as are bytes and array.array. time: of the first frame,
        in nanoseconds. Raises AudioChunkError.
        """
        if not 1 <= self.channels <= len(data):
            raise AudioChunkError(
                f'{len(data)} elements of {self.channels} channels are not audio'
            )
        try:
            samples = np.frombuffer(data, self.sample_type).reshape(-1, self.channels)
        except ValueError as error:
            raise AudioChunkError(
                f'{memoryview(data).nbytes} bytes are no whole number of frames of '
                f'{self.channels} channels, {np.dtype(self.sample_type)}'
            ) from error
        check_limits(len(samples), self.sample_rate)
        return AudioChunk(_scaled_to_int16(samples), self.sample_rate, time, sequence)


def gstreamer_format(info: Any) -> PcmFormat:
    """
    Return the format that an `AudioInfo` of ros-drivers describes.

    info: has coding_format, sample_format, channels and sample_rate. Raises AudioChunkError.
    """
    if info.coding_format.lower() != UNCOMPRESSED:
        raise AudioChunkError(
            f'the sound is {info.coding_format}: start audio_capture with format:={UNCOMPRESSED}'
        )
    if info.sample_format not in GSTREAMER_FORMATS:
        raise AudioChunkError(
            f'the sample format {info.sample_format} is not supported; use one of '
            f'{", ".join(GSTREAMER_FORMATS)}'
        )
    return PcmFormat(GSTREAMER_FORMATS[info.sample_format], info.channels, info.sample_rate)


def portaudio_chunk(audio: Any, time: int, sequence: int) -> AudioChunk:
    """
    Return the chunk in an `Audio` of mgonzs13.

    audio: has info (format, channels and rate) and audio_data, with one field for each type of
    samples. time: of the first frame, in nanoseconds. Raises AudioChunkError.
    """
    info = audio.info
    if info.format not in PORTAUDIO_FORMATS:
        raise AudioChunkError(
            f"PortAudio's sample format {info.format} is not supported; use one of "
            f'{", ".join(map(str, PORTAUDIO_FORMATS))}'
        )
    field, sample_type = PORTAUDIO_FORMATS[info.format]
    return PcmFormat(sample_type, info.channels, info.rate).chunk(
        getattr(audio.audio_data, field), time, sequence
    )


def _scaled_to_int16(samples: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    if samples.dtype.kind == 'f':
        return to_int16(samples)
    if samples.dtype.itemsize == 2:
        return samples.astype(np.int16)  # in the byte order of this machine, and writable
    if samples.dtype.itemsize == 1:
        middle = 128 if samples.dtype.kind == 'u' else 0
        return (samples.astype(np.int16) - middle) * np.int16(256)
    return (samples >> 16).astype(np.int16)
