# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Three sets of nodes run side by side on this machine, each node in a process of its own, so that
every kind of node is under load at once:

soak_keys: MIDI over a socket -> midi_keyboard -> improviser (accompanies at its greatest density)
    -> midi_player -> a MIDI file.
soak_sound: a recording in a loop -> microphone -> transcriber; and notes that the benchmark
    generates -> midi_player -> MIDI over a socket, a MIDI file and a WAV file.
soak_body: the same generated notes -> robot_performer with the body piano_88.

Each set receives 160 notes per second by default; a virtuoso plays 15 to 20. Each key is released
before it is pressed again, and keys and velocities differ from note to note, so that each note can
be followed. The late tolerance of the player is 10 s, so that the load of the machine shows in
the percentiles of lateness and not in dropped notes. Live messages have a resolution of 1 ms.

Faults: a note or a message is lost or duplicated; a note sounds at the end; a node ends or does
not stop cleanly; the memory of a node grows by more than 5 % from the second minute to the last.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import os
from pathlib import Path
import random
import re
import socket
import tempfile
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import mido
import rclpy
from rclpy.qos import QoSProfile
import soundfile as sf
from std_msgs.msg import String

from benchmark.followed_notes import MILLISECOND, Pairs, Sequence, Source, Stage
from benchmark.harness import Column, Result, Table, option
from benchmark.process_usage import PROCESS_COLUMNS, Processes
from improv_ros.bringup.chain_spec import NodeSpec
from improv_ros.bringup.ensemble import Ensemble
from improv_ros.bringup.ros_environment import set_fast_dds_profile
from improv_ros.commands.demo import render_phrase
from improv_ros.event_text import SECOND, StreamWriter, TimedEvent, timed_event_of
from improv_ros.nodes.common.node_thread import NodeThread
from improv_ros.nodes.common.note_topics import CHAIN_QOS
from improv_ros.playing.midi.tcp_ports import SocketReceiver, SocketSender

MINUTE = 60.0  # seconds
KEYS, SOUND, BODY = 'soak_keys', 'soak_sound', 'soak_body'
AHEAD = SECOND  # the generated notes are published this long before they sound
MESSAGE_PERIOD = 0.05  # seconds between messages of generated notes
KEY_PERIOD = 0.005  # seconds between checks for keys that are due
BRINGUP_TIMEOUT = 120.0  # seconds
SETTLING_TIMEOUT = 60.0
FINAL_RELEASE_TIMEOUT = 5.0
CHECK_PERIOD = 2.0  # seconds between measurements of the processes
# The figures in the diagnostics of the nodes that must not grow.
LOSSES = re.compile(r'lost|malformed|out of range|duplicates|restarts|dropped|refused|overflows')


class Soak(NodeThread):
    """A ROS node that sends the notes to the nodes under test and follows what they publish."""

    def __init__(self, rate: float, keyboard: str, instrument: str) -> None:
        set_fast_dds_profile(rclpy.get_rmw_implementation_identifier())
        super().__init__('soak')
        self._rate = rate
        self._keyboard = keyboard
        self.keys = Stage('keyboard to heard_notes')
        self.own = Stage('improviser to played_notes')
        self.told = Stage('generator to played_notes')
        self.sounded = Stage('generator to MIDI port')
        self.stages = (self.keys, self.own, self.told, self.sounded)
        self.transcribed, self.performed = Pairs('transcriber'), Pairs('robot_performer')
        self.kept = (self.transcribed, self.performed)
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        self._alarms: dict[str, str] = {}  # the first warning of each node
        self._before: dict[str, int] = {}
        self._sequences: list[Sequence] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._senders: list[threading.Thread] = []
        self._receiver = SocketReceiver(instrument, self._sound, lambda: None)
        self._listen(f'{KEYS}/heard_notes', self.keys.leave)
        self._listen(f'{KEYS}/generated_notes', self.own.enter)
        self._listen(f'{KEYS}/played_notes', self.own.leave)
        self._listen(f'{SOUND}/heard_notes', self.transcribed.take)
        self._listen(f'{SOUND}/played_notes', self.told.leave)
        self._listen(f'{BODY}/played_notes', self.performed.take)
        self._generated = [
            self.node.create_publisher(String, f'/{ensemble}/generated_notes', CHAIN_QOS)
            for ensemble in (SOUND, BODY)
        ]
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnose, 100)

    def __exit__(self, *_: object) -> None:
        self.fall_silent()
        self._receiver.close()
        super().__exit__()

    def ready(self, nodes: int) -> bool:
        """Return whether all nodes are OK and every topic is connected."""
        well = sum(s.level == DiagnosticStatus.OK for s in self.diagnostics.values())
        topics = [f'/{sequence.topic}' for sequence in self._sequences]
        return (
            well == nodes
            and all(map(self.node.count_publishers, topics))
            and all(publisher.get_subscription_count() for publisher in self._generated)
        )

    def play(self) -> None:
        """Begin to send."""
        # While all nodes start at once, one may miss some of the recording.
        self._alarms.clear()
        self._before = self._losses()
        for send in (self._press, self._generate):
            thread = threading.Thread(target=send, name=send.__name__)
            thread.start()
            self._senders.append(thread)

    def fall_silent(self) -> None:
        """Release every key and send no more."""
        self._stop.set()
        for thread in self._senders:
            thread.join()

    def settled(self) -> bool:
        """Return whether all notes have come out and the improviser has stopped."""
        playing = self.figures(f'{KEYS}: improviser').get('playing')
        with self._lock:
            return playing == 'False' and not any(p.under_way for p in self.stages)

    def figures(self, name: str) -> dict[str, str]:
        """Return the diagnostics values of a node."""
        status = self.diagnostics.get(name)
        return {value.key: value.value for value in status.values} if status else {}

    def take_lateness(self) -> list[int]:
        """Return the lateness of the notes played since the last call, in order of size (ns)."""
        with self._lock:
            lateness = sorted(self.own.lateness + self.told.lateness)
            for stage in self.stages:
                stage.lateness.clear()
        return lateness

    def summary(self) -> str:
        """Return the numbers of followed notes and messages."""
        notes = sum(part.notes_in for part in self.stages)
        messages = sum(sequence.messages for sequence in self._sequences)
        return f'Followed: {notes} notes, each through one stage, and {messages} messages.'

    def faults(self) -> list[str]:
        """Return what went wrong."""
        with self._lock:
            counted = [fault for part in (*self.stages, *self.kept) for fault in part.faults()]
        numbered = [fault for sequence in self._sequences for fault in sequence.faults()]
        figures = [
            f'{name}: {value - self._before.get(name, 0)}'
            for name, value in self._losses().items()
            if value != self._before.get(name, 0)
        ]
        alarms = [f'{name}: {message}' for name, message in self._alarms.items()]
        return [*counted, *numbered, *figures, *alarms]

    def _losses(self) -> dict[str, int]:
        """Return what the nodes count as lost in their diagnostics."""
        return {
            f'{name}: {key}': int(value)
            for name in self.diagnostics
            for key, value in self.figures(name).items()
            if LOSSES.search(key)
        }

    def _listen(self, topic: str, take: Callable[[list[TimedEvent]], None]) -> None:
        sequence = Sequence(topic)
        self._sequences.append(sequence)

        def receive(message: String) -> None:
            events = sequence.read(message.data)
            with self._lock:
                take(events)

        # A long queue, so that a slow benchmark process does not count as a loss of the nodes.
        patient = QoSProfile(depth=10_000, reliability=CHAIN_QOS.reliability)
        self.node.create_subscription(String, f'/{topic}', receive, patient)

    def _diagnose(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name] = status
            if status.level != DiagnosticStatus.OK and not self._stop.is_set():
                self._alarms.setdefault(status.name, status.message)

    def _sound(self, message: mido.Message, now: int) -> None:
        event = timed_event_of(message, now)
        if event:
            with self._lock:
                self.sounded.leave([event])

    def _press(self) -> None:
        """Play on the keyboard in real time."""
        port = SocketSender(self._keyboard)
        source = Source(self._rate, time.monotonic_ns())
        while not self._stop.wait(KEY_PERIOD):
            self._send(port, source.until(time.monotonic_ns()))
        self._send(port, source.end())
        port.close()

    def _send(self, port: SocketSender, events: list[TimedEvent]) -> None:
        with self._lock:
            self.keys.enter(events)
        for event in events:
            pitch, velocity, channel = event.values
            port.send(bytes((0x90 | channel, pitch, velocity)))

    def _generate(self) -> None:
        """Publish generated notes ahead of time, instead of an improviser."""
        now = self.node.get_clock().now
        writer = StreamWriter()
        source = Source(self._rate, now().nanoseconds + AHEAD)
        while not self._stop.wait(MESSAGE_PERIOD):
            self._publish(
                writer, source.until(now().nanoseconds + AHEAD + round(MESSAGE_PERIOD * SECOND))
            )
        self._publish(writer, source.end())

    def _publish(self, writer: StreamWriter, events: list[TimedEvent]) -> None:
        with self._lock:
            for stage in (self.told, self.sounded):
                stage.enter(events)
        for text in writer.write(events):
            for publisher in self._generated:
                publisher.publish(String(data=text))


def free_port() -> str:
    """Return a free TCP port."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        return f'socket://127.0.0.1:{server.getsockname()[1]}'


def nodes_of(keyboard: str, instrument: str, folder: Path) -> dict[str, list[NodeSpec]]:
    """Return the nodes of all three sets, by namespace."""
    patient = {'late_tolerance': 10.0}
    dense = {'mode': 'accompany', 'max_density': 100.0, 'max_polyphony': 88, 'top_p': 1.0}
    sound = {'port': instrument, 'midi_file': str(folder / 'sound.mid')}
    return {
        KEYS: [
            NodeSpec('midi_keyboard', {'ports': keyboard}),
            NodeSpec('improviser', {**dense, 'seed': 1}),
            NodeSpec(
                'midi_player',
                {**patient, 'outputs': 'file', 'midi_file': str(folder / 'keys.mid')},
            ),
        ],
        SOUND: [
            NodeSpec(
                'microphone',
                {'source': 'file', 'file': str(folder / 'phrase.wav'), 'loop': True},
            ),
            NodeSpec('transcriber'),
            NodeSpec(
                'midi_player',
                {
                    **patient,
                    **sound,
                    'outputs': 'port, file, wav',
                    'wav_file': str(folder / 'sound.wav'),
                },
            ),
        ],
        BODY: [NodeSpec('robot_performer', {'body': 'piano_88'})],
    }


MINUTE_COLUMNS = (
    Column('minute', 'd'),
    Column('keys pressed → heard'),
    Column('improvised → played'),
    Column('generated → played'),
    Column('generated → at the port'),
    Column('transcribed', 'd'),
    Column('performed', 'd'),
    Column('late, ms, p50', '.1f'),
    Column('p95', '.1f', 6),
    Column('p99', '.1f', 6),
    Column('max', '.1f', 6),
)


class Minutes:
    """Adds a row to a table for each minute that ends."""

    def __init__(self, soak: Soak, table: Table) -> None:
        self._soak = soak
        self._table = table
        self._counted = {part.name: (0, 0) for part in soak.stages}
        self._kept = {part.name: 0 for part in soak.kept}

    def add(self) -> None:
        """Add a row for the time since the last call."""
        cells: list[str | int | float | None] = []
        for part in self._soak.stages:
            before = self._counted[part.name]
            after = self._counted[part.name] = part.notes_in, part.notes_out
            cells.append('{} → {}'.format(*(b - a for a, b in zip(before, after, strict=True))))
        for pairs in self._soak.kept:
            cells.append(pairs.notes - self._kept[pairs.name])
            self._kept[pairs.name] = pairs.notes
        late = self._soak.take_lateness()
        for share in (0.5, 0.95, 0.99, 1.0):
            place = min(int(share * len(late)), len(late) - 1)
            cells.append(late[place] / MILLISECOND if late else None)
        self._table.add(len(self._table.rows) + 1, *cells)


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Wait for a condition; return whether it came within the timeout (s)."""
    deadline = time.monotonic() + timeout
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def recorded_faults(path: Path, notes: int) -> list[str]:
    """Return a fault for each played note that a MIDI file lacks."""
    begun = sum(m.type == 'note_on' and m.velocity > 0 for m in mido.MidiFile(path).tracks[0])
    return [] if begun == notes else [f'{path.name} holds {begun} notes of {notes}']


def soak_for(seconds: float, processes: Processes, minutes: Minutes) -> None:
    """Measure and report each minute, until the time is over or a node has ended."""
    began = minute_began = time.monotonic()
    processes.look()
    while not processes.faults and minute_began - began < seconds - 0.5:
        minute_end = min(minute_began + MINUTE, began + seconds)
        while time.monotonic() < minute_end:
            time.sleep(max(0.0, min(CHECK_PERIOD, minute_end - time.monotonic())))
            processes.look()
        processes.end_minute(time.monotonic() - minute_began)
        minutes.add()
        minute_began = minute_end


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option(parser, '--minutes', 60.0, 'length of the soak, in minutes')
    option(parser, '--rate', 160.0, 'notes per second into each ensemble')


def run(arguments: argparse.Namespace, result: Result) -> None:
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.randrange(1, 100)))
    with tempfile.TemporaryDirectory(prefix='soak_') as folder:
        faults = run_in(Path(folder), arguments.minutes, arguments.rate, result)
    for fault in faults:
        result.fault(fault)
    if not faults:
        result.note('No note and no message was lost, no note hangs, no memory has grown.')


def run_in(folder: Path, minutes: float, rate: float, result: Result) -> list[str]:
    """Run the soak; return what went wrong."""
    render_phrase(folder / 'phrase.wav')
    keyboard, instrument = free_port(), free_port()
    specs = nodes_of(keyboard, instrument, folder)
    ensembles = {
        name: Ensemble(nodes, namespace=name, log_level='warn') for name, nodes in specs.items()
    }
    processes = Processes(
        lambda: {
            f'{name}/{node}': pid
            for name, ensemble in ensembles.items()
            for node, pid in ensemble.pids().items()
        }
    )
    faults: list[str] = []
    with Soak(rate, keyboard, instrument) as soak:
        try:
            for ensemble in ensembles.values():
                ensemble.start()
            nodes = sum(map(len, specs.values()))
            if not wait_until(lambda: soak.ready(nodes), BRINGUP_TIMEOUT):
                return [f'the chain does not come up: {", ".join(soak.faults()) or "no message"}']
            soak.play()
            table = result.table('Notes and lateness by minute', *MINUTE_COLUMNS)
            soak_for(minutes * MINUTE, processes, Minutes(soak, table))
            soak.fall_silent()
            wait_until(soak.settled, SETTLING_TIMEOUT)
        finally:
            for name, ensemble in ensembles.items():
                faults += [
                    f'{name}/{node} left with exit code {code}'
                    for node, code in ensemble.stop().items()
                    if code
                ]
        # The transcriber releases sounding notes when it ends.
        wait_until(lambda: not any(part.hanging for part in soak.kept), FINAL_RELEASE_TIMEOUT)
        faults += soak.faults()
    processes.report(result.table('Processes', *PROCESS_COLUMNS))
    result.note(soak.summary())
    result.note('A minute counts what it saw; notes on their way at its end leave in the next.')
    faults += processes.faults + processes.growth_faults()
    faults += recorded_faults(folder / 'sound.mid', soak.told.notes_in)
    faults += recorded_faults(folder / 'keys.mid', soak.own.notes_in)
    recorded = sf.info(folder / 'sound.wav').duration
    if recorded < minutes * MINUTE:
        faults.append(f'sound.wav holds {recorded:.1f} s of {minutes * MINUTE:.1f}')
    return faults
