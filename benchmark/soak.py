"""The whole chain at ten times a virtuoso's density, for as long as asked; nothing may be lost.

Three ensembles run side by side on this machine, each node a process of its own, so that nodes of
every kind are under load at once:

soak_keys: MIDI over a socket → midi_keyboard → improviser (accompanying, as densely as it may)
    → midi_player → a MIDI file.
soak_sound: a recording in a loop → microphone → transcriber; and notes generated here, in the
    improviser's place → midi_player → MIDI over a socket, a MIDI file and a WAV file. The
    transcriber hears of every note that is played.
soak_body: the same generated notes → robot_performer, with the body of a piano. It leaves out
    what it is kept too long from commanding in time; that is told, and no fault.

A virtuoso plays 15 to 20 notes a second: 160 a second enter each ensemble by default, each key
released before it is pressed again, keys and velocities in turn, so that each note is known from
those before and after it. What the improviser adds is what its network thinks fit, at most 100 a
second, the highest that it can be set to. Two processors bear this; the player may be late by ten
seconds before it drops a note, so that what a busy machine does is seen in the percentiles.

Notes are followed by pairs through each stage, and messages by number on each topic. Each minute
is told as it ends: notes in and out, how late the players sent (to the millisecond, the
resolution of live messages), and each process's resident memory, open files, threads and share of
a processor. Exit status 1, and the reason, if a note or a message is lost, comes twice or hangs
at the end, if a node ends or does not leave cleanly, or if the memory of one has grown by more
than 5 percent from the second minute to the last.

    python benchmark/soak.py [--minutes 60] [--table docs/robustness.md]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import count
import os
from pathlib import Path
import random
import re
import socket
import sys
import tempfile
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import mido
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from soak_counts import Pairs, Passage, Sequence, growth
from soak_processes import Processes, Stretch
import soundfile as sf
from std_msgs.msg import String

from improv_ros.bringup import NodeSpec
from improv_ros.demo.command import render_phrase
from improv_ros.ensemble import Ensemble
from improv_ros.event_text import (
    StreamWriter,
    TimedEvent,
    is_note_on,
    note_off,
    note_on,
    timed_event_of,
)
from improv_ros.nodes.network import recover_losses_soon
from improv_ros.nodes.note_topics import CHAIN_QOS
from improv_ros.playing.sockets import SocketReceiver, SocketSender

SECOND = 1_000_000_000  # nanoseconds
MILLISECOND = 1_000_000
KEYS, SOUND, BODY = 'soak_keys', 'soak_sound', 'soak_body'
PITCHES = 88
SOFTEST, VELOCITIES = 20, 95  # the piano's body plays these as they are
AHEAD = SECOND  # the generated notes are published so long before they sound
BATCH = 0.05  # seconds from one message of generated notes to the next
STEP = 0.005  # seconds from one look at what is to be sent on the socket to the next
BRINGUP_TIMEOUT = 120.0
SETTLING_TIMEOUT = 60.0
LAST_WORDS_TIMEOUT = 5.0
LOOK_PERIOD = 2.0  # seconds between looks at the processes
MINUTE = 60.0
JUDGED_FROM = 2  # the minute with whose memory that of the last is compared
LARGEST_GROWTH = 5.0  # percent
# The nodes' own figures which must not grow.
LOSSES = re.compile(r'lost|malformed|misdated|duplicates|restarts|dropped|refused|overflows')
SECTION = '## Soak'


def music(rate: float, start: int = 0):
    """Yield note-ons and note-offs without end, `rate` notes a second, eight keys at a time."""
    step = SECOND / rate
    sounding: list[int] = []
    for index in count():
        time = start + round(index * step / MILLISECOND) * MILLISECOND
        if len(sounding) == 8:
            yield note_off(time, sounding.pop(0))
        pitch = 21 + index % PITCHES
        sounding.append(pitch)
        yield note_on(time, pitch, SOFTEST + index % VELOCITIES)


class Source:
    """Gives the events of the music as they become due, and in the end releases every key."""

    def __init__(self, rate: float, start: int) -> None:
        self._music = music(rate, start)
        self._next = next(self._music)
        self._held: dict[int, None] = {}

    def until(self, time: int) -> list[TimedEvent]:
        """Return the events before a time."""
        events = []
        while self._next.time < time:
            events.append(self._next)
            pitch = self._next.values[0]
            if is_note_on(self._next):
                self._held[pitch] = None
            else:
                del self._held[pitch]
            self._next = next(self._music)
        return events

    def end(self) -> list[TimedEvent]:
        """Return what releases the keys that are pressed."""
        return [note_off(self._next.time, pitch) for pitch in self._held]


class Soak:
    """The listening and sending end of the soak, a ROS node among the others."""

    def __init__(self, rate: float, keyboard: str, instrument: str) -> None:
        self._rate = rate
        self._keyboard = keyboard
        self.keys = Passage('keyboard to heard_notes')
        self.own = Passage('improviser to played_notes')
        self.told = Passage('generator to played_notes')
        self.sounded = Passage('generator to MIDI port')
        self.passages = (self.keys, self.own, self.told, self.sounded)
        self.transcribed, self.performed = Pairs('transcriber'), Pairs('robot_performer')
        self.kept = (self.transcribed, self.performed)
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        self._alarms: dict[str, None] = {}
        self._before: dict[str, int] = {}
        self._sequences: list[Sequence] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._senders: list[threading.Thread] = []
        self._receiver = SocketReceiver(instrument, self._sound, lambda: None)
        recover_losses_soon()
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node('soak')
        self._listen(f'{KEYS}/heard_notes', self.keys.leave)
        self._listen(f'{KEYS}/generated_notes', self.own.enter)
        self._listen(f'{KEYS}/played_notes', self.own.leave)
        self._listen(f'{SOUND}/heard_notes', self.transcribed.take)
        self._listen(f'{SOUND}/played_notes', self.told.leave)
        self._listen(f'{BODY}/played_notes', self.performed.take)
        self._generated = [
            self._node.create_publisher(String, f'/{ensemble}/generated_notes', CHAIN_QOS)
            for ensemble in (SOUND, BODY)
        ]
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnose, 100)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin, name='listener')

    def __enter__(self) -> Soak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.fall_silent()
        self._executor.shutdown()
        self._thread.join()
        self._receiver.close()
        self._node.destroy_node()
        rclpy.try_shutdown()

    def ready(self, nodes: int) -> bool:
        """Tell whether all nodes are well and every topic is connected."""
        well = sum(s.level == DiagnosticStatus.OK for s in self.diagnostics.values())
        topics = [f'/{sequence.topic}' for sequence in self._sequences]
        return (
            well == nodes
            and all(map(self._node.count_publishers, topics))
            and all(publisher.get_subscription_count() for publisher in self._generated)
        )

    def play(self) -> None:
        """Begin to send."""
        # While everything starts at once, a node may miss some of the recording.
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
        """Tell whether all that went in has come out and the improviser has ended."""
        speaking = self.figures(f'{KEYS}: improviser').get('speaking')
        with self._lock:
            return speaking == 'False' and not any(p.under_way for p in self.passages)

    def figures(self, name: str) -> dict[str, str]:
        """Return a node's figures."""
        status = self.diagnostics.get(name)
        return {value.key: value.value for value in status.values} if status else {}

    def take_lateness(self) -> list[int]:
        """Return the lateness of the notes played since the last call, in order of size (ns)."""
        with self._lock:
            lateness = sorted(self.own.lateness + self.told.lateness)
            for passage in self.passages:
                passage.lateness.clear()
        return lateness

    def summary(self) -> str:
        """Say how much was followed."""
        notes = sum(part.notes_in for part in self.passages)
        messages = sum(sequence.messages for sequence in self._sequences)
        return f'Followed: {notes} notes through a stage each, and {messages} messages.'

    def faults(self) -> list[str]:
        """Say in sentences what went wrong."""
        with self._lock:
            counted = [fault for part in (*self.passages, *self.kept) for fault in part.faults()]
        numbered = [fault for sequence in self._sequences for fault in sequence.faults()]
        figures = [
            f'{name}: {value - self._before.get(name, 0)}'
            for name, value in self._losses().items()
            if value != self._before.get(name, 0)
        ]
        return [*counted, *numbered, *figures, *self._alarms]

    def _losses(self) -> dict[str, int]:
        """Return what the nodes themselves count as lost."""
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

        # What this process is too slow for has not been lost by the chain.
        patient = QoSProfile(depth=10_000, reliability=CHAIN_QOS.reliability)
        self._node.create_subscription(String, f'/{topic}', receive, patient)

    def _diagnose(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name] = status
            if status.level != DiagnosticStatus.OK and not self._stop.is_set():
                self._alarms[f'{status.name}: {status.message}'] = None

    def _sound(self, message: mido.Message, now: int) -> None:
        with self._lock:
            self.sounded.leave([timed_event_of(message, now)])

    def _press(self) -> None:
        """Play on the keyboard, in time."""
        port = SocketSender(self._keyboard)
        source = Source(self._rate, time.monotonic_ns())
        while not self._stop.wait(STEP):
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
        """Publish in the improviser's place, ahead of time."""
        now = self._node.get_clock().now
        writer = StreamWriter()
        source = Source(self._rate, now().nanoseconds + AHEAD)
        while not self._stop.wait(BATCH):
            self._publish(writer, source.until(now().nanoseconds + AHEAD + round(BATCH * SECOND)))
        self._publish(writer, source.end())

    def _publish(self, writer: StreamWriter, events: list[TimedEvent]) -> None:
        with self._lock:
            for passage in (self.told, self.sounded):
                passage.enter(events)
        for text in writer.write(events):
            for publisher in self._generated:
                publisher.publish(String(data=text))


def free_port() -> str:
    """Return a socket port that nobody listens on."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        return f'socket://127.0.0.1:{server.getsockname()[1]}'


def nodes_of(keyboard: str, instrument: str, folder: Path) -> dict[str, list[NodeSpec]]:
    """Return the nodes of all ensembles, by namespace."""
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


class Report:
    """The minutes as they end: printed at once, and kept as a table."""

    def __init__(self, soak: Soak, processes: Processes) -> None:
        self._soak = soak
        self._processes = processes
        self._counted: dict[str, tuple[int, int]] = {}
        self._kept: dict[str, int] = {}
        self.notes: list[str] = []
        self.usage: list[dict[str, Stretch]] = []

    def add(self, seconds: float) -> None:
        """Take in what happened in the last `seconds`, and print it."""
        soak = self._soak
        cells = []
        for passage in soak.passages:
            before = self._counted.get(passage.name, (0, 0))
            after = self._counted[passage.name] = passage.notes_in, passage.notes_out
            cells.append('{} → {}'.format(*(b - a for a, b in zip(before, after, strict=True))))
        for pairs in soak.kept:
            cells.append(str(pairs.notes - self._kept.get(pairs.name, 0)))
            self._kept[pairs.name] = pairs.notes
        late = soak.take_lateness()
        for share in (0.5, 0.95, 0.99):
            cells.append(milliseconds(late[int(share * len(late))]) if late else '-')
        cells.append(milliseconds(late[-1]) if late else '-')
        self.usage.append(self._processes.stretch(seconds))
        self.notes.append(row(len(self.usage), *cells))
        print(self.notes[-1])
        for name, use in self.usage[-1].items():
            print(
                f'    {name:26} {use.memory:7.1f} MiB {use.files:4} files {use.threads:3} threads '
                f'{use.cpu:5.1f} % of a processor'
            )
        sys.stdout.flush()

    def growths(self) -> dict[str, float]:
        """Return by how much the memory of each node has grown, in percent."""
        if len(self.usage) <= JUDGED_FROM:
            return {}
        first, last = self.usage[JUDGED_FROM - 1], self.usage[-1]
        return {
            name: growth(first[name].memory, last[name].memory)
            for name in last
            if name in first and name != 'soak'
        }

    def faults(self) -> list[str]:
        """Say whose memory has grown too much."""
        return [
            f'{name}: memory has grown by {percent:.1f} % from minute {JUDGED_FROM} to the last'
            for name, percent in self.growths().items()
            if percent > LARGEST_GROWTH
        ]

    def tables(self) -> str:
        """Return what was printed, as Markdown."""
        names = list(self.usage[-1]) if self.usage else []
        growths = self.growths()
        lines = [
            NOTES_HEADER,
            RULE,
            *self.notes,
            '',
            row('resident memory in MiB, minute', *names),
            row(*['---'] * (1 + len(names))),
        ]
        for number, usage in enumerate(self.usage, 1):
            lines.append(
                row(number, *(f'{usage[n].memory:.1f}' if n in usage else '-' for n in names))
            )
        lines.append(
            row(
                'growth from minute 2',
                *(f'{growths[n]:+.1f} %' if n in growths else '-' for n in names),
            )
        )
        for title, figure in (
            ('open files, first and last minute', lambda use: use.files),
            ('threads, first and last minute', lambda use: use.threads),
        ):
            ends = self.usage[0], self.usage[-1]
            lines.append(
                row(
                    title,
                    *(
                        ', '.join(str(figure(u[n])) if n in u else '-' for u in ends)
                        for n in names
                    ),
                )
            )
        shares = {n: [usage[n].cpu for usage in self.usage if n in usage] for n in names}
        lines.append(
            row(
                'share of a processor, mean',
                *(f'{sum(s) / len(s):.0f} %' for s in shares.values()),
            )
        )
        return '\n'.join(lines) + '\n'


NOTES_HEADER = (
    '| minute | keys pressed → heard | improvised → played | generated → played '
    '| generated → at the port | transcribed | performed '
    '| late p50 ms | p95 | p99 | max |'
)
RULE = '| --- ' * NOTES_HEADER.count(' |') + '|'


def row(*cells: object) -> str:
    """Return a line of a Markdown table."""
    return '| ' + ' | '.join(map(str, cells)) + ' |'


def milliseconds(nanoseconds: int) -> str:
    """Return a time for a reader."""
    return f'{nanoseconds / MILLISECOND:.1f}'


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Wait for a condition; tell whether it came."""
    deadline = time.monotonic() + timeout
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def recorded_faults(path: Path, notes: int) -> list[str]:
    """Say what a MIDI file lacks of the notes that were played."""
    begun = sum(m.type == 'note_on' and m.velocity > 0 for m in mido.MidiFile(path).tracks[0])
    return [] if begun == notes else [f'{path.name} holds {begun} notes of {notes}']


def run(minutes: float, rate: float, folder: Path) -> tuple[str, list[str]]:
    """Run the soak; return its tables, and in sentences what went wrong."""
    render_phrase(folder / 'phrase.wav')
    keyboard, instrument = free_port(), free_port()
    specs = nodes_of(keyboard, instrument, folder)
    ensembles = {
        name: Ensemble(nodes, namespace=name, log_level='warn') for name, nodes in specs.items()
    }
    processes = Processes()
    faults: list[str] = []
    with Soak(rate, keyboard, instrument) as soak:
        report = Report(soak, processes)
        try:
            for ensemble in ensembles.values():
                ensemble.start()
            nodes = sum(map(len, specs.values()))
            if not wait_until(lambda: soak.ready(nodes), BRINGUP_TIMEOUT):
                return '', [f'the chain does not come up: {", ".join(soak.faults()) or "no word"}']
            print(f'{NOTES_HEADER}\n{RULE}', flush=True)
            soak.play()
            soak_for(minutes * MINUTE, processes, report)
            soak.fall_silent()
            wait_until(soak.settled, SETTLING_TIMEOUT)
        finally:
            for name, ensemble in ensembles.items():
                faults += [
                    f'{name}/{node} left with exit code {code}'
                    for node, code in ensemble.stop().items()
                    if code
                ]
        # The transcriber's last word is the release of what sounded when it left.
        wait_until(lambda: not any(part.hanging for part in soak.kept), LAST_WORDS_TIMEOUT)
        faults += soak.faults()
    faults += processes.faults + report.faults()
    faults += recorded_faults(folder / 'sound.mid', soak.told.notes_in)
    faults += recorded_faults(folder / 'keys.mid', soak.own.notes_in)
    recorded = sf.info(folder / 'sound.wav').duration
    if recorded < minutes * MINUTE:
        faults.append(f'sound.wav holds {recorded:.1f} s of {minutes * MINUTE:.1f}')
    return f'{report.tables()}\n{soak.summary()}\n', faults


def soak_for(seconds: float, processes: Processes, report: Report) -> None:
    """Look at the processes and report each minute, for so long or until a node has gone."""
    began = minute_began = time.monotonic()
    processes.look()
    while not processes.faults and minute_began - began < seconds - 0.5:
        minute_end = min(minute_began + MINUTE, began + seconds)
        while time.monotonic() < minute_end:
            time.sleep(max(0.0, min(LOOK_PERIOD, minute_end - time.monotonic())))
            processes.look()
        report.add(time.monotonic() - minute_began)
        minute_began = minute_end


def write_section(path: Path, text: str) -> None:
    """Put the section of the soak into a Markdown file, in the place of the one there is."""
    whole = path.read_text() if path.exists() else f'# Robustness\n\n{SECTION}\n'
    if f'{SECTION}\n' not in whole:
        whole = f'{whole.rstrip()}\n\n{SECTION}\n'
    before, _, after = whole.partition(f'{SECTION}\n')
    rest = after.find('\n## ')
    path.write_text(f'{before}{SECTION}\n\n{text}' + (after[rest:] if rest >= 0 else ''))


def introduction(minutes: float, rate: float, faults: list[str]) -> str:
    """Return the words above the tables."""
    verdict = '; '.join(faults) if faults else 'nothing lost, nothing hanging, memory flat'
    return (
        f'`python benchmark/soak.py --minutes {minutes:g}` on {os.cpu_count()} processors, with '
        f'{rate:g} notes a second\ninto each ensemble (what it runs and counts stands at its '
        f'head): {verdict}.\nA minute counts what was seen in it; notes under way at its end '
        'leave in the next.\n\n'
    )


def main() -> int:
    """Run the soak from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--minutes', type=float, default=60.0, help='how long')
    parser.add_argument(
        '--rate', type=float, default=160.0, help='notes a second into each ensemble'
    )
    parser.add_argument('--table', type=Path, help='Markdown file in which to keep the result')
    arguments = parser.parse_args()
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.randrange(1, 100)))
    with tempfile.TemporaryDirectory(prefix='soak_') as folder:
        tables, faults = run(arguments.minutes, arguments.rate, Path(folder))
    if arguments.table:
        words = introduction(arguments.minutes, arguments.rate, faults)
        write_section(arguments.table, words + tables)
    for fault in faults:
        print(f'soak: {fault}', file=sys.stderr)
    if not faults:
        print('nothing lost, nothing hanging, memory flat')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
