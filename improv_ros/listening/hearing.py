"""From audio chunks to timed events: keeps the samples and the clock of their stamps together."""

from __future__ import annotations

import numpy as np

from improv_ros.event_text import TimedEvent
from improv_ros.listening.audio_chunk import SEQUENCE_MODULUS, AudioChunk
from improv_ros.listening.resampling import Resampler
from improv_ros.listening.transcription import StreamingTranscriber

SETTLING = 1.0  # seconds over which stamps are averaged, to tell when the stream began
NANOSECONDS = 1_000_000_000
LATEST = 256  # chunks by which one may come late, and still be known as such


class Hearing:
    """Hears chunks of any rate, length and number of channels, in the time of their stamps.

    A lost chunk, a restarted microphone or a jump of the stamps is a gap: what sounds is
    released, and a new stream begins. Between gaps the jitter of the stamps is averaged out and
    the drift of the sound card's clock followed. A stream begins so long before its first frame
    that hops end where chunks do, as far as these are even: no sound waits for the next chunk.
    """

    def __init__(self, transcriber: StreamingTranscriber) -> None:
        self.transcriber = transcriber
        self.lost = 0
        self.stale = 0
        self._resampler = Resampler(transcriber.sample_rate)
        self._last: AudioChunk | None = None
        self._next_piece: int | None = None
        self._began = 0
        self._frames = 0

    def hear(self, chunk: AudioChunk) -> list[TimedEvent]:
        """Return the events understood with this chunk, in the time of the chunks' stamps (ns)."""
        if self._is_stale(chunk):
            self.stale += 1
            return []
        self._last = chunk
        events = []
        for piece in self._resampler.process(chunk):
            if piece.sequence != self._next_piece:
                events += self._release()
                self._begin(piece)
            self._next_piece = (piece.sequence + 1) % SEQUENCE_MODULUS
            began = piece.time - self._frames * NANOSECONDS // piece.sample_rate
            weight = min(1.0, piece.frames / piece.sample_rate / SETTLING)
            self._began += round(weight * (began - self._began))
            self._frames += piece.frames
            events += self._stamped(self.transcriber.process(piece.mono()))
        return events

    def flush(self) -> list[TimedEvent]:
        """Release what sounds, as after the last chunk; the next one begins a new stream."""
        self._resampler.flush()
        self._last = self._next_piece = None
        return self._release()

    @property
    def hop_duration(self) -> int:
        """Nanoseconds that are understood at a time."""
        return self.transcriber.estimator.hop * NANOSECONDS // self.transcriber.sample_rate

    def _begin(self, piece: AudioChunk) -> None:
        samples = piece.mono()
        self._frames = -len(samples) % self.transcriber.estimator.hop
        self._began = piece.time - self._frames * NANOSECONDS // piece.sample_rate
        self.transcriber.process(np.full(self._frames, samples[0], np.float32))

    def _is_stale(self, chunk: AudioChunk) -> bool:
        """Tell whether this chunk was heard before; count those missing before a new one."""
        if self._last is None:
            return False
        if chunk.sequence == 0:  # the same once more, or a microphone that was started again
            return self._last.sequence == 0 and self._last.time == chunk.time
        ahead = (chunk.sequence - self._last.sequence) % SEQUENCE_MODULUS
        if ahead == 0 or SEQUENCE_MODULUS - ahead < LATEST:
            # Or else a microphone that was started again, and whose first chunks were lost.
            return chunk.time <= self._last.time
        if ahead < SEQUENCE_MODULUS // 2:
            self.lost += ahead - 1
        return False

    def _release(self) -> list[TimedEvent]:
        return self._stamped(self.transcriber.flush())

    def _stamped(self, events: list[TimedEvent]) -> list[TimedEvent]:
        return [event._replace(time=event.time + self._began) for event in events]
