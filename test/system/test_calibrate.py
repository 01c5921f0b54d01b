# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv calibrate` as a user starts it, on an instrument that is late by velocity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
import os
from pathlib import Path
import re
import signal
import statistics
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from std_msgs.msg import String

from fixtures_audio import VirtualMicrophone, virtual_microphone  # noqa: F401
from graph import Graph, free_port, wait_until
from improv_ros.bringup.shared_files import shared_file
from improv_ros.calibration.latency_fit import Latency
from improv_ros.calibration.room import Room
from improv_ros.calibration.room_folders import read_room, room_names, write_room, writing_lock
from improv_ros.event_text import SECOND, StreamWriter, is_note_on, note_off, note_on
from improv_ros.performing.body_file import read_body
from improv_ros.playing.note_schedule import strike_latency
from improv_ros.training.synthesis.rooms import Room as SimulatedRoom
from improv_ros.training.synthesis.rooms import impulse_response
from instrument import instrument_at
from page_client import PageClient
from timing import PATIENCE, promised

# A piano at a port, which sounds on the synthesiser, later for soft notes than for loud ones.
SLOW_PIANO = """
import sys, time
from improv_ros.event_text import is_note_off, is_note_on
from improv_ros.playing.midi.keyboard_input import KeyboardInput
from improv_ros.playing.note_schedule import strike_latency
from improv_ros.playing.outputs.synth_output import SynthOutput
from improv_ros.playing.player import Player

late = strike_latency('disklavier')
player = Player([SynthOutput(driver='pulseaudio')], late_tolerance=10**9)
player.start()
delays = {}

def hear(event):
    if is_note_on(event):
        delays[event.values[0]] = late(event.values[1])
    delay = delays.get(event.values[0], 0) if is_note_on(event) or is_note_off(event) else 0
    player.submit([event._replace(time=time.monotonic_ns() + delay)])

KeyboardInput(sys.argv[1], hear, virtual=True).open()
print('ready', flush=True)
time.sleep(10000)
"""
# A person at a piano, who presses one key after another, as hard as the latest line asks for.
PERSON = """
import sys, threading, time
from improv_ros.event_text import note_off, note_on
from improv_ros.playing.outputs.synth_output import SynthOutput
from improv_ros.playing.player import Player

player = Player([SynthOutput(driver='pulseaudio')])
player.start()
velocity = [0]

def listen():
    for line in sys.stdin:
        velocity[0] = int(line)

threading.Thread(target=listen, daemon=True).start()
print('ready', flush=True)
for number in range(10000):
    if velocity[0]:
        now = time.monotonic_ns()
        pitch = 43 + number * 11 % 40
        player.submit([note_on(now, pitch, velocity[0]), note_off(now + 250_000_000, pitch)])
    time.sleep(0.4)
"""
# A room between the loudspeaker and the microphone: 16-bit samples in and out, mono, 16 kHz.
ROOM = """
import sys
import numpy as np

BLOCK = 320
response = np.load(sys.argv[1])
response = 0.7 * response / np.sqrt((response ** 2).sum())
size = 1 << (BLOCK + len(response) - 2).bit_length()
spectrum = np.fft.rfft(response, size)
pending = np.zeros(size)
while block := sys.stdin.buffer.read(2 * BLOCK):
    dry = np.frombuffer(block, np.int16)
    pending += np.fft.irfft(np.fft.rfft(dry, size) * spectrum, size)
    wet, pending = pending[: len(dry)], np.append(pending[len(dry) :], np.zeros(len(dry)))
    sys.stdout.buffer.write(np.clip(np.round(wet), -32768, 32767).astype(np.int16).tobytes())
    sys.stdout.buffer.flush()
"""
PLAYER_OF_THE_BODY = (
    *('-m', 'improv_ros.nodes.midi_player', '--ros-args'),
    *('-r', 'generated_notes:=body_notes', '-r', 'played_notes:=sounded_notes', '--'),
)
PIANO_BODY = 'body Piano with 88 solenoids'  # by the name in its file
PROGRAM_PATIENCE = 600.0  # seconds; the program takes two minutes, and fitting on a busy machine


@contextlib.contextmanager
def slow_piano(port: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, '-c', SLOW_PIANO, port], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == 'ready\n'
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def in_a_room(
    graph: Graph, microphone: VirtualMicrophone, response: npt.NDArray[np.float32]
) -> Iterator[None]:
    """Put a room, by its impulse response at 16 kHz, between what plays and the microphone."""
    np.save(graph.folder / 'response.npy', response)
    microphone.add('loudspeaker')
    sound = ['--raw', '--format=s16le', '--rate=16000', '--channels=1']
    commands = (
        ['parec', *sound, '--device=loudspeaker.monitor', '--latency-msec=20'],
        [sys.executable, '-c', ROOM, str(graph.folder / 'response.npy')],
        ['pacat', *sound, '--device=virtmic', '--latency-msec=80'],
    )
    with contextlib.ExitStack() as stack:
        pipe = None
        for command in commands:
            process = stack.enter_context(
                subprocess.Popen(command, stdin=pipe, stdout=subprocess.PIPE)
            )
            stack.callback(process.kill)
            pipe = process.stdout
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv('PULSE_SINK', 'loudspeaker')
            yield


@contextlib.contextmanager
def person() -> Iterator[Callable[[int], None]]:
    """Provide a person, who plays with the velocity that is asked for."""
    process = subprocess.Popen(
        [sys.executable, '-c', PERSON], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == 'ready\n'
        yield lambda velocity: print(velocity, file=process.stdin, flush=True)
    finally:
        process.kill()
        process.communicate()


class Calibrate:
    """`improv calibrate` in a process of its own, its words kept."""

    def __init__(self, graph: Graph, *words: str) -> None:
        self._log = graph.folder / 'calibrate.log'
        with self._log.open('w') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'improv_ros.cli', 'calibrate', *words],
                env={**os.environ, **graph.env},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path / 'data'))


@contextlib.contextmanager
def calibrate(graph: Graph, *words: str) -> Iterator[Calibrate]:
    run = Calibrate(graph, *words)
    try:
        yield run
    finally:
        run.close()


def test_a_piano_that_is_not_heard_is_told_before_the_program(
    graph: Graph,
    virtual_microphone: VirtualMicrophone,  # noqa: F811
) -> None:
    port = f'socket://localhost:{free_port()}'
    silent = SLOW_PIANO.replace('player.submit', '(lambda events: None)')
    with subprocess.Popen([sys.executable, '-c', silent, port], stdout=subprocess.PIPE) as piano:
        assert piano.stdout is not None and piano.stdout.readline() == b'ready\n'
        with calibrate(graph, 'hall', '--output=port', f'--port={port}') as run:
            wait_until(lambda: run.process.poll() is not None, 'its end', 3 * PATIENCE)
        piano.kill()
    assert run.process.returncode == 1
    assert 'it is muted' in run.said  # a null sink gives zeros
    assert 'program takes' not in run.said
    assert room_names() == []


def test_with_a_room_the_player_sends_soft_notes_earlier(graph: Graph) -> None:
    latency = Latency(0.05, ((16, 0.145), (100, 0.0)), 0.001, 0.002, 200)
    with writing_lock():
        write_room(Room('hall', '2026-11-30', 'transcriber', {}, {}, 'port', latency), {})
    port = f'socket://localhost:{free_port()}'
    with instrument_at(port) as instrument:
        graph.start('midi_player', outputs='port', port=port, room='hall')
        publisher = graph.publisher('generated_notes')
        wait_until(lambda: graph.healthy('midi_player'), 'the player')
        loud = graph.now() + 2 * SECOND
        soft = loud + SECOND // 10
        events = [note_on(loud, 60, 100), note_on(soft, 64, 16)]
        events += [note_off(soft + SECOND // 5, pitch) for pitch in (60, 64)]
        for text in StreamWriter().write(events):
            publisher.publish(String(data=text))
        wait_until(lambda: len(instrument.notes()) == 2, 'both notes')
    # 195 ms before its sound, the soft one overtakes the loud one, 50 ms before its own.
    assert [note.values[0] for note in instrument.notes()] == [64, 60]


def test_with_a_room_the_performer_commands_its_strikes_earlier(graph: Graph) -> None:
    latency = Latency(0.05, ((16, 0.145), (100, 0.0)), 0.001, 0.002, 200)
    with writing_lock():
        write_room(Room('hall', '2026-11-30', 'transcriber', {}, {}, PIANO_BODY, latency), {})
    graph.start('robot_performer', body='piano_88', room='hall', lookahead=0.5)
    publisher = graph.publisher('generated_notes')
    wait_until(lambda: graph.healthy('robot_performer'), 'the performer')
    time = graph.now() + 2 * SECOND
    events = [note_on(time, 60, 100), note_on(time, 64, 16)]
    events += [note_off(time + SECOND // 5, pitch) for pitch in (60, 64)]
    for text in StreamWriter().write(events):
        publisher.publish(String(data=text))
    strikes = graph.events['performed_notes']
    wait_until(lambda: sum(map(is_note_on, strikes)) == 2, 'two strikes')
    early = {e.values[0]: (time - e.time) / SECOND for e in strikes if is_note_on(e)}
    # The body plays no softer than 20, to which the curve of the room is 188 ms.
    assert early == pytest.approx({60: 0.05, 64: 0.188}, abs=0.002)


@pytest.mark.nightly
def test_ctrl_c_leaves_the_calibration_as_it_was(
    graph: Graph,
    virtual_microphone: VirtualMicrophone,  # noqa: F811
) -> None:
    with calibrate(graph, 'hall', '--output=synth') as run:
        wait_until(lambda: 's left' in run.said, 'the program', 3 * PATIENCE)
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.process.wait(PATIENCE) == 130
    assert 'nothing was changed' in run.said
    assert room_names() == []


@pytest.mark.nightly
def test_a_microphone_that_is_unplugged_in_the_middle_ends_it(
    graph: Graph,
    virtual_microphone: VirtualMicrophone,  # noqa: F811
) -> None:
    with calibrate(graph, 'hall', '--output=synth') as run:
        wait_until(lambda: 's left' in run.said, 'the program', 3 * PATIENCE)
        virtual_microphone.unplug()
        wait_until(lambda: run.process.poll() is not None, 'its end', 3 * PATIENCE)
    assert run.process.returncode == 1
    assert 'in the middle' in run.said
    assert room_names() == []


@pytest.mark.nightly
def test_a_person_is_asked_to_play_and_the_room_is_fitted(
    graph: Graph,
    virtual_microphone: VirtualMicrophone,  # noqa: F811
) -> None:
    config = graph.folder / 'page.yaml'
    config.write_text('/**/live_page: {ros__parameters: {page_port: 0}}')
    words = ('parlour', '--person', f'--config={config}')
    with person() as play, calibrate(graph, *words) as run:
        page = wait_until(lambda: re.search(r'live page: (\S+)', run.said), 'the page')
        wait_until(lambda: 'press six keys' in run.said, 'a request', 3 * PATIENCE)
        with PageClient(page[1]) as browser:
            wait_until(
                lambda: 'press six' in browser.facts.get('turn', {}).get('words', ''),
                'the request on the page',
            )
        play(80)
        for asked, velocity in (('softly', 35), ('single keys at medium', 70), ('loudly', 105)):
            wait_until(lambda asked=asked: asked in run.said, asked, 3 * PATIENCE)
            play(velocity)
        wait_until(lambda: run.process.poll() is not None, 'its end', PROGRAM_PATIENCE)
    print(run.said)
    assert run.process.returncode == 0, run.said
    room = read_room('parlour')
    assert room.latency is None and 'latency' in room.not_fitted
    assert all(hearing.onset_bias is not None for hearing in room.hearing.values())
    assert room.tuning is not None and abs(room.tuning.cents) < 5
    graph.start('transcriber', room='parlour', cancel_echo=False)
    wait_until(lambda: 'audio received' in graph.figures('transcriber'), 'a transcriber with it')


@pytest.mark.nightly
@pytest.mark.parametrize('reverberation', [0.0, 0.5], ids=['dry', 'room'])
def test_a_piano_that_is_late_by_velocity_is_in_time_with_its_room(
    graph: Graph,
    virtual_microphone: VirtualMicrophone,  # noqa: F811
    reverberation: float,
) -> None:
    port = f'socket://localhost:{free_port()}'
    with contextlib.ExitStack() as stack:
        if reverberation:
            room = SimulatedRoom(80.0, 1.5, reverberation, 1.2, 0.6)
            response = impulse_response(room, np.random.default_rng(1))
            stack.enter_context(in_a_room(graph, virtual_microphone, response))
        stack.enter_context(slow_piano(port))
        words = ('hall', '--output=port', f'--port={port}', '--keys=48-79')
        with calibrate(graph, *words) as run:
            wait_until(lambda: run.process.poll() is not None, 'its end', PROGRAM_PATIENCE)
        print(run.said)
        assert run.process.returncode == 0, run.said
        latency = read_room('hall').latency
        assert latency is not None
        truth = strike_latency('disklavier')
        for velocity in range(20, 111, 10):
            late = latency.at(velocity) - latency.at(105)
            assert late == pytest.approx(truth(velocity) / SECOND, abs=promised(0.005, 0.03))
        graph.start('midi_player', outputs='port', port=port, room='hall')
        lateness, velocities = play_in_the_room(graph, 'midi_player')
    if not reverberation:  # the delay of the processes that make a room is not constant
        assert abs(statistics.median(lateness)) < promised(0.005, 0.03)
    assert statistics.median(map(abs, velocities)) < promised(12 if reverberation else 6, 20)


@pytest.mark.nightly
def test_a_body_whose_file_is_wrong_is_in_time_with_its_room(
    graph: Graph,
    virtual_microphone: VirtualMicrophone,  # noqa: F811
) -> None:
    shipped = shared_file('config/bodies/piano_88.yaml')
    with calibrate(graph, 'hall', '--body=piano_88', '--simulate', '--keys=48-79') as run:
        wait_until(lambda: run.process.poll() is not None, 'its end', PROGRAM_PATIENCE)
    print(run.said)
    assert run.process.returncode == 0, run.said
    room = read_room('hall')
    assert room.output == PIANO_BODY and room.latency is not None
    truth = read_body(shipped).latency
    for velocity in range(25, 111, 10):
        late = room.latency.at(velocity) - room.latency.at(110)
        expected = (truth(velocity) - truth(110)) / SECOND
        # Each impact is played when the simulation has told it: the sound of a note jitters.
        assert late == pytest.approx(expected, abs=promised(0.01, 0.03))

    wrong = graph.folder / 'piano_88.yaml'
    wrong.write_text(re.sub('(?m)^latency: .*', 'latency: 0.002', shipped.read_text()))
    graph.start('robot_performer', body=str(wrong), room='hall', lookahead=0.6)
    graph.start('simulated_robot', body='piano_88')
    graph.start('midi_player', program=PLAYER_OF_THE_BODY, outputs='synth')
    lateness, velocities = play_in_the_room(graph, 'robot_performer')
    assert abs(statistics.median(lateness)) < promised(0.005, 0.03)
    assert statistics.median(map(abs, velocities)) < promised(6, 20)


def play_in_the_room(graph: Graph, player: str) -> tuple[list[float], list[int]]:
    """Play notes of all velocities with the room; return how late they were heard, in seconds, and
    by how much their velocities were off."""
    graph.start('microphone')
    graph.start('transcriber', room='hall', cancel_echo=False)
    publisher = graph.publisher('generated_notes')
    wait_until(lambda: graph.healthy('transcriber'), 'the transcriber')
    wait_until(lambda: graph.healthy(player), 'the player')
    wait_until(lambda: graph.chunks, 'sound')
    begin = graph.now() + SECOND
    sent = {}
    events = []
    for number in range(32):
        time, pitch = begin + number * SECOND * 45 // 100, 48 + number * 13 % 32
        velocity = 20 + number * 37 % 90
        sent[pitch] = time, velocity
        events += [note_on(time, pitch, velocity), note_off(time + SECOND * 3 // 10, pitch)]
    for text in StreamWriter().write(sorted(events, key=lambda event: event.time)):
        publisher.publish(String(data=text))
    heard = graph.events['heard_notes']
    end = events[-1].time + 2 * SECOND
    wait_until(lambda: graph.now() > end, 'the end', 2 * PATIENCE)
    lateness, velocities = [], []
    for event in filter(is_note_on, heard):
        if event.values[0] in sent:
            time, velocity = sent[event.values[0]]
            if abs(event.time - time) < SECOND // 5:
                lateness.append((event.time - time) / SECOND)
                velocities.append(event.values[1] - velocity)
    print('lateness (ms)', [round(1000 * each) for each in sorted(lateness)])
    print('velocities off by', sorted(velocities))
    assert len(lateness) >= 20
    return lateness, velocities
