"""Chunks of any rate and channel count to mono chunks of one rate, each still at its own time."""

import numpy as np

from improv_ros.listening.audio_chunk import SEQUENCE_MODULUS, AudioChunk, to_int16
from improv_ros.listening.rate_conversion import RateConverter

_NANOSECONDS = 1_000_000_000


class Resampler:
    """A stream of chunks in, a stream of mono chunks at `rate_out` out.

    Frame k since the stream began lies k / rate_out seconds after the stream's first frame;
    conversion holds frames back but does not shift them. Where that first frame lies is told anew
    by the stamp of every chunk, so a device whose clock is not quite right stays in step.

    A jump of the sequence number, a jump of the stamp by more than `tolerance` seconds, or a new
    rate or channel count is a gap: what was held back comes out, and the stream begins again.
    The sequence numbers of the output jump there too, so that the next listener knows.
    """

    def __init__(self, rate_out: int, tolerance: float = 0.1) -> None:
        self.rate_out = rate_out
        self.tolerance = tolerance
        self.gaps = 0
        self._sequence = 0
        self._converter: RateConverter | None = None
        self._last: AudioChunk | None = None
        self._origin = 0
        self._frames_in = 0
        self._frames_out = 0

    def process(self, chunk: AudioChunk) -> list[AudioChunk]:
        """What can be said after `chunk`: no chunk, one, or two around a gap."""
        chunks = []
        if self._last is not None and not self._continues(chunk):
            chunks = self.flush()
            self.gaps += 1
            self._skip_number()
        if self._last is None and chunk.sample_rate != self.rate_out:
            self._converter = RateConverter(chunk.sample_rate, self.rate_out)
        self._last = chunk
        self._origin = chunk.time - self._frames_in * _NANOSECONDS // chunk.sample_rate
        self._frames_in += chunk.frames
        mono = chunk.mono()
        return chunks + self._emit(self._converter.process(mono) if self._converter else mono)

    def flush(self) -> list[AudioChunk]:
        """End the stream: what is still held back. The next chunk begins a new one."""
        chunks = []
        if self._converter:
            chunks = self._emit(self._converter.flush())
        self._converter = None
        self._last = None
        self._frames_in = 0
        self._frames_out = 0
        return chunks

    def _continues(self, chunk: AudioChunk) -> bool:
        last = self._last
        assert last is not None
        return (
            chunk.sequence == (last.sequence + 1) % SEQUENCE_MODULUS
            and abs(chunk.time - last.time - last.duration) <= self.tolerance * _NANOSECONDS
            and chunk.sample_rate == last.sample_rate
            and chunk.channels == last.channels
        )

    def _emit(self, samples: np.ndarray) -> list[AudioChunk]:
        if len(samples) == 0:
            return []
        time = self._origin + self._frames_out * _NANOSECONDS // self.rate_out
        chunk = AudioChunk(to_int16(samples)[:, np.newaxis], self.rate_out, time, self._sequence)
        self._frames_out += len(samples)
        self._skip_number()
        return [chunk]

    def _skip_number(self) -> None:
        self._sequence = (self._sequence + 1) % SEQUENCE_MODULUS
