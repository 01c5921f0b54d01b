# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The transcriber node: audio chunks on `audio` in, event text out.

The notes are published twice: on `heard_notes` as soon as they can be told, and on
`confirmed_notes` when they are known more surely.
"""

from __future__ import annotations

if __name__ == '__main__':  # the imports below take a second, in which Ctrl-C may come
    from improv_ros.nodes.common.executable import transcriber

    raise SystemExit(transcriber())

from dataclasses import replace
import time

from rclpy.clock import Clock, ClockType

from improv_ros.calibration.refusal import CalibrationError
from improv_ros.calibration.room import Room
from improv_ros.calibration.room_folders import read_room
from improv_ros.event_text import SECOND, TimedEvent, is_note_on
from improv_ros.inference.model_error import ModelError
from improv_ros.inference.model_files import RUNTIMES
from improv_ros.listening.capture.audio_chunk import AudioChunk
from improv_ros.listening.capture.input_level import PeakLevel
from improv_ros.listening.capture.pace import Pace
from improv_ros.listening.echo.echo_canceller import EchoCanceller
from improv_ros.listening.transcription.decoder import Decoder
from improv_ros.listening.transcription.streaming_transcriber import (
    ChunkTranscriber,
    StreamingTranscriber,
    confirming_decoder_for,
)
from improv_ros.listening.transcription.transcription_runtime import (
    DEFAULT_MODEL,
    load_estimator,
    model_file,
)
from improv_ros.nodes.common.arguments import parse_arguments
from improv_ros.nodes.common.audio_common_reader import MissingMessageError, message_class
from improv_ros.nodes.common.audio_topic import AUDIO_TYPES, OWN_TYPE, AudioListener
from improv_ros.nodes.common.latency_figures import LatencyFigures
from improv_ros.nodes.common.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.common.note_topics import NoteListener, NotePublisher
from improv_ros.nodes.common.parameters import Setting

AS_TUNED = -1.0  # the value of a threshold that keeps the value tuned for the model


def _threshold(name: str, description: str, unit: str = '') -> Setting:
    description += '; -1: tuned for the model'
    return Setting(name, AS_TUNED, description, unit, 0.0, 1.0, live=True, unset=AS_TUNED)


THRESHOLDS = (
    _threshold('onset_threshold', 'Minimum onset score of a note'),
    _threshold('frame_weight', 'Weight of the frame posterior in the onset score'),
    _threshold(
        'restrike_threshold', 'Minimum onset score of a key that sounds, if above onset_threshold'
    ),
    _threshold('rise', 'Minimum rise of the onset posterior since the last onset of the key'),
    _threshold('frame_threshold', 'A note ends when its frame posterior stays below this'),
    _threshold('offset_threshold', 'A note ends when its offset posterior reaches this'),
    _threshold('refractory', 'Shortest time between two onsets of a key', 's'),
)
SETTINGS = (
    Setting(
        'audio_type',
        OWN_TYPE,
        'Type of the messages on audio; all but the first are those of audio_common_msgs, which '
        'other packages publish',
        choices=AUDIO_TYPES,
    ),
    Setting(
        'model',
        '',
        'Model file (.tflite or .keras); empty: the shipped one; spectral: no network',
    ),
    Setting(
        'runtime',
        'auto',
        'Library that runs the network (auto prefers litert)',
        choices=RUNTIMES,
    ),
    Setting(
        'room',
        '',
        'Calibration by improv calibrate whose onset bias, velocities and thresholds are used: '
        'its name, or the path of its folder; empty: none',
    ),
    *THRESHOLDS,
    Setting(
        'cancel_echo',
        True,
        'Remove the played notes, which the microphone picks up, from what was heard',
    ),
)
STALLED = 0.5  # seconds without a chunk until sounding notes are released


class NoteOutlet:
    """A topic of transcribed notes, and what removes the echo of the robot from it."""

    def __init__(self, node: ManagedNode, topic: str, cancel_echo: bool) -> None:
        self.canceller = EchoCanceller() if cancel_echo else None
        self.latency = LatencyFigures()
        self.notes = 0
        self._time = node.time
        self._publisher = NotePublisher(node, topic, node.time)

    def publish(self, events: list[TimedEvent]) -> int:
        """Publish events without echoes; return the number of notes that began."""
        if self.canceller:
            events = self.canceller.remove_echoes(events)
        if not events:
            return 0
        self._publisher.publish(events)
        now = self._time.now()
        begun = [event for event in events if is_note_on(event)]
        for event in begun:
            self.latency.add(now - event.time)
        self.notes += len(begun)
        return len(begun)

    def destroy(self) -> None:
        """Leave the topic."""
        self._publisher.destroy()


class Transcriber(ManagedNode):
    """Transcribes each chunk, removes the echo of the robot, and publishes the notes."""

    def __init__(self) -> None:
        super().__init__('transcriber', SETTINGS)
        self._transcriber: ChunkTranscriber = None  # type: ignore[assignment]  # not before configure
        self._heard: NoteOutlet = None  # type: ignore[assignment]  # not before configure
        self._confirmed: NoteOutlet = None  # type: ignore[assignment]  # not before configure

    def configure(self) -> None:
        """Load the network."""
        self._model = self.settings['model'] or str(DEFAULT_MODEL)
        self._audio_type = self.settings['audio_type']
        try:
            if self._audio_type != OWN_TYPE:
                message_class(self._audio_type)
            estimator = load_estimator(self._model, self.settings['runtime'])
            if room := self._room():
                room.apply_to(estimator)
        except (MissingMessageError, ModelError, CalibrationError) as error:
            raise NotReadyError(str(error)) from error
        transcriber = StreamingTranscriber(
            estimator, confirming_decoder=confirming_decoder_for(estimator)
        )
        self._transcriber = ChunkTranscriber(transcriber)
        decoders = transcriber.decoder, transcriber.confirming_decoder
        self._tuned: list[tuple[Decoder, dict[str, float]]] = [
            (decoder, {each.name: getattr(decoder, each.name) for each in THRESHOLDS})
            for decoder in decoders
            if decoder
        ]
        self._apply_thresholds()
        cancel_echo = self.settings['cancel_echo']
        self._heard = NoteOutlet(self, 'heard_notes', cancel_echo)
        self._confirmed = NoteOutlet(self, 'confirmed_notes', cancel_echo)

    def _room(self) -> Room | None:
        """Return the calibration to use. Raises CalibrationError where it cannot be used."""
        if not self.settings['room']:
            return None
        room = read_room(self.settings['room'])
        room.check_model(model_file(self.settings['model'], self.settings['runtime']))
        return room

    def activate(self) -> None:
        """Subscribe to audio."""
        self._flushed = True
        self._last_chunk = time.monotonic()
        for outlet in (self._heard, self._confirmed):
            outlet.notes, outlet.latency = 0, LatencyFigures()
        self._computing = LatencyFigures()
        self._pace = Pace()
        self._level = PeakLevel()
        self._audio = AudioListener(self, self._on_chunk, audio_type=self._audio_type)
        self._played: NoteListener | None = None
        if self._heard.canceller:
            self._played = NoteListener(self, 'played_notes', self._add_sent, self.time)
        self._watch = self.create_timer(
            STALLED / 2,
            self._release_if_stalled,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def deactivate(self) -> None:
        """Stop transcribing and release sounding notes."""
        self._audio.destroy()
        self.destroy_timer(self._watch)
        if self._played:
            self._played.destroy()
        self._publish(self._transcriber.flush())

    def cleanup(self) -> None:
        """Release the network; destroy the publishers."""
        self._transcriber = None  # type: ignore[assignment]
        for outlet in filter(None, (self._heard, self._confirmed)):
            outlet.destroy()
        self._heard = self._confirmed = None  # type: ignore[assignment]

    def health(self) -> tuple[str, dict[str, object]]:
        """Return what arrives, what is lost and how long transcription takes."""
        age = time.monotonic() - self._last_chunk
        problem = f'no audio has arrived for {age:.1f} s' if age > 2 * STALLED else ''
        return problem, {
            'model': self._model,
            'room': self.settings['room'] or 'none',
            **self._audio.figures(),
            'audio lost': self._transcriber.lost,
            'audio skipped (s)': f'{self._pace.skipped:.1f}',
            'notes heard': self._heard.notes,
            'notes confirmed': self._confirmed.notes,
            'peak level (dBFS)': f'{self._level.peak:.1f}',
            **self._heard.latency.figures('sound to heard'),
            **self._confirmed.latency.figures('sound to confirmed'),
            **self._computing.figures('computing a hop', (0.5, 0.99)),
            'real-time factor': f'{self._pace.real_time_factor:.2f}',
            'behind (ms)': f'{1000 * self._pace.behind:.0f}',
            **self._echo_figures(),
        }

    def warning(self) -> str:
        """Return whether transcription is too slow, or notes are too quiet to transcribe well."""
        return '; '.join(filter(None, (self._pace.warning(), self._level.warning())))

    def apply_settings(self, names: set[str]) -> None:
        """Use changed thresholds from now on."""
        if self._transcriber and names & {setting.name for setting in THRESHOLDS}:
            self._apply_thresholds()

    def _apply_thresholds(self) -> None:
        for decoder, thresholds in self._tuned:
            for name, tuned in thresholds.items():
                value = self.settings[name]
                setattr(decoder, name, tuned if value == AS_TUNED else value)

    def _echo_figures(self) -> dict[str, object]:
        if not (self._played and self._heard.canceller):
            return {}
        delay = self._heard.canceller.delay
        return {
            'loop delay (ms)': 'unknown' if delay is None else f'{delay / 1e6:.0f}',
            'echoes removed': self._heard.canceller.removed,
            **self._played.figures(),
        }

    def _on_chunk(self, chunk: AudioChunk) -> None:
        began = self._last_chunk = time.monotonic()
        chunk = replace(chunk, time=chunk.time - self.time.ros_minus_local())
        if self._pace.should_skip(chunk, self.time.now()):
            self._release()
            return
        self._flushed = False
        self._level.feed(chunk.samples, chunk.duration)
        self._publish(self._transcriber.transcribe(chunk))
        took = round((time.monotonic() - began) * SECOND)
        self._pace.processed(chunk, took)
        self._computing.add(round(took * self._transcriber.hop_duration / max(1, chunk.duration)))

    def _release_if_stalled(self) -> None:
        if time.monotonic() - self._last_chunk > STALLED:
            self._release()

    def _release(self) -> None:
        if not self._flushed:
            self._flushed = True
            self._publish(self._transcriber.flush())

    def _add_sent(self, events: list[TimedEvent]) -> None:
        for outlet in (self._heard, self._confirmed):
            if outlet.canceller:
                outlet.canceller.add_sent(events)

    def _publish(self, events: list[TimedEvent]) -> None:
        """Publish what was heard, and what was confirmed meanwhile."""
        for _ in range(self._heard.publish(events)):
            self._level.note_transcribed()
        # What hears once is as sure at once as it will ever be.
        confirms = self._transcriber.transcriber.confirming_decoder is not None
        self._confirmed.publish(self._transcriber.take_confirmed() if confirms else events)


def main() -> int:
    """Run the node."""
    parse_arguments('transcriber', SETTINGS)
    return run(Transcriber)
