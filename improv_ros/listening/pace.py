"""Whether hearing keeps up with the sound, and which sound to pass over where it does not."""

from __future__ import annotations

from improv_ros.listening.audio_chunk import SEQUENCE_MODULUS, AudioChunk

TOO_BUSY = 0.8  # real-time factor from which there is no room left for a busy moment
MOST_BEHIND = 0.4  # seconds; well within the second that the queue of the topic holds
CAUGHT_UP = 0.05  # seconds behind at which hearing goes on
LONGEST_SKIP = 1.0  # seconds passed over at once; no queue is longer, so the clocks are wrong
LEAP = 0.1  # seconds; a stamp that is that far off was given by a clock that was set meanwhile
MEMORY = 0.5  # seconds over which the real-time factor is averaged
CLOCK_ERROR = 200e-6  # the clock of the stamps may be this much slower than ours

_NANOSECONDS = 1_000_000_000


class Pace:
    """Follows how late chunks are heard, compared with the earliest that any was.

    A burst of chunks that a network held up is heard in full, since it is soon caught up with.
    But where hearing takes longer than the sound lasts, it would come ever later; so when it is
    MOST_BEHIND, all chunks are passed over until it is back in the present.

    skipped: seconds passed over in all. real_time_factor: of hearing lately; 1 is the limit.
    behind: seconds between the sound and the hearing that did not have to be.
    """

    def __init__(self) -> None:
        self.skipped = 0.0
        self.real_time_factor = 0.0
        self.behind = 0.0
        self._earliest: int | None = None  # ns from the end of a chunk to its hearing
        self._last: AudioChunk | None = None
        self._skipping = 0.0  # seconds passed over since hearing stopped

    def passes_over(self, chunk: AudioChunk, now: int) -> bool:
        """Tell whether this chunk, whose turn it is at `now`, is better not heard.

        now: ns of the clock of the chunk's stamp.
        """
        seconds = chunk.duration / _NANOSECONDS
        late = now - chunk.time - chunk.duration
        if self._earliest is None or self._clock_was_set(chunk):
            self._earliest = late
        self._earliest = min(late, self._earliest + round(chunk.duration * CLOCK_ERROR))
        self._last = chunk
        self.behind = (late - self._earliest) / _NANOSECONDS
        if self._skipping >= LONGEST_SKIP:
            self._earliest, self.behind = late, 0.0
        overdue = self.behind > (CAUGHT_UP if self._skipping else MOST_BEHIND)
        if not overdue or self.real_time_factor < TOO_BUSY:
            self._skipping = 0.0
            return False
        self._skipping += seconds
        self.skipped += seconds
        return True

    def heard(self, chunk: AudioChunk, took: int) -> None:
        """Take in how long the hearing of a chunk took, in ns."""
        if chunk.duration:
            share = min(1.0, chunk.duration / _NANOSECONDS / MEMORY)
            self.real_time_factor += share * (took / chunk.duration - self.real_time_factor)

    def warning(self) -> str:
        """Say that hearing does not keep up, and what helps; empty: it does."""
        if self.real_time_factor < TOO_BUSY:
            return ''
        return (
            f'hearing takes {100 * self.real_time_factor:.0f} % of the time that the sound lasts '
            f'and is {1000 * self.behind:.0f} ms behind ({self.skipped:.1f} s of sound passed '
            'over so far): end what else keeps this computer busy, or take a faster runtime or '
            'model'
        )

    def _clock_was_set(self, chunk: AudioChunk) -> bool:
        last = self._last
        assert last is not None
        leap = abs(chunk.time - last.time - last.duration) / _NANOSECONDS
        return chunk.sequence == (last.sequence + 1) % SEQUENCE_MODULUS and leap > LEAP
