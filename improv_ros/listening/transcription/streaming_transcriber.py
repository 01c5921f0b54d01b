# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Streaming transcription: samples or stamped audio chunks of any length in, note events out."""

from __future__ import annotations

from typing import Any

import numpy as np

from improv_ros.event_text import SECOND, TimedEvent, note_off, note_on
from improv_ros.listening.capture.audio_chunk import SEQUENCE_MODULUS, AudioChunk
from improv_ros.listening.capture.resampling import ChunkResampler
from improv_ros.listening.transcription.decoder import Decision, Decoder
from improv_ros.listening.transcription.estimator import (
    LOWEST_PITCH,
    Confirmation,
    Estimate,
    Estimator,
    Samples,
)

SETTLED = 3.0  # seconds of zeros after which further zeros are not processed
_DC_TIME_CONSTANT = 1.0  # seconds; a period of the lowest note is 0.04


def decoder_for(estimator: Estimator, **settings: float) -> Decoder:
    """Return the decoder tuned for an estimator; `settings` override its thresholds."""
    named: dict[str, Any] = {**estimator.decoding, **settings}
    return Decoder(estimator.hop / estimator.sample_rate, **named)


def confirming_decoder_for(estimator: Estimator, **settings: float) -> Decoder | None:
    """Return the decoder tuned for an estimator's longer delay; None where it has one delay."""
    if estimator.confirmation is None:
        return None
    named: dict[str, Any] = {**estimator.confirmation.decoding, **settings}
    return Decoder(estimator.hop / estimator.sample_rate, **named)


class DCBlocker:
    """Subtracts the moving mean of a stream, hop by hop: cheap converters add a constant."""

    def __init__(self, hop_seconds: float) -> None:
        self._weight = min(1.0, hop_seconds / _DC_TIME_CONSTANT)
        self._mean: float | None = None

    def process(self, samples: Samples) -> Samples:
        """Return a hop of samples without the moving mean."""
        mean = float(samples.mean())
        before = mean if self._mean is None else self._mean
        self._mean = before + self._weight * (mean - before)
        # The mean is interpolated over the hop: a step would be a click.
        return samples - np.linspace(before, self._mean, len(samples), dtype=np.float32)


class _DelayedNotes:
    """Decodes the posteriors of one delay into events, whose times never decrease."""

    def __init__(self, decoder: Decoder, outputs: Estimator | Confirmation) -> None:
        self.decoder = decoder
        self._outputs = outputs
        self.reset()

    @property
    def latency_hops(self) -> int:
        """Hops from an onset to its event."""
        return 1 + self._outputs.latency_hops + self.decoder.lookahead

    def reset(self) -> None:
        """Begin a new stream."""
        self.decoder.reset()
        self._latest = 0  # ns

    def step(self, estimate: Estimate) -> list[TimedEvent]:
        """Process the next estimate."""
        return [self._event(decision) for decision in self.decoder.step(estimate)]

    def release(self) -> list[TimedEvent]:
        """Release all sounding notes."""
        return [self._event(decision) for decision in self.decoder.release()]

    def _event(self, decision: Decision) -> TimedEvent:
        outputs = self._outputs
        bias = outputs.onset_bias if decision.velocity else outputs.offset_bias
        seconds = (decision.hop - outputs.latency_hops) * self.decoder.hop_seconds - bias
        self._latest = max(self._latest, round(seconds * SECOND))
        pitch = LOWEST_PITCH + decision.key
        if decision.velocity:
            return note_on(self._latest, pitch, decision.velocity)
        return note_off(self._latest, pitch)


class StreamingTranscriber:
    """Runs an estimator hop by hop and decodes its posteriors.

    The events depend on the samples alone, not on how they were cut into blocks. They are in the
    order of time; each note-on is followed by its note-off before the next note-on of its pitch.
    The thresholds are attributes of `decoder` and may be changed between two calls.

    With `confirming_decoder` the same notes are decoded once more, later and more surely, from the
    posteriors of the estimator's longer delay: `take_confirmed` returns them.

    A constant offset is subtracted first. Long digital silence, as from a muted microphone, is
    not processed.
    """

    def __init__(
        self,
        estimator: Estimator,
        decoder: Decoder | None = None,
        confirming_decoder: Decoder | None = None,
    ) -> None:
        self.estimator = estimator
        self.decoder = decoder or decoder_for(estimator)
        self.confirming_decoder = confirming_decoder
        self._prompt = _DelayedNotes(self.decoder, estimator)
        self._late: _DelayedNotes | None = None
        if confirming_decoder is not None:
            if estimator.confirmation is None:
                raise ValueError('an estimator of one delay has nothing to confirm with')
            self._late = _DelayedNotes(confirming_decoder, estimator.confirmation)
        self._confirmed: list[TimedEvent] = []
        self.reset()

    @property
    def sample_rate(self) -> int:
        """Sample rate of the input in Hz."""
        return self.estimator.sample_rate

    @property
    def latency(self) -> float:
        """Algorithmic latency: seconds from an onset to its event, without computing time."""
        return self._prompt.latency_hops * self.estimator.hop / self.estimator.sample_rate

    @property
    def confirmed_latency(self) -> float:
        """The same, of confirmed notes."""
        hops = (self._late or self._prompt).latency_hops
        return hops * self.estimator.hop / self.estimator.sample_rate

    def reset(self) -> None:
        """Begin a new stream. Sounding notes are not released: call `flush` first."""
        self.estimator.reset()
        self._prompt.reset()
        if self._late:
            self._late.reset()
        self._silent_hops = 0
        self._dc_blocker = DCBlocker(self.decoder.hop_seconds)
        self._pending: Samples = np.zeros(0, np.float32)

    def process(self, samples: Samples) -> list[TimedEvent]:
        """Process samples; return events with times in ns since the first sample of the stream."""
        self._pending = np.concatenate((self._pending, samples), dtype=np.float32)
        hop = self.estimator.hop
        whole = len(self._pending) - len(self._pending) % hop
        hops, self._pending = self._pending[:whole], self._pending[whole:]
        return [
            event
            for samples_of_hop in hops.reshape(-1, hop)
            for event in self._decode(samples_of_hop)
        ]

    def take_confirmed(self) -> list[TimedEvent]:
        """Return the events confirmed since the last call, in the order of time."""
        confirmed, self._confirmed = self._confirmed, []
        return confirmed

    def flush(self) -> list[TimedEvent]:
        """Return the last events, release all sounding notes, and begin a new stream."""
        silence = np.zeros(round(self.latency * self.sample_rate), np.float32)
        events = self.process(silence) + self._prompt.release()
        if self._late:
            for _ in range(self._late.latency_hops - self._prompt.latency_hops):
                self._decode(np.zeros(self.estimator.hop, np.float32))
            self._confirmed += self._late.release()
        self.reset()
        return events

    def _decode(self, samples: Samples) -> list[TimedEvent]:
        self._silent_hops = 0 if samples.any() else self._silent_hops + 1
        if self._silent_hops > SETTLED / self.decoder.hop_seconds and not self._sounding:
            self.decoder.skip()
            if self._late:
                self._late.decoder.skip()
            return []
        samples = self._dc_blocker.process(samples)
        if self._late is None:
            return self._prompt.step(self.estimator.step(samples))
        prompt, late = self.estimator.step_both(samples)
        self._confirmed += self._late.step(late)
        return self._prompt.step(prompt)

    @property
    def _sounding(self) -> bool:
        return self.decoder.sounding or bool(self._late and self._late.decoder.sounding)


AVERAGING_TIME = 1.0  # seconds over which stamps are averaged, to estimate the stream's start
MAX_REORDERING = 256  # chunks by which a chunk may be late and still be recognised as stale


class ChunkTranscriber:
    """Transcribes chunks of any rate, length and number of channels.

    A lost chunk, a restarted microphone or a jump of the stamps is a gap: sounding notes are
    released, and a new stream begins. Between gaps the jitter of the stamps is averaged out and
    the drift of the sound card's clock is followed. A new stream is padded at its start so that
    hops end where chunks end, if these are of one length: no sound waits for the next chunk.

    lost: number of chunks that are missing, by their sequence numbers.
    stale: number of chunks that were skipped because they arrived twice or too late.

    Where the transcriber confirms, `take_confirmed` returns what was confirmed meanwhile.
    """

    def __init__(self, transcriber: StreamingTranscriber) -> None:
        self.transcriber = transcriber
        self.lost = 0
        self.stale = 0
        self._resampler = ChunkResampler(transcriber.sample_rate)
        self._last: AudioChunk | None = None
        self._next_piece: int | None = None
        self._began = 0
        self._frames = 0
        self._confirmed: list[TimedEvent] = []

    def transcribe(self, chunk: AudioChunk) -> list[TimedEvent]:
        """Return the events known with this chunk, with times (ns) of the clock of the stamps."""
        if self._is_stale(chunk):
            self.stale += 1
            return []
        self._last = chunk
        events = []
        for piece in self._resampler.process(chunk):
            if piece.sequence != self._next_piece:
                if self._next_piece is not None:
                    events += self._release()
                self._begin(piece)
            self._next_piece = (piece.sequence + 1) % SEQUENCE_MODULUS
            began = piece.time - self._frames * SECOND // piece.sample_rate
            weight = min(1.0, piece.frames / piece.sample_rate / AVERAGING_TIME)
            self._began += round(weight * (began - self._began))
            self._frames += piece.frames
            events += self._stamped(self.transcriber.process(piece.mono()))
        return events

    def take_confirmed(self) -> list[TimedEvent]:
        """Return the events confirmed since the last call, with times like `transcribe`."""
        confirmed, self._confirmed = self._confirmed, []
        return confirmed

    def flush(self) -> list[TimedEvent]:
        """Release sounding notes, as after the last chunk; the next one begins a new stream."""
        self._resampler.flush()
        released = self._release() if self._next_piece is not None else []
        self._last = self._next_piece = None
        return released

    @property
    def hop_duration(self) -> int:
        """Length of a hop in nanoseconds."""
        return self.transcriber.estimator.hop * SECOND // self.transcriber.sample_rate

    def _begin(self, piece: AudioChunk) -> None:
        samples = piece.mono()
        self._frames = -len(samples) % self.transcriber.estimator.hop
        self._began = piece.time - self._frames * SECOND // piece.sample_rate
        self.transcriber.process(np.full(self._frames, samples[0], np.float32))

    def _is_stale(self, chunk: AudioChunk) -> bool:
        """Return whether this chunk came before; count those missing before a new one."""
        if self._last is None:
            return False
        if chunk.sequence == 0:  # a duplicate, or a restarted microphone
            return self._last.sequence == 0 and self._last.time == chunk.time
        ahead = (chunk.sequence - self._last.sequence) % SEQUENCE_MODULUS
        if ahead == 0 or SEQUENCE_MODULUS - ahead < MAX_REORDERING:
            # Otherwise a restarted microphone whose first chunks were lost.
            return chunk.time <= self._last.time
        if ahead < SEQUENCE_MODULUS // 2:
            self.lost += ahead - 1
        return False

    def _release(self) -> list[TimedEvent]:
        return self._stamped(self.transcriber.flush())

    def _stamped(self, events: list[TimedEvent]) -> list[TimedEvent]:
        """Return events with times of the stamps; keep those that were confirmed with them."""
        confirmed = self.transcriber.take_confirmed()
        self._confirmed += [event._replace(time=event.time + self._began) for event in confirmed]
        return [event._replace(time=event.time + self._began) for event in events]
