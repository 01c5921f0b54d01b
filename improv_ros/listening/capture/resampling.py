# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Streaming sample rate conversion, of samples and of stamped chunks.

Each output sample is a windowed sum of input samples around its time. The weights are a Kaiser
windowed sinc; one table holds them for every position between two input samples (Smith and
Gossett, "A flexible sampling-rate conversion method", ICASSP 1984). The filter is symmetric, so
it needs the input half its width ahead: that is its only delay, 1.6 ms at 16 kHz.
"""

from functools import lru_cache
from math import ceil, gcd

import numpy as np
import numpy.typing as npt

from improv_ros.event_text import SECOND
from improv_ros.listening.capture.audio_chunk import SEQUENCE_MODULUS, AudioChunk, to_int16

# The filter of `_filter`: measured in docs/measurements.md, "Rate conversion".
_CROSSINGS = 24  # zero crossings of the sinc on each side
_CUTOFF = 0.94  # of half the lower rate, at -6 dB; flat up to 0.85, below -70 dB from 1.03 on
_BETA = 6.8  # of the Kaiser window, for 70 dB of stop band attenuation
_MAX_POSITIONS = 512  # rows of the table at full bandwidth; beyond it the nearest row is used


_Floats = npt.NDArray[np.float32]


class ChunkResampler:
    """Converts a stream of chunks of any rate and channel count to mono chunks at `rate_out` Hz.

    Samples that are mono and at `rate_out` already pass unchanged.

    Output frame k of a stream has the time of the stream's first frame plus k / rate_out seconds:
    conversion delays frames, but does not shift their times. The time of the first frame is
    estimated anew from the stamp of every chunk, so the output follows a device whose clock
    drifts.

    A jump of the sequence number, a jump of the stamp by more than `tolerance` seconds, or a new
    rate or channel count is a gap: the frames held back are returned, and a new stream begins.
    The sequence numbers of the output skip one at a gap, so that the receiver sees it too.

    gaps: number of gaps so far.
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
        """Return the chunks that are complete with this one: none, one, or two around a gap."""
        chunks = []
        if self._last is not None and not self._continues(chunk):
            chunks = self.flush()
            self.gaps += 1
            self._skip_number()
        if self._last is None and chunk.sample_rate != self.rate_out:
            self._converter = RateConverter(chunk.sample_rate, self.rate_out)
        self._last = chunk
        self._origin = chunk.time - self._frames_in * SECOND // chunk.sample_rate
        self._frames_in += chunk.frames
        if self._converter:
            return chunks + self._emit_floats(self._converter.process(chunk.mono()))
        if chunk.channels > 1:
            return chunks + self._emit_floats(chunk.mono())
        return chunks + self._emit(chunk.samples)

    def flush(self) -> list[AudioChunk]:
        """End the stream: return the frames held back. The next chunk begins a new stream."""
        chunks = []
        if self._converter:
            chunks = self._emit_floats(self._converter.flush())
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
            and abs(chunk.time - last.time - last.duration) <= self.tolerance * SECOND
            and chunk.sample_rate == last.sample_rate
            and chunk.channels == last.channels
        )

    def _emit_floats(self, samples: _Floats) -> list[AudioChunk]:
        return self._emit(to_int16(samples)[:, np.newaxis])

    def _emit(self, samples: npt.NDArray[np.int16]) -> list[AudioChunk]:
        if len(samples) == 0:
            return []
        time = self._origin + self._frames_out * SECOND // self.rate_out
        chunk = AudioChunk(samples, self.rate_out, time, self._sequence)
        self._frames_out += len(samples)
        self._skip_number()
        return [chunk]

    def _skip_number(self) -> None:
        self._sequence = (self._sequence + 1) % SEQUENCE_MODULUS


class RateConverter:
    """Converts a mono stream of float32 samples from `rate_in` to `rate_out` Hz.

    Output sample k has the time k / rate_out seconds after the first input sample. Input before
    the first sample is taken to equal it, so a constant offset does not begin with a click. The
    output depends on the samples alone, not on how they were cut into blocks.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._table, self._half = _filter(rate_in, rate_out)
        divisor = gcd(rate_in, rate_out)
        self._up, self._down = rate_out // divisor, rate_in // divisor
        self._input: _Floats = np.zeros(0, np.float32)
        self._first = 0  # index of the input sample that stands first in _input
        self._next = 0  # index of the next output sample

    def process(self, samples: _Floats) -> _Floats:
        """Return the output samples that are complete after these input samples, (n,)."""
        if self._first + len(self._input) == 0 and len(samples):
            self._first = 1 - self._half
            self._input = np.full(self._half - 1, samples[0], np.float32)
        self._input = np.concatenate((self._input, samples), dtype=np.float32)
        received = self._first + len(self._input)
        # Output k needs the input up to `half` samples after its own time.
        until = max(self._next, -(-(received - self._half) * self._up // self._down))
        outputs = np.arange(self._next, until)
        self._next = until
        before = outputs * self._down // self._up
        between = outputs * self._down % self._up
        rows = self._table[np.rint(between * ((len(self._table) - 1) / self._up)).astype(int)]
        begins = before - (self._half - 1) - self._first
        windows = self._input[begins[:, np.newaxis] + np.arange(2 * self._half)]
        converted: _Floats = np.einsum('ij,ij->i', windows, rows)
        self._drop_before(until * self._down // self._up - (self._half - 1))
        return converted

    def flush(self) -> _Floats:
        """End the stream: return the output up to the time of the last input sample."""
        received = self._first + len(self._input)
        missing = ceil(received * self._up / self._down) - self._next
        return self.process(np.resize(self._input[-1:], self._half))[:missing]

    def _drop_before(self, index: int) -> None:
        past = min(max(0, index - self._first), len(self._input))
        self._input = self._input[past:]
        self._first += past


@lru_cache(maxsize=8)
def _filter(rate_in: int, rate_out: int) -> tuple[_Floats, int]:
    """Return the table, (positions + 1, 2 * half), and `half`, input samples on each side.

    Row i holds the weights of the input around the time i / positions after input sample
    `half - 1`.
    """
    cutoff = _CUTOFF * min(1, rate_out / rate_in)  # relative to half the input rate
    positions = min(rate_out // gcd(rate_in, rate_out), ceil(_MAX_POSITIONS * cutoff))
    half = ceil(_CROSSINGS / cutoff)
    moments = np.arange(positions + 1)[:, np.newaxis] / positions
    distance = (np.arange(1 - half, half + 1) - moments) * cutoff
    window = np.i0(_BETA * np.sqrt(np.maximum(0, 1 - (distance / _CROSSINGS) ** 2)))
    table = np.sinc(distance) * window
    table /= table.sum(axis=1, keepdims=True)
    return table.astype(np.float32), half
