"""What every source of sound offers, and how it says that it cannot."""

from typing import Protocol

from improv_ros.listening.audio_chunk import AudioChunk


class SourceError(RuntimeError):
    """The source is missing, unreadable or lost; the message names it and the remedy."""


class EndOfAudio(Exception):  # noqa: N818 - like StopIteration it is news, not a failure
    """A recording that does not loop is over."""


class AudioSource(Protocol):
    """A microphone, or something that plays one.

    All methods are called from one thread. sample_rate (Hz) and channels hold once the source is
    open. overflows counts the times that sound was lost because nobody fetched it soon enough.
    """

    sample_rate: int
    channels: int
    overflows: int

    def open(self) -> None:
        """Start the sound. Raises SourceError."""

    def read(self, timeout: float) -> AudioChunk | None:
        """The next chunk, its time in ns of `time.monotonic_ns()`, the moment its first frame
        sounded at the microphone; None if there is none within `timeout` seconds.

        Raises EndOfAudio after the last chunk and SourceError when the source is lost.
        """

    def close(self) -> None:
        """Let go of everything; harmless when closed already."""
