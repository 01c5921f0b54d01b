# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The player plays on, whatever happens to its port, its disk, its listeners and its processor."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os
from pathlib import Path
import resource
import signal
import subprocess
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import mido
import pytest
import soundfile

from fixtures_midi import jack_server  # noqa: F401
from graph import Graph, free_port, wait_until
from improv_ros.event_text import SECOND, TimedEvent, note_off, note_on
from instrument import Instrument, Music, instrument_at, music_in
from timing import promised

NOTICED, RETURNED = (
    promised(2.0),
    promised(5.0),
)  # seconds until diagnostics say so, and until it is played again
LATE = 1.0  # seconds; a note later than this was not meant for now
PATIENT = 10.0  # late_tolerance where every note is to come, on a busy machine, too
AWAY = 3.0  # seconds; long enough for pauses that only grow to grow
KEPT = 65536  # bytes in a file before its disk is full

LISTENER = """
import rclpy
from std_msgs.msg import String
from improv_ros.nodes.common.note_topics import CHAIN_QOS
rclpy.init()
node = rclpy.create_node('slow_listener', namespace='improv')
subscription = node.create_subscription(String, 'played_notes', lambda _: None, CHAIN_QOS)
while not node.count_publishers('played_notes'):
    rclpy.spin_once(node, timeout_sec=0.1)
print('listening', flush=True)
rclpy.spin(node)
"""


def wait_for_problem(graph: Graph, words: str, patience: float) -> None:
    wait_until(lambda: words in graph.says('midi_player'), f'word of {words!r}', patience)


def vanish_and_return(graph: Graph, port: str) -> None:
    with instrument_at(port) as instrument:
        graph.start('midi_player', outputs='port', port=port)
        wait_until(lambda: graph.healthy('midi_player'), 'a player')
        held = Music(graph)
        now = time.monotonic_ns() + SECOND // 2
        held.say([note_on(now, 24, 80), note_off(now + 60 * SECOND, 24)])
        wait_until(lambda: (0, 24) in instrument.down(), 'a note that is held')
        held.start()
        wait_until(lambda: len(instrument.notes()) > 5, 'music')
        instrument.kill()
        wait_for_problem(graph, port.split('/')[-1], NOTICED)
        time.sleep(AWAY)
        assert port.split('/')[-1] in graph.says('midi_player')
    with instrument_at(port) as instrument:
        back = time.monotonic()
        wait_until(lambda: len(instrument.notes()) > 5, 'music again')
        assert (instrument.notes()[0].time / 1e9) - back < RETURNED
        wait_until(lambda: graph.healthy('midi_player'), 'good news')
        held.stop()
        # The held note ends, and its end when it was due is not sent again.
        first = next(heard for heard in instrument.heard if heard.kind == 'no')
        assert first.values[:2] == (24, 0)
        lateness = held.lateness(instrument.notes())
        assert lateness[-1] < promised(LATE, AWAY)
        wait_until(lambda: not instrument.down(), 'the end')


def test_a_socket_that_vanishes_and_returns(graph: Graph) -> None:
    vanish_and_return(graph, f'socket://127.0.0.1:{free_port()}')


@pytest.mark.nightly
def test_a_jack_port_that_vanishes_and_returns(
    graph: Graph,
    jack_server: object,  # noqa: F811
) -> None:
    vanish_and_return(graph, 'grand piano')


def length_of(path: Path) -> float:
    """Return the seconds in a MIDI or WAV file; raises where it cannot be read."""
    if path.suffix == '.mid':
        return mido.MidiFile(path).length
    return soundfile.info(path).duration


@contextlib.contextmanager
def full_disk(process: int, path: Path) -> Iterator[None]:
    """For a while, no file of a process can grow beyond the size which this one has."""
    unlimited = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (path.stat().st_size, unlimited[1]))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, unlimited)


@pytest.mark.parametrize('kind', ['file', pytest.param('wav', marks=pytest.mark.nightly)])
def test_on_a_full_disk_it_plays_on_and_what_was_written_can_be_read(
    graph: Graph, kind: str
) -> None:
    address = f'socket://127.0.0.1:{free_port()}'
    path = graph.folder / ('take.mid' if kind == 'file' else 'take.wav')
    name = 'midi_file' if kind == 'file' else 'wav_file'
    with instrument_at(address) as instrument:
        player = graph.start(
            'midi_player',
            outputs=f'port,{kind}',
            port=address,
            late_tolerance=PATIENT,
            **{name: str(path)},
        )
        music = Music(graph)
        wait_until(lambda: graph.healthy('midi_player'), 'a player')
        if kind == 'file':  # make it long soon
            now = time.monotonic_ns()
            music.say([TimedEvent(now, 'sx', (bytes(20000),)) for _ in range(4)])
        music.start()
        wait_until(lambda: path.stat().st_size > KEPT, 'a recording')
        levels: list[DiagnosticStatus] = []

        def told() -> list[bytes]:
            return [status.level for status in levels if 'midi_player' in status.name]

        with full_disk(player.process.pid, path):
            wait_for_problem(graph, f'{path} cannot be written: ', promised(5.0))
            kept = length_of(path)
            graph.probe.create_subscription(
                DiagnosticArray, '/diagnostics', lambda m: levels.extend(m.status), 10
            )
            wait_until(lambda: len(told()) > 2, 'three reports')
            assert length_of(path) >= kept > 0
            assert [file.name for file in graph.folder.glob('.take*')] == []  # no room taken
            assert set(told()) == {DiagnosticStatus.ERROR}
        wait_until(lambda: graph.healthy('midi_player'), 'that the disk has room again')
        recorded = path.stat().st_size
        wait_until(lambda: path.stat().st_size > recorded, 'more of the recording')
        music.stop()
        wait_until(lambda: not instrument.down(), 'the end')
        assert {note.values[:2] for note in instrument.notes()} == music.due.keys()
        assert player.leave() < promised(5)
    assert length_of(path) > kept + 2.0
    assert 'Traceback' not in player.said


@pytest.mark.parametrize('kind', ['file', 'wav'])
def test_without_leave_to_write_it_plays_on_and_says_so(graph: Graph, kind: str) -> None:
    address = f'socket://127.0.0.1:{free_port()}'
    (graph.folder / 'no folder').touch()  # what not even root may write into
    path = str(graph.folder / 'no folder/take')
    with instrument_at(address) as instrument:
        graph.start(
            'midi_player', outputs=f'port,{kind}', port=address, midi_file=path, wav_file=path
        )
        with music_in(graph) as music:
            wait_for_problem(graph, f'{path} cannot be written: Not a directory', promised(10.0))
            wait_until(lambda: len(instrument.notes()) > 10, 'music')
        assert music.lateness(instrument.notes())[-1] < promised(LATE)


def memory_of(process: int) -> int:
    """Return the resident bytes of a process."""
    return int(Path(f'/proc/{process}/statm').read_text().split()[1]) * resource.getpagesize()


def play_densely(graph: Graph, instrument: Instrument, seconds: float) -> Music:
    """Play a hundred notes a second; every one must come."""
    before = len(instrument.notes())
    with music_in(graph, 100.0) as music:
        time.sleep(seconds)
    wait_until(lambda: len(instrument.notes()) - before >= len(music.due), 'every note')
    wait_until(lambda: not instrument.down(), 'the end')
    assert {note.values[:2] for note in instrument.notes()[before:]} == music.due.keys()
    return music


def test_a_listener_that_is_stuck_does_not_slow_the_player(graph: Graph) -> None:
    address = f'socket://127.0.0.1:{free_port()}'
    listener = subprocess.Popen(
        [sys.executable, '-c', LISTENER],
        env={**os.environ, **graph.env},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with instrument_at(address) as instrument:
            player = graph.start(
                'midi_player', outputs='port', port=address, late_tolerance=PATIENT
            )
            assert listener.stdout is not None
            assert listener.stdout.readline() == 'listening\n'
            free = play_densely(graph, instrument, 2.0)
            usual = free.lateness(instrument.notes())
            began, memory = time.monotonic_ns(), memory_of(player.process.pid)
            os.kill(listener.pid, signal.SIGSTOP)
            stuck = play_densely(graph, instrument, 5.0)
            lateness = stuck.lateness(instrument.notes(began))
            assert memory_of(player.process.pid) - memory < 8 * 2**20
    finally:
        listener.kill()
        listener.communicate()
    assert lateness[len(lateness) // 2] < usual[len(usual) // 2] + promised(0.05)
    assert lateness[-1] < promised(LATE)


def test_with_busy_processors_nothing_is_lost_and_nothing_hangs(graph: Graph) -> None:
    address = f'socket://127.0.0.1:{free_port()}'
    with instrument_at(address) as instrument:
        graph.start('midi_player', outputs='port', port=address, late_tolerance=PATIENT)
        wait_until(lambda: graph.healthy('midi_player'), 'a player')
        busy = [
            subprocess.Popen([sys.executable, '-c', 'while True: pass'])
            for _ in range(2 * (os.cpu_count() or 1))
        ]
        try:
            music = play_densely(graph, instrument, 4.0)
        finally:
            for process in busy:
                process.kill()
                process.wait()
        late = music.lateness(instrument.notes())
        assert late[0] > -0.01
        assert late[-1] < promised(2.0)
        figures: dict[str, Any] = graph.figures('midi_player')
        assert float(figures['lateness p50 (ms)']) <= float(figures['lateness max (ms)'])
        assert figures['notes dropped'] == '0'
