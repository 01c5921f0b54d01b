# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The nodes of a calibration, and what records the program that a player or a person plays."""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue
import threading
import time
from typing import cast

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import rclpy
from rclpy.clock import ROSClock
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from improv_ros.bringup.ensemble import Ensemble
from improv_ros.calibration.hop_outputs import HopOutputs, OutputRecorder
from improv_ros.calibration.note_program import Program, SentNote, sent_notes
from improv_ros.calibration.person_program import Request, Span
from improv_ros.calibration.recorded_sound import RecordedSound
from improv_ros.calibration.refusal import CalibrationError
from improv_ros.event_text import SECOND, TimedEvent, clear, is_note_on
from improv_ros.listening.capture.audio_chunk import AudioChunk
from improv_ros.listening.transcription.transcription_runtime import NetworkEstimator
from improv_ros.nodes.common.audio_topic import AudioListener
from improv_ros.nodes.common.local_time import LocalTime
from improv_ros.nodes.common.note_topics import NoteListener, NotePublisher

BRINGUP_TIMEOUT = 60.0  # seconds until a device that does not come is told
STALLED = 3.0  # seconds without sound that end a calibration
LOOKAHEAD = 1.0  # seconds by which notes are published ahead
LATE = 1.5  # seconds after the program in which its last sound arrives
REQUEST_TIMEOUT = 90.0  # seconds in which a person plays what is asked for
READING = 2.0  # seconds from the end of a request until the keys of the next one count
POLL = 0.05  # seconds
# The nodes that are needed besides the microphone, and what messages call them.
DISPLAY_NAMES = {
    'midi_player': 'player',
    'robot_performer': 'performer',
    'simulated_robot': 'simulated robot',
    'transcriber': 'transcriber',
}


class InterruptedByUserError(Exception):
    """The user asked to end."""


class Take:
    """A recording under way: its sound, what the player sent, and the outputs of the network.

    The network runs in a thread of its own while the program plays, so that little is left to do
    at the end.
    """

    def __init__(self, estimator: NetworkEstimator) -> None:
        self.sound = RecordedSound(estimator.sample_rate)
        self.played: list[TimedEvent] = []
        self._recorder = OutputRecorder(estimator)
        self._chunks: SimpleQueue[AudioChunk | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._listen, name='network', daemon=True)
        self._thread.start()

    def add(self, chunk: AudioChunk) -> None:
        """Add a chunk, with a time of the local clock."""
        self._chunks.put(chunk)

    def finish(self) -> dict[int, HopOutputs]:
        """Wait until the network has heard everything; return its outputs by delay."""
        self._chunks.put(None)
        self._thread.join()
        return self._recorder.finish()

    def sent(self) -> list[SentNote]:
        """Return the notes that the player sent, in seconds of the recording."""
        origin, rate = self.sound.origin()
        return [
            SentNote(note.onset / rate, note.offset / rate, note.pitch, note.velocity)
            for note in sent_notes(self.played, origin)
        ]

    def _listen(self) -> None:
        while chunk := self._chunks.get():
            self._recorder.feed(self.sound.feed(chunk))


class CalibrationSession:
    """Records what the nodes of an ensemble or a person play; use it as a context manager.

    The ensemble has a player, a performer, or a transcriber that hears what a person plays.
    """

    def __init__(self, ensemble: Ensemble, namespace: str, stop: threading.Event) -> None:
        self._ensemble = ensemble
        self._stop = stop
        self._needed = [name for name in ensemble.names if name in DISPLAY_NAMES]
        self._by_person = 'transcriber' in self._needed
        self._keys_heard = 0
        self._take: Take | None = None
        self._problems: dict[str, str] = {}  # by node
        self._warnings: dict[str, str] = {}  # by node
        self._last_chunk = 0.0
        self._chunks = 0
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node('calibration', namespace=namespace)
        self._time = LocalTime(cast(ROSClock, self._node.get_clock()))
        self._notes = NotePublisher(self._node, 'generated_notes', self._time)
        # A body's latency is from its commands, which are not the times at which it plays.
        topic = 'performed_notes' if 'robot_performer' in self._needed else 'played_notes'
        self._played = NoteListener(self._node, topic, self._keep_played, self._time)
        self._heard = NoteListener(self._node, 'heard_notes', self._count_keys, self._time)
        self._audio = AudioListener(self._node, self._keep_chunk)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnose, 10)
        self._diagnostics = self._node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._told = ''
        self._prefix = f'{namespace.strip("/").replace("/", ": ")}: '
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin, name='calibration')

    def __enter__(self) -> CalibrationSession:
        self._thread.start()
        self._ensemble.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._notes.publish([clear(self._time.now())])
        self._ensemble.stop()
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()
        rclpy.try_shutdown()

    def wait_for_nodes(self) -> None:
        """Wait until sound arrives, all nodes are well, and the one that plays or hears listens.

        Raises CalibrationError, which says what does not come, and InterruptedByUserError.
        """
        deadline = time.monotonic() + BRINGUP_TIMEOUT
        while not (self._chunks and self._answers()):
            self._pause(POLL)
            self._raise_if_ended()
            if time.monotonic() > deadline:
                raise CalibrationError(self._what_is_missing())

    def _answers(self) -> bool:
        if any(self._problems.get(name) != '' for name in self._needed):
            return False
        if self._by_person:
            return self._heard.publishers > 0
        return self._played.publishers > 0 and self._notes.subscribers > 0

    def silence(self, seconds: float, estimator: NetworkEstimator) -> Take:
        """Record without playing."""
        return self._record(Program([], [], round(seconds * SECOND)), estimator, None)

    def play(
        self,
        program: Program,
        estimator: NetworkEstimator,
        progress: Progress | None = None,
    ) -> Take:
        """Play a program and record it. Raises CalibrationError and InterruptedByUserError."""
        return self._record(program, estimator, progress)

    def ask(
        self, requests: Sequence[Request], estimator: NetworkEstimator, progress: Progress
    ) -> tuple[Take, list[Span]]:
        """Ask a person to play, and record it; return when each request was played, too.

        Raises CalibrationError and InterruptedByUserError.
        """
        take = self._take = Take(estimator)
        self._last_chunk = time.monotonic()
        times: list[tuple[int, int]] = []
        try:
            for request in requests:
                self._tell(progress.ask(request, 0, REQUEST_TIMEOUT))
                self._pause(READING)
                begin, self._keys_heard = self._time.now(), 0
                deadline = time.monotonic() + REQUEST_TIMEOUT
                while self._keys_heard < request.notes:
                    left = deadline - time.monotonic()
                    if left < 0:
                        remedy = self._warnings.get('transcriber') or (
                            'turn the microphone up, or move it closer to the piano'
                        )
                        raise CalibrationError(
                            f'{self._keys_heard} of {request.notes} keys were heard in '
                            f'{REQUEST_TIMEOUT:.0f} s: {remedy}'
                        )
                    self._tell(progress.ask(request, self._keys_heard, left))
                    self._pause(POLL)
                    self._raise_if_ended()
                times.append((begin, self._time.now()))
            self._pause(LATE)
        finally:
            self._take = None
        progress.end()
        return take, [
            Span(take.sound.place(begin), take.sound.place(end), request.velocity)
            for (begin, end), request in zip(times, requests, strict=True)
        ]

    def _record(
        self, program: Program, estimator: NetworkEstimator, progress: Progress | None
    ) -> Take:
        take = self._take = Take(estimator)
        self._last_chunk = time.monotonic()
        begin = self._time.now() + round(0.5 * LOOKAHEAD * SECOND)
        waiting = list(program.events)
        end = begin + program.end + (round(LATE * SECOND) if program.events else 0)
        try:
            while (now := self._time.now()) < end:
                due = now + round(LOOKAHEAD * SECOND) - begin
                count = sum(1 for event in waiting if event.time <= due)
                if count:
                    self._notes.publish(e._replace(time=e.time + begin) for e in waiting[:count])
                    del waiting[:count]
                if progress:
                    progress.show(program, now - begin)
                self._pause(POLL)
                self._raise_if_ended()
        finally:
            self._take = None
        return take

    def _tell(self, line: str) -> None:
        """Publish what a person is to play, for the live page."""
        if line != self._told:
            self._told = line
            status = DiagnosticStatus(
                level=DiagnosticStatus.OK,
                name=f'{self._prefix}{self._node.get_name()}',
                message=line,
                hardware_id='improv_ros',
            )
            array = DiagnosticArray(status=[status])
            array.header.stamp = self._node.get_clock().now().to_msg()
            self._diagnostics.publish(array)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise InterruptedByUserError

    def _raise_if_ended(self) -> None:
        for name, code in self._ensemble.ended().items():
            if name == 'live_page':  # it only shows
                continue
            raise CalibrationError(f'{name} has ended (exit code {code}): the lines above say why')
        age = time.monotonic() - self._last_chunk
        if self._take and age > STALLED:
            problem = self._problems.get('microphone') or f'no sound has come for {age:.0f} s'
            raise CalibrationError(f'the microphone has stopped in the middle: {problem}')
        for name in self._needed if self._take else ():
            if reason := self._problems.get(name):
                raise CalibrationError(
                    f'the {DISPLAY_NAMES[name]} has stopped in the middle: {reason}'
                )

    def _what_is_missing(self) -> str:
        if not self._chunks:
            reason = self._problems.get('microphone') or 'no sound arrives: is it plugged in?'
            return f'the microphone does not work: {reason}'
        ill = [name for name in self._needed if self._problems.get(name) != '']
        name = (ill or self._needed)[0]
        answer = self._problems.get(name) or 'it does not answer'
        return f'the {DISPLAY_NAMES[name]} does not work: {answer}'

    def _keep_played(self, events: list[TimedEvent]) -> None:
        if self._take:
            self._take.played.extend(events)

    def _count_keys(self, events: list[TimedEvent]) -> None:
        self._keys_heard += sum(map(is_note_on, events))

    def _keep_chunk(self, chunk: AudioChunk) -> None:
        self._chunks += 1
        self._last_chunk = time.monotonic()
        if self._take:
            offset = self._time.ros_minus_local()
            self._take.add(
                AudioChunk(chunk.samples, chunk.sample_rate, chunk.time - offset, chunk.sequence)
            )

    def _diagnose(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.startswith(self._prefix):
                name = status.name.removeprefix(self._prefix)
                for messages, level in (
                    (self._problems, DiagnosticStatus.ERROR),
                    (self._warnings, DiagnosticStatus.WARN),
                ):
                    messages[name] = status.message if status.level == level else ''


class Progress:
    """Prints which part of a program plays, or is to be played, and how much time is left."""

    def __init__(self, is_terminal: bool) -> None:
        self._is_terminal = is_terminal
        self._shown = ''

    def show(self, program: Program, time: int) -> None:
        """Print the progress, where it differs from what was printed last."""
        section = program.section_at(time) or 'silence'
        left = max(0, (program.end - time) // SECOND)
        self._print(section, f'{section}: {left} s left')

    def ask(self, request: Request, heard: int, left: float) -> str:
        """Print what a person is to play, how much of it was heard, and the time left."""
        line = f'{request.what}: {heard} of {request.notes} heard, {left:.0f} s left'
        self._print(request.what, line)
        return line

    def _print(self, section: str, line: str) -> None:
        if line == self._shown or (not self._is_terminal and self._shown.startswith(section)):
            return
        self._shown = line
        if self._is_terminal:
            print(f'\r{line:<90}', end='', flush=True)
        else:
            print(line, flush=True)

    def end(self) -> None:
        """End the line."""
        if self._is_terminal:
            print()


def onsets_of(sent: Sequence[SentNote]) -> list[float]:
    """Return when notes were sent."""
    return [note.onset for note in sent]
