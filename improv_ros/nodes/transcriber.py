"""The transcriber node: chunks on `audio` in, event text on `heard_notes` out."""

from __future__ import annotations

from dataclasses import replace
import sys
import time

from rclpy.clock import Clock, ClockType

from improv_ros.event_text import TimedEvent, is_note_on
from improv_ros.listening.audio_chunk import AudioChunk
from improv_ros.listening.echo import EchoCanceller
from improv_ros.listening.hearing import Hearing
from improv_ros.listening.spectral import SpectralEstimator
from improv_ros.listening.transcription import StreamingTranscriber
from improv_ros.nodes.audio_topic import AudioListener
from improv_ros.nodes.latency import LatencyFigures
from improv_ros.nodes.managed_node import ManagedNode, run
from improv_ros.nodes.note_topics import NoteListener, NotePublisher
from improv_ros.nodes.parameters import Setting

THRESHOLDS = (
    Setting('onset_threshold', 0.5, 'How sure an onset must be', '', 0.0, 1.0, live=True),
    Setting(
        'frame_threshold', 0.3, 'Below this a sounding note has ended', '', 0.0, 1.0, live=True
    ),
    Setting(
        'refractory', 0.06, 'Shortest time between two onsets of a key', 's', 0.0, 1.0, live=True
    ),
)
SETTINGS = (
    *THRESHOLDS,
    Setting('cancel_echo', True, 'Leave out what the microphone hears of the played notes'),
)
SILENT_AFTER = 0.5  # seconds without a chunk after which what sounds is released


class Transcriber(ManagedNode):
    """Feeds each chunk to the streaming transcriber and publishes what it understood."""

    def __init__(self) -> None:
        super().__init__('transcriber', SETTINGS)
        self._notes: NotePublisher | None = None
        self._echo: EchoCanceller | None = None

    def configure(self) -> None:
        """Load the estimator."""
        self._hearing = Hearing(StreamingTranscriber(SpectralEstimator()))
        self._echo = EchoCanceller() if self.settings['cancel_echo'] else None
        self._notes = NotePublisher(self, 'heard_notes', self.time)

    def activate(self) -> None:
        """Begin to listen."""
        self._heard = 0
        self._flushed = True
        self._last_chunk = time.monotonic()
        self._latency = LatencyFigures()
        self._audio = AudioListener(self, self._listen)
        if self._echo:
            self._played = NoteListener(self, 'played_notes', self._echo.sent, self.time)
        self._watch = self.create_timer(
            SILENT_AFTER / 2,
            self._release_if_stalled,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def deactivate(self) -> None:
        """Stop listening and release what sounds."""
        self._audio.destroy()
        self.destroy_timer(self._watch)
        if self._echo:
            self._played.destroy()
        self._publish(self._hearing.flush())

    def cleanup(self) -> None:
        """Let go of the topic."""
        if self._notes:
            self._notes.destroy()
            self._notes = None

    def health(self) -> tuple[str, dict[str, object]]:
        """Tell what arrives, what is lost and how long hearing takes."""
        age = time.monotonic() - self._last_chunk
        problem = f'no audio has arrived for {age:.1f} s' if age > 2 * SILENT_AFTER else ''
        return problem, {
            **self._audio.figures(),
            'audio lost': self._hearing.lost,
            'notes heard': self._heard,
            **self._latency.figures('sound to heard'),
            **self._echo_figures(),
        }

    def _echo_figures(self) -> dict[str, object]:
        if not self._echo:
            return {}
        delay = self._echo.delay
        return {
            'loop delay (ms)': 'unknown' if delay is None else f'{delay / 1e6:.0f}',
            'own notes left out': self._echo.removed,
            **self._played.figures(),
        }

    def _listen(self, chunk: AudioChunk) -> None:
        self._last_chunk = time.monotonic()
        self._flushed = False
        decoder = self._hearing.transcriber.decoder
        for threshold in THRESHOLDS:
            setattr(decoder, threshold.name, self.settings[threshold.name])
        chunk = replace(chunk, time=chunk.time - self.time.ros_minus_local())
        self._publish(self._hearing.hear(chunk))

    def _release_if_stalled(self) -> None:
        if not self._flushed and time.monotonic() - self._last_chunk > SILENT_AFTER:
            self._flushed = True
            self._publish(self._hearing.flush())

    def _publish(self, events: list[TimedEvent]) -> None:
        if self._echo:
            events = self._echo.heard(events)
        if not events:
            return
        self._notes.publish(events)
        now = self.time.now()
        for event in events:
            if is_note_on(event):
                self._heard += 1
                self._latency.add(now - event.time)


def main() -> int:
    """Run the node."""
    return run(Transcriber)


if __name__ == '__main__':
    sys.exit(main())
