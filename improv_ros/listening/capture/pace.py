# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whether transcription keeps up with the audio, and which chunks to skip when it does not."""

from __future__ import annotations

from improv_ros.event_text import SECOND
from improv_ros.listening.capture.audio_chunk import SEQUENCE_MODULUS, AudioChunk

MAX_REAL_TIME_FACTOR = 0.8  # above it, no time is left for a moment of high load
MAX_BEHIND = 0.4  # seconds; well within the 1 s that the queue of the topic holds
CAUGHT_UP = 0.05  # seconds behind at which skipping ends
LONGEST_SKIP = 1.0  # seconds skipped at once; no queue is longer, so the clocks must be wrong
CLOCK_STEP = 0.1  # seconds; a stamp that jumps by more comes from a clock that was set
AVERAGING_TIME = 0.5  # seconds over which the real-time factor is averaged
CLOCK_ERROR = 200e-6  # relative; how much slower than ours the clock of the stamps may be


class Pace:
    """Follows how late chunks are processed, relative to the earliest of them.

    A burst of chunks that the network delayed is processed in full, since it is caught up with
    soon. But if processing takes longer than the sound lasts, the delay grows without limit; so
    at MAX_BEHIND all chunks are skipped until the delay is below CAUGHT_UP.

    skipped: seconds of sound skipped in total.
    real_time_factor: recent processing time by duration of the sound; 1 is the limit.
    behind: avoidable seconds between the end of a chunk and its processing.
    """

    def __init__(self) -> None:
        self.skipped = 0.0
        self.real_time_factor = 0.0
        self.behind = 0.0
        self._earliest: int | None = None  # ns from the end of a chunk to its processing
        self._last: AudioChunk | None = None
        self._skipping = 0.0  # seconds skipped since the last chunk that was processed

    def should_skip(self, chunk: AudioChunk, now: int) -> bool:
        """Return whether to skip this chunk, the next one to process.

        now: ns of the clock of the chunk's stamp.
        """
        seconds = chunk.duration / SECOND
        late = now - chunk.time - chunk.duration
        if self._earliest is None or self._clock_was_set(chunk):
            self._earliest = late
        self._earliest = min(late, self._earliest + round(chunk.duration * CLOCK_ERROR))
        self._last = chunk
        self.behind = (late - self._earliest) / SECOND
        if self._skipping >= LONGEST_SKIP:
            self._earliest, self.behind = late, 0.0
        overdue = self.behind > (CAUGHT_UP if self._skipping else MAX_BEHIND)
        if not overdue or self.real_time_factor < MAX_REAL_TIME_FACTOR:
            self._skipping = 0.0
            return False
        self._skipping += seconds
        self.skipped += seconds
        return True

    def processed(self, chunk: AudioChunk, took: int) -> None:
        """Record that processing a chunk took so many ns."""
        if chunk.duration:
            share = min(1.0, chunk.duration / SECOND / AVERAGING_TIME)
            self.real_time_factor += share * (took / chunk.duration - self.real_time_factor)

    def warning(self) -> str:
        """Return a warning, with a remedy, if transcription is too slow; '' if it keeps up."""
        if self.real_time_factor < MAX_REAL_TIME_FACTOR:
            return ''
        return (
            f'transcription takes {100 * self.real_time_factor:.0f} % of the duration of the '
            f'sound and is {1000 * self.behind:.0f} ms behind ({self.skipped:.1f} s of sound '
            'skipped so far): stop other programs, or use a faster runtime or model'
        )

    def _clock_was_set(self, chunk: AudioChunk) -> bool:
        last = self._last
        assert last is not None
        jump = abs(chunk.time - last.time - last.duration) / SECOND
        return chunk.sequence == (last.sequence + 1) % SEQUENCE_MODULUS and jump > CLOCK_STEP
