"""The player node: event text on `generated_notes`, played at its time on every output."""

from __future__ import annotations

import gc
from queue import SimpleQueue
import sys
import time

from rclpy.clock import Clock, ClockType
from std_srvs.srv import Trigger

from improv_ros.event_text import TimedEvent, clear, is_note_on
from improv_ros.nodes.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.note_topics import NoteListener, NotePublisher
from improv_ros.nodes.parameters import Setting, split_list
from improv_ros.nodes.simulated_playing import SimulatedPlaying
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.latency import Latency, strike_table
from improv_ros.playing.outputs.file import FileOutput
from improv_ros.playing.outputs.midi_file import MidiFileOutput
from improv_ros.playing.outputs.output import Output
from improv_ros.playing.outputs.port import PortOutput
from improv_ros.playing.outputs.synth import SynthOutput
from improv_ros.playing.outputs.wav import WavOutput
from improv_ros.playing.player import Player

SECOND = 1_000_000_000  # nanoseconds

SETTINGS = (
    Setting(
        'outputs',
        'synth',
        'Where the music goes',
        choices=('port', 'synth', 'file', 'wav'),
        many=True,
    ),
    Setting('port', '', 'Any part of the name of the MIDI port to play on'),
    Setting('virtual_port', False, 'Make a port of that name for others to connect to'),
    Setting(
        'midi_api', '', 'MIDI system; empty: the first that works', choices=('', 'alsa', 'jack')
    ),
    Setting('soundfont', '', 'SoundFont file; empty: the one of a Debian package'),
    Setting('audio_driver', '', 'FluidSynth audio driver; empty: its own choice'),
    Setting(
        'midi_file',
        'improvisation.mid',
        'MIDI file to write where outputs name file; numbered where it is there already',
    ),
    Setting(
        'wav_file',
        'improvisation.wav',
        'WAV file to write where outputs name wav; numbered where it is there already',
    ),
    Setting(
        'late_tolerance',
        0.2,
        'A note up to this late is played at once, a later one dropped',
        's',
        0.0,
        10.0,
    ),
    Setting(
        'output_latency',
        0.0,
        'Time from sending to sound of every output; all is sent so much earlier',
        's',
        0.0,
        2.0,
    ),
    Setting('port_latency', 0.0, 'The same, of the port besides', 's', 0.0, 2.0),
    Setting('synth_latency', 0.0, 'The same, of the synth besides', 's', 0.0, 2.0),
    Setting(
        'strike_latency',
        '',
        'What the instrument at the port takes to strike: disklavier, or velocity:seconds, ...',
    ),
    Setting(
        'realtime_priority',
        0,
        'Real-time priority (SCHED_FIFO) of what keeps time; 0: none',
        low=0,
        high=99,
    ),
    Setting(
        'spin',
        0.0,
        'Time awake before each event, with real-time priority only',
        's',
        0.0,
        0.002,
    ),
)

# While messages are parsed, what is due waits at most so long for the interpreter [s].
SWITCH_INTERVAL = 0.0005
STANDSTILL = 0.5  # seconds that simulated time must stand still for what sounds to be released


class MidiPlayer(ManagedNode):
    """Hands each message to the player's thread, and says on `played_notes` what sounds when."""

    def __init__(self) -> None:
        super().__init__('midi_player', SETTINGS)
        self._player: Player | None = None
        self._notes: NotePublisher | None = None
        self._sent: SimpleQueue[TimedEvent] = SimpleQueue()
        self._wake = self.create_guard_condition(self._publish_sent)
        self.create_service(Trigger, '~/panic', self._panic)

    def configure(self) -> None:
        """Open the outputs."""
        settings = self.settings
        names = split_list(settings['outputs'])
        if not names:
            raise NotReadyError('outputs is empty: name at least one of port, synth, file, wav')
        outputs = [self._make_output(name) for name in names]
        self._player = Player(
            outputs,
            round(settings['late_tolerance'] * SECOND),
            self._on_played,
            latencies=[self._latency_of(name) for name in names],
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
        for name, problem in problems.items():
            self.get_logger().error(f'{name}: {problem}')
        self._notes = NotePublisher(self, 'played_notes', self.time)
        # What lives now lives long: the collector need not stop the music to look at it again.
        gc.collect()
        gc.freeze()

    def activate(self) -> None:
        """Begin to play what is heard on the topic."""
        self._played = 0
        self._simulated = SimulatedPlaying(
            self.get_clock(),
            self.time,
            self._player,
            round(self.settings['late_tolerance'] * SECOND),
        )
        self._listener = NoteListener(
            self, 'generated_notes', self._submit, self.time, self._end_what_was_left
        )
        self._standstill = self.create_timer(
            STANDSTILL, self._rest_if_stopped, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def deactivate(self) -> None:
        """Stop listening, withdraw what waits and release every note."""
        self.destroy_timer(self._standstill)
        self._listener.destroy()
        self._simulated.close()
        self._player.submit([clear(time.monotonic_ns())])

    def cleanup(self) -> None:
        """Close the outputs."""
        if self._player:
            self._player.stop()
            self._publish_sent()
            self._player = None
        if self._notes:
            self._notes.destroy()
            self._notes = None

    def health(self) -> tuple[str, dict[str, object]]:
        """Tell what is wrong with an output, how late notes were and how many were dropped."""
        player = self._player
        problem = '; '.join(f'{name}: {text}' for name, text in player.problems.items())
        lateness = player.lateness()
        return problem, {
            'recording into': ', '.join(str(file.path) for file in self._files),
            'notes played': self._played,
            'lateness p50 (ms)': f'{lateness.p50 / 1e6:.2f}',
            'lateness p99 (ms)': f'{lateness.p99 / 1e6:.2f}',
            'lateness max (ms)': f'{lateness.max / 1e6:.2f}',
            'real-time priority': player.priority_problem or self.settings['realtime_priority'],
            'notes late': player.late,
            'notes dropped': player.dropped + self._simulated.dropped,
            'events refused': player.refused,
            'events waiting': player.pending + self._simulated.waiting,
            **self._listener.figures(),
        }

    def _make_output(self, name: str) -> Output:
        settings = self.settings
        if name == 'port':
            return PortOutput(
                settings['port'],
                settings['virtual_port'],
                settings['midi_api'],
                settings['realtime_priority'],
            )
        if name == 'synth':
            return SynthOutput(
                settings['soundfont'],
                driver=settings['audio_driver'],
                priority=settings['realtime_priority'],
            )
        if name == 'file':
            return MidiFileOutput(settings['midi_file'])
        return WavOutput(settings['wav_file'], settings['soundfont'])

    def _latency_of(self, name: str) -> Latency:
        settings = self.settings
        seconds = settings['output_latency']
        if name in ('port', 'synth'):
            seconds += settings[f'{name}_latency']
        try:
            strike = strike_table(settings['strike_latency'] if name == 'port' else '')
        except PlayingError as error:
            raise NotReadyError(str(error)) from error
        return Latency(round(seconds * SECOND), strike)

    def _panic(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Silence everything, whether it seems to sound or not."""
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

    def _rest_if_stopped(self) -> None:
        if self.time.simulated:
            self._simulated.rest()

    def _end_what_was_left(self, releases: list[TimedEvent]) -> None:
        """End at once what a generator will not end; what had not begun never does."""
        now = self.time.now()
        self._submit([event._replace(time=now) for event in releases])

    def _on_played(self, event: TimedEvent) -> None:
        """Called in the player's thread: take note and wake the node, no more."""
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
    sys.setswitchinterval(SWITCH_INTERVAL)
    return run(MidiPlayer)


if __name__ == '__main__':
    sys.exit(main())
