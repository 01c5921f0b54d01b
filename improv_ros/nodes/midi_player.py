# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The player node: plays the events of `generated_notes` at their times on every output."""

from __future__ import annotations

if __name__ == '__main__':  # the imports below take a second, in which Ctrl-C may come
    from improv_ros.nodes.common.executable import midi_player

    raise SystemExit(midi_player())

from collections.abc import Callable
import gc
from queue import SimpleQueue
import sys
import time
from typing import TYPE_CHECKING, cast

from rclpy.clock import Clock, ClockType, ROSClock
from std_srvs.srv import Trigger

from improv_ros.event_text import SECOND, LatencyCurve, TimedEvent, clear, is_note_on
from improv_ros.nodes.common.arguments import parse_arguments
from improv_ros.nodes.common.latency_figures import percentile
from improv_ros.nodes.common.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.common.note_topics import NoteListener, NotePublisher
from improv_ros.nodes.common.parameters import Setting, Settings, split_list
from improv_ros.nodes.common.problem_log import ProblemLog
from improv_ros.nodes.common.simulated_playing import SimulatedPlaying
from improv_ros.playing import PlayingError
from improv_ros.playing.note_schedule import Latency, strike_latency
from improv_ros.playing.outputs.file_output import FileOutput
from improv_ros.playing.outputs.midi_file_output import MidiFileOutput
from improv_ros.playing.outputs.output import Output
from improv_ros.playing.outputs.port_output import PortOutput
from improv_ros.playing.outputs.synth_output import SynthOutput
from improv_ros.playing.outputs.wav_output import WavOutput
from improv_ros.playing.player import Player

# Makes an output from the settings of the node; `playing/outputs/output.py` says how to add one.
OUTPUTS: dict[str, Callable[[Settings], Output]] = {
    'port': lambda settings: PortOutput(
        settings['port'],
        settings['virtual_port'],
        settings['midi_api'],
        settings['realtime_priority'],
    ),
    'synth': lambda settings: SynthOutput(
        settings['soundfont'],
        driver=settings['audio_driver'],
        priority=settings['realtime_priority'],
    ),
    'file': lambda settings: MidiFileOutput(settings['midi_file']),
    'wav': lambda settings: WavOutput(settings['wav_file'], settings['soundfont']),
}

if TYPE_CHECKING:
    from improv_ros.calibration.room import Room

SETTINGS = (
    Setting(
        'outputs', 'synth', 'What to play on, comma-separated', choices=tuple(OUTPUTS), many=True
    ),
    Setting('port', '', 'Any part of the name of the MIDI port to play on; empty: the first'),
    Setting('virtual_port', False, 'Create a port of that name that others connect to'),
    Setting(
        'midi_api', '', 'MIDI system; empty: the first that works', choices=('', 'alsa', 'jack')
    ),
    Setting('soundfont', '', 'SoundFont file; empty: the best one that is installed'),
    Setting('audio_driver', '', 'FluidSynth audio driver; empty: the first that works'),
    Setting(
        'midi_file',
        'improvisation.mid',
        'MIDI file to write if outputs contains file; numbered if it exists',
    ),
    Setting(
        'wav_file',
        'improvisation.wav',
        'WAV file to write if outputs contains wav; numbered if it exists',
    ),
    Setting(
        'late_tolerance',
        0.2,
        'A note that is later than this is dropped; other late events are played at once',
        's',
        0.0,
        10.0,
    ),
    Setting(
        'output_latency',
        0.0,
        'Latency from sending to sound, of every output; events are sent earlier by it',
        's',
        0.0,
        2.0,
    ),
    Setting(
        'port_latency',
        0.0,
        'Extra latency of the MIDI port, added to output_latency',
        's',
        0.0,
        2.0,
    ),
    Setting(
        'synth_latency',
        0.0,
        'Extra latency of the synthesiser, added to output_latency',
        's',
        0.0,
        2.0,
    ),
    Setting(
        'strike_latency',
        '',
        'Extra latency of note-ons at the MIDI port by velocity: disklavier, or a list of '
        'velocity:seconds',
    ),
    Setting(
        'room',
        '',
        'Calibration by improv calibrate whose latency replaces the ones above, of the output '
        'that it was made with: its name, or the path of its folder; empty: none',
    ),
    Setting(
        'realtime_priority',
        0,
        'Real-time priority (SCHED_FIFO) of the threads that send events; 0: none',
        low=0,
        high=99,
    ),
    Setting(
        'spin',
        0.0,
        'Time before each event that is waited for in a loop, with real-time priority only',
        's',
        0.0,
        0.002,
    ),
)

# A thread that parses messages gives the interpreter to the playing thread after at most this (s).
SWITCH_INTERVAL = 0.0005
STANDSTILL = 0.5  # seconds without progress of simulated time, after which notes are released


class MidiPlayer(ManagedNode):
    """Passes events to the player, and publishes on `played_notes` which events sound when."""

    def __init__(self) -> None:
        super().__init__('midi_player', SETTINGS)
        self._player: Player = None  # type: ignore[assignment]  # not before configure
        self._notes: NotePublisher | None = None
        self._sent: SimpleQueue[TimedEvent] = SimpleQueue()
        self._wake = self.create_guard_condition(self._publish_sent)
        self.create_service(Trigger, '~/panic', self._panic)

    def configure(self) -> None:
        """Open the outputs."""
        settings = self.settings
        names = split_list(settings['outputs'])
        if not names:
            raise NotReadyError(f'outputs is empty: name at least one of {", ".join(OUTPUTS)}')
        room = self._room()
        outputs = [OUTPUTS[name](settings) for name in names]
        self._player = Player(
            outputs,
            round(settings['late_tolerance'] * SECOND),
            self._on_played,
            latencies=[self._latency_of(name, room) for name in names],
            priority=settings['realtime_priority'],
            spin=round(settings['spin'] * SECOND),
        )
        self._player.start()
        self._files = [output for output in outputs if isinstance(output, FileOutput)]
        for file in self._files:
            self.get_logger().info(f'recording into {file.path}')
        if self._player.priority_problem:
            self.get_logger().warning(self._player.priority_problem)
        problems = self._player.problems
        if len(problems) == len(outputs):
            raise NotReadyError('; '.join(problems.values()))
        self._problems = ProblemLog(self.get_logger())
        self._problems.update(problems)
        self._notes = NotePublisher(self, 'played_notes', self.time)
        # Garbage collection need not look at the objects that exist now, which takes milliseconds.
        gc.collect()
        gc.freeze()

    def activate(self) -> None:
        """Begin to play the events of the topic."""
        self._played = 0
        self._simulated = SimulatedPlaying(
            cast(ROSClock, self.get_clock()),
            self.time,
            self._player,
            round(self.settings['late_tolerance'] * SECOND),
        )
        self._listener = NoteListener(
            self, 'generated_notes', self._submit, self.time, self._release_orphaned
        )
        self._standstill = self.create_timer(
            STANDSTILL, self._release_if_stopped, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def deactivate(self) -> None:
        """Stop to receive, withdraw waiting events and release every note."""
        self.destroy_timer(self._standstill)
        self._listener.destroy()
        self._simulated.close()
        self._player.submit([clear(time.monotonic_ns())])

    def cleanup(self) -> None:
        """Close the outputs."""
        if self._player:
            self._player.stop()
            self._publish_sent()
            self._player = None  # type: ignore[assignment]
        if self._notes:
            self._notes.destroy()
            self._notes = None

    def health(self) -> tuple[str, dict[str, object]]:
        """Return the problems of the outputs, and the counts and lateness of notes."""
        player = self._player
        problems = player.problems
        self._problems.update(problems)
        problem = '; '.join(f'{name}: {text}' for name, text in problems.items())
        lateness = player.lateness()
        return problem, {
            'recording into': ', '.join(str(file.path) for file in self._files),
            'notes played': self._played,
            'lateness p50 (ms)': f'{percentile(lateness, 0.5):.2f}',
            'lateness p99 (ms)': f'{percentile(lateness, 0.99):.2f}',
            'lateness max (ms)': f'{percentile(lateness, 1.0):.2f}',
            'real-time priority': player.priority_problem or self.settings['realtime_priority'],
            'notes late': player.late,
            'notes dropped': player.dropped + self._simulated.dropped,
            'events refused': player.refused,
            'events waiting': player.pending + self._simulated.waiting,
            **self._listener.figures(),
        }

    def _room(self) -> Room | None:
        if not self.settings['room']:
            return None
        # Only here, because they load code for listening, which no other player needs.
        from improv_ros.calibration.refusal import CalibrationError
        from improv_ros.calibration.room_folders import read_room

        try:
            return read_room(self.settings['room'])
        except CalibrationError as error:
            raise NotReadyError(str(error)) from error

    def _latency_of(self, name: str, room: Room | None) -> Latency:
        if room and (measured := room.latency_of(name)):
            points = measured.strike or ((0, 0.0),)
            return Latency(
                round(measured.fixed * SECOND),
                LatencyCurve((velocity, round(seconds * SECOND)) for velocity, seconds in points),
            )
        settings = self.settings
        seconds = settings['output_latency']
        if name in ('port', 'synth'):
            seconds += settings[f'{name}_latency']
        try:
            strike = strike_latency(settings['strike_latency'] if name == 'port' else '')
        except PlayingError as error:
            raise NotReadyError(str(error)) from error
        return Latency(round(seconds * SECOND), strike)

    def _panic(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Silence all channels, even if nothing seems to sound."""
        response.success = self._player is not None
        if self.active:
            self._simulated.withdraw()
        if self._player:
            self._player.panic()
        response.message = 'silenced' if response.success else 'there is no output yet'
        return response

    def _submit(self, events: list[TimedEvent]) -> None:
        if self.time.simulated:
            self._simulated.submit(events)
            return
        offset = self.time.minus_monotonic()
        self._player.submit([event._replace(time=event.time - offset) for event in events])

    def _release_if_stopped(self) -> None:
        if self.time.simulated:
            self._simulated.release_if_stopped()

    def _release_orphaned(self, releases: list[TimedEvent]) -> None:
        """Release at once the notes of a publisher that is gone."""
        now = self.time.now()
        self._submit([event._replace(time=now) for event in releases])

    def _on_played(self, event: TimedEvent) -> None:
        """Queue an event and wake the node; called in the playing thread."""
        self._sent.put(event)
        self._wake.trigger()

    def _publish_sent(self) -> None:
        offset = self.time.minus_monotonic()
        events = []
        while not self._sent.empty():
            event = self._sent.get()
            events.append(event._replace(time=event.time + offset))
        if events and self._notes:
            self._played += sum(map(is_note_on, events))
            self._notes.publish(events)


def main() -> int:
    """Run the node."""
    parse_arguments('midi_player', SETTINGS)
    sys.setswitchinterval(SWITCH_INTERVAL)
    return run(MidiPlayer)
