"""The streaming frame: samples of any number in, note events out."""

from typing import Any

import numpy as np
import numpy.typing as npt

from improv_ros.event_text import TimedEvent, note_off, note_on
from improv_ros.listening.decoder import Decision, Decoder
from improv_ros.listening.estimator import LOWEST_PITCH, Estimator
from improv_ros.listening.offset_removal import OffsetRemoval

SETTLED = 3.0  # seconds of zeros alone after which no more of them need be heard

_NANOSECONDS = 1_000_000_000


def decoder_for(estimator: Estimator, **settings: float) -> Decoder:
    """Return a decoder as does best with an estimator, unless the settings say otherwise."""
    named: dict[str, Any] = {**estimator.decoding, **settings}
    return Decoder(estimator.hop / estimator.sample_rate, **named)


class StreamingTranscriber:
    """Feeds an estimator hop by hop and decodes what it believes.

    The events depend on the samples alone, not on how they were cut into pieces. They come in
    order of time; each note-on is followed by its note-off before the next note-on of its pitch.
    The thresholds are those of `decoder` and may be changed between two calls.

    A constant offset is taken out first. Long digital silence, as of a muted microphone, is not
    given to the estimator: it costs nothing.
    """

    def __init__(self, estimator: Estimator, decoder: Decoder | None = None) -> None:
        self.estimator = estimator
        self.decoder = decoder or decoder_for(estimator)
        self.reset()

    @property
    def sample_rate(self) -> int:
        """Hz that the samples must have."""
        return self.estimator.sample_rate

    @property
    def latency(self) -> float:
        """Seconds from a sound to the event that tells of it, apart from computing time."""
        hops = 1 + self.estimator.latency_hops + self.decoder.lookahead
        return hops * self.estimator.hop / self.estimator.sample_rate

    def reset(self) -> None:
        """Begin a new stream. Notes that sound are forgotten: call `flush` first."""
        self.estimator.reset()
        self.decoder.reset()
        self._silent_hops = 0
        self._offset = OffsetRemoval(self.decoder.hop_seconds)
        self._pending: npt.NDArray[np.float32] = np.zeros(0, np.float32)

    def process(self, samples: npt.NDArray[np.float32]) -> list[TimedEvent]:
        """Hear mono samples in [-1, 1); events at ns since the first sample of the stream."""
        self._pending = np.concatenate((self._pending, samples), dtype=np.float32)
        hop = self.estimator.hop
        whole = len(self._pending) - len(self._pending) % hop
        hops, self._pending = self._pending[:whole], self._pending[whole:]
        return [
            self._event(decision)
            for samples_of_hop in hops.reshape(-1, hop)
            for decision in self._hear(samples_of_hop)
        ]

    def flush(self) -> list[TimedEvent]:
        """End the stream: the last events, all sounding notes released. Begins a new stream."""
        silence = np.zeros(round(self.latency * self.sample_rate), np.float32)
        events = self.process(silence)
        events += [self._event(decision) for decision in self.decoder.release()]
        self.reset()
        return events

    def _hear(self, samples: npt.NDArray[np.float32]) -> list[Decision]:
        self._silent_hops = 0 if samples.any() else self._silent_hops + 1
        if self._silent_hops > SETTLED / self.decoder.hop_seconds and not self.decoder.sounding:
            self.decoder.skip()
            return []
        return self.decoder.step(self.estimator.step(self._offset.process(samples)))

    def _event(self, decision: Decision) -> TimedEvent:
        hop = decision.hop - self.estimator.latency_hops
        seconds = hop * self.decoder.hop_seconds - self.estimator.onset_bias
        time = max(0, round(seconds * _NANOSECONDS))
        pitch = LOWEST_PITCH + decision.key
        if decision.velocity:
            return note_on(time, pitch, decision.velocity)
        return note_off(time, pitch)
