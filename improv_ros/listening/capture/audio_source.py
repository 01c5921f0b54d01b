# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The interface of an audio source."""

from typing import Protocol

from improv_ros.listening.capture.audio_chunk import AudioChunk


class SourceError(RuntimeError):
    """The source is missing, unreadable or lost. The message names it and the remedy."""


class EndOfAudio(Exception):  # noqa: N818 - like StopIteration it is no error
    """A recording that does not loop has ended."""


class AudioSource(Protocol):
    """A microphone, or something that plays the part of one.

    All methods are called from one thread.

    sample_rate: Hz, and channels: both are fixed while the source is open.
    overflows: how often audio was lost because it was not read in time.
    """

    sample_rate: int
    channels: int
    overflows: int

    def open(self) -> None:
        """Start capturing. Raises SourceError."""

    def read(self, timeout: float) -> AudioChunk | None:
        """Return the next chunk, or None if there is none within `timeout` seconds.

        Its time is when its first frame sounded at the microphone, in ns of
        `time.monotonic_ns()`. Raises EndOfAudio after the last chunk and SourceError when the
        source is lost.
        """

    def close(self) -> None:
        """Release the device or file. Does nothing if the source is closed already."""
