# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A recording made of stamped audio chunks: samples at one rate, and the time of each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from improv_ros.event_text import SECOND
from improv_ros.listening.capture.audio_chunk import SEQUENCE_MODULUS, AudioChunk
from improv_ros.listening.capture.resampling import ChunkResampler

Samples = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]

_TURNS = 5  # of leaving out stamps that are off
_OUTLIER = 2.5  # standard deviations


class RecordedSound:
    """Collects chunks. Lost chunks become silence, so that later sound keeps its place.

    samples come out of `feed` as they come in, and all together as `samples`. lost: seconds of
    sound that are missing. clipped: samples at full scale.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.clipped = 0
        self.lost = 0.0
        self._resampler = ChunkResampler(sample_rate)
        self._pieces: list[Samples] = []
        self._frames = 0
        self._next: int | None = None
        self._stamps: list[tuple[int, int]] = []  # (frame, ns)

    def feed(self, chunk: AudioChunk) -> Samples:
        """Add a chunk; return the samples that are complete with it."""
        self.clipped += int(np.count_nonzero(np.abs(chunk.samples.astype(np.int32)) >= 32767))
        added: list[Samples] = []
        for piece in self._resampler.process(chunk):
            if self._next is not None and piece.sequence != self._next:
                added.append(self._gap(piece))
            self._next = (piece.sequence + 1) % SEQUENCE_MODULUS
            self._stamps.append((self._frames, piece.time))
            added.append(piece.mono())
            self._frames += piece.frames
        samples = np.concatenate([np.zeros(0, np.float32), *added])
        self._pieces.append(samples)
        return samples

    @property
    def seconds(self) -> float:
        """The length so far."""
        return self._frames / self.sample_rate

    @property
    def samples(self) -> Samples:
        """All samples, (frames,)."""
        return np.concatenate([np.zeros(0, np.float32), *self._pieces])

    def origin(self) -> tuple[int, float]:
        """Return the time of the first sample (ns), and seconds of the clock per second of sound.

        It is the line through all stamps that fits best; late stamps of a busy machine are left
        out. Raises ValueError where there is no sound.
        """
        if not self._stamps:
            raise ValueError('there is no sound')
        frames, times = np.array(self._stamps, np.int64).T
        sound = frames / self.sample_rate
        clock = (times - times[0]) / SECOND
        kept = np.ones(len(sound), bool)
        offset, rate = 0.0, 1.0
        for _ in range(_TURNS):
            if np.ptp(sound[kept]) > 10:
                rate, offset = np.polyfit(sound[kept], clock[kept], 1)
            else:
                offset = float(np.mean(clock[kept] - sound[kept]))
            residuals = clock - offset - rate * sound
            limit = max(_OUTLIER * float(residuals[kept].std()), 1e-5)
            kept = np.abs(residuals) <= limit
        return int(times[0]) + round(float(offset) * SECOND), float(rate)

    def place(self, time: int) -> float:
        """Return where a time of the clock (ns) is, in seconds of sound since the first sample."""
        origin, rate = self.origin()
        return (time - origin) / SECOND / rate

    def _gap(self, piece: AudioChunk) -> Samples:
        frame, time = self._stamps[-1]
        expected = time + (self._frames - frame) * SECOND // self.sample_rate
        missing = max(0, round((piece.time - expected) * self.sample_rate / SECOND))
        missing = min(missing, 60 * self.sample_rate)
        self.lost += missing / self.sample_rate
        self._frames += missing
        return np.zeros(missing, np.float32)
