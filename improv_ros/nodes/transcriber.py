"""The transcriber node: chunks on `audio` in, event text on `heard_notes` out."""

from __future__ import annotations

from dataclasses import replace
import sys
import time

from rclpy.clock import Clock, ClockType

from improv_ros.event_text import TimedEvent, is_note_on
from improv_ros.inference.errors import ModelError
from improv_ros.inference.model_files import RUNTIMES
from improv_ros.listening.audio_chunk import AudioChunk
from improv_ros.listening.echo import EchoCanceller
from improv_ros.listening.hearing import Hearing
from improv_ros.listening.level import Loudness
from improv_ros.listening.pace import Pace
from improv_ros.listening.runtime import DEFAULT_MODEL, load_estimator
from improv_ros.listening.transcription import StreamingTranscriber
from improv_ros.nodes.audio_topic import AudioListener
from improv_ros.nodes.latency import LatencyFigures
from improv_ros.nodes.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.note_topics import NoteListener, NotePublisher
from improv_ros.nodes.parameters import Setting

AS_TUNED = -1.0  # a threshold that is left as it was tuned for the model


def _threshold(name: str, description: str, unit: str = '') -> Setting:
    description += '; -1: as tuned for the model'
    return Setting(name, AS_TUNED, description, unit, AS_TUNED, 1.0, live=True)


THRESHOLDS = (
    _threshold('onset_threshold', 'How sure an onset must be'),
    _threshold('frame_share', 'How much the frame curve counts in how sure it is'),
    _threshold('restrike_threshold', 'How sure an onset must be of a key that sounds'),
    _threshold('rise', 'By how much the onset curve must have risen since the last onset'),
    _threshold('frame_threshold', 'Below this a sounding note has ended'),
    _threshold('offset_threshold', 'How sure an offset must be'),
    _threshold('refractory', 'Shortest time between two onsets of a key', 's'),
)
SETTINGS = (
    Setting(
        'model',
        '',
        'Network file (.tflite or .keras); empty: the shipped one; spectral: no network',
    ),
    Setting('runtime', 'auto', 'What runs the network', choices=RUNTIMES),
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
        """Load the network."""
        self._model = self.settings['model'] or str(DEFAULT_MODEL)
        try:
            estimator = load_estimator(self._model, self.settings['runtime'])
        except ModelError as error:
            raise NotReadyError(str(error)) from error
        self._hearing = Hearing(StreamingTranscriber(estimator))
        decoder = self._hearing.transcriber.decoder
        self._tuned = {each.name: getattr(decoder, each.name) for each in THRESHOLDS}
        self._echo = EchoCanceller() if self.settings['cancel_echo'] else None
        self._notes = NotePublisher(self, 'heard_notes', self.time)

    def activate(self) -> None:
        """Begin to listen."""
        self._heard = 0
        self._flushed = True
        self._last_chunk = time.monotonic()
        self._latency = LatencyFigures()
        self._computing = LatencyFigures()
        self._pace = Pace()
        self._loudness = Loudness()
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
            'model': self._model,
            **self._audio.figures(),
            'audio lost': self._hearing.lost,
            'audio passed over (s)': f'{self._pace.skipped:.1f}',
            'notes heard': self._heard,
            'peak level (dBFS)': f'{self._loudness.peak:.1f}',
            **self._latency.figures('sound to heard'),
            **self._computing.figures('computing a hop', (0.5, 0.99)),
            'real-time factor': f'{self._pace.real_time_factor:.2f}',
            'behind (ms)': f'{1000 * self._pace.behind:.0f}',
            **self._echo_figures(),
        }

    def warning(self) -> str:
        """Tell whether hearing cannot keep up, or what is heard is too quiet to be heard well."""
        return '; '.join(filter(None, (self._pace.warning(), self._loudness.warning())))

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
        began = self._last_chunk = time.monotonic()
        chunk = replace(chunk, time=chunk.time - self.time.ros_minus_local())
        if self._pace.passes_over(chunk, self.time.now()):
            self._release()
            return
        self._flushed = False
        decoder = self._hearing.transcriber.decoder
        for name, tuned in self._tuned.items():
            setting = self.settings[name]
            setattr(decoder, name, tuned if setting < 0 else setting)
        self._loudness.feed(chunk.samples, chunk.duration)
        self._publish(self._hearing.hear(chunk))
        took = round((time.monotonic() - began) * 1e9)
        self._pace.heard(chunk, took)
        self._computing.add(round(took * self._hearing.hop_duration / max(1, chunk.duration)))

    def _release_if_stalled(self) -> None:
        if time.monotonic() - self._last_chunk > SILENT_AFTER:
            self._release()

    def _release(self) -> None:
        if not self._flushed:
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
                self._loudness.heard_note()
                self._latency.add(now - event.time)


def main() -> int:
    """Run the node."""
    return run(Transcriber)


if __name__ == '__main__':
    sys.exit(main())
