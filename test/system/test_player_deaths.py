# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The player or its generator is killed: nothing sounds on, and nothing recorded is lost."""

from __future__ import annotations

import os
from pathlib import Path
import subprocess
import sys
import time

import mido
import numpy as np
import pytest
import soundfile

from fixtures_audio import VirtualMicrophone, virtual_microphone  # noqa: F401
from fixtures_midi import jack_server  # noqa: F401
from graph import Graph, free_port, wait_until
from improv_ros.event_text import SECOND, TimedEvent, control_change, note_off, note_on
from instrument import Instrument, Music, instrument_at
from timing import PATIENCE, promised

LONGEST = 2.0  # seconds that a note may sound after a player's death
NOTICED = 6.5  # seconds, after the death of a node that is not started again
RATE = 44100

# Says notes with and without an end, and no more.
GENERATOR = """
import time
import rclpy
from std_msgs.msg import String
from improv_ros.event_text import StreamWriter, control_change, note_off, note_on
from improv_ros.bringup.ros_environment import set_fast_dds_profile
from improv_ros.nodes.common.note_topics import CHAIN_QOS

set_fast_dds_profile(rclpy.get_rmw_implementation_identifier())
rclpy.init()
node = rclpy.create_node('generator', namespace='improv')
publisher = node.create_publisher(String, 'generated_notes', CHAIN_QOS)
while publisher.get_subscription_count() < 2:  # the player and the probe
    time.sleep(0.05)
now = node.get_clock().now().nanoseconds
second = 10**9
writer = StreamWriter()

def say(events):
    publisher.publish(String(data=writer.write(events)[0]))

say([
    note_on(now + second // 5, 60, 80),
    control_change(now + second // 5, 64, 127),
    note_on(now + second // 5, 64, 80),
    note_off(now + 8 * second, 64),
])
for pitch in range(70, 80):
    say([note_on(now + 9 * second, pitch, 80)])
time.sleep(1000)
"""


def kill_while_a_note_sounds(graph: Graph, instrument: Instrument, port: str) -> None:
    player = graph.start('midi_player', outputs='port', port=port, late_tolerance=5.0)
    music = Music(graph)
    wait_until(lambda: graph.healthy('midi_player'), 'a player')
    now = time.monotonic_ns() + SECOND // 2
    music.say(
        [
            note_on(now, 60, 80),
            control_change(now, 64, 127),
            note_on(now, 62, 80, 3),
            *(note_off(now + 60 * SECOND, 60), note_off(now + 60 * SECOND, 62, 3)),
        ]
    )
    wait_until(lambda: len(instrument.down()) == 3, 'two notes and a pedal')
    player.kill()
    wait_until(lambda: not instrument.down(), 'their release', promised(LONGEST, 30.0))


@pytest.mark.nightly
def test_what_sounds_on_jack_is_released_when_the_player_is_killed(
    graph: Graph,
    jack_server: object,  # noqa: F811
) -> None:
    with instrument_at('grand piano') as piano:
        kill_while_a_note_sounds(graph, piano, 'grand piano')


def test_what_sounds_at_a_socket_is_released_when_the_player_is_killed(graph: Graph) -> None:
    address = f'socket://127.0.0.1:{free_port()}'
    with instrument_at(address) as piano:
        kill_while_a_note_sounds(graph, piano, address)


def test_the_synth_falls_silent_when_the_player_is_killed(
    graph: Graph,
    virtual_microphone: VirtualMicrophone,  # noqa: F811
) -> None:
    player = graph.start('midi_player', outputs='synth')
    music = Music(graph)
    wait_until(lambda: graph.healthy('midi_player'), 'a synth')
    recording = graph.folder / 'recording'
    command = ['parec', '--format=s16le', f'--rate={RATE}', '--channels=1', '--latency-msec=50']
    with recording.open('wb') as file:
        recorder = subprocess.Popen(command, stdout=file)

    def sound() -> np.ndarray:
        return np.abs(np.fromfile(recording, np.int16) / 32768)

    now = time.monotonic_ns() + SECOND // 2
    organ = TimedEvent(now, 'pc', (0, 19))
    music.say([organ, note_on(now, 60, 100), note_off(now + 60 * SECOND, 60)])
    wait_until(lambda: len(graph.events['played_notes']) == 2, 'an organ')
    wait_until(lambda: np.count_nonzero(sound() > 0.01) > RATE / 4, 'its sound')
    player.kill()
    killed = len(sound())

    def silent() -> bool:
        return len(sound()) > killed + RATE and bool(sound()[-RATE // 2 :].max() < 0.001)

    wait_until(silent, 'silence', promised(LONGEST + 1.0))
    recorder.terminate()
    recorder.wait(PATIENCE)


def test_what_a_killed_generator_left_sounding_is_released(graph: Graph) -> None:
    address = f'socket://127.0.0.1:{free_port()}'
    with instrument_at(address) as piano:
        graph.start('midi_player', outputs='port', port=address, late_tolerance=10.0)
        wait_until(lambda: graph.healthy('midi_player'), 'a player')
        generator = subprocess.Popen(
            [sys.executable, '-c', GENERATOR], env={**os.environ, **graph.env}
        )
        try:
            wait_until(lambda: len(piano.down()) == 3, 'two notes and a pedal')
        finally:
            generator.kill()
            generator.wait()
        # What was said to its end plays on; what was left without one ends.
        wait_until(lambda: piano.down() <= {(0, 64)}, 'the release', promised(NOTICED))
        wait_until(lambda: not piano.down(), 'the end of the whole note')
        on, off = (each.time for each in piano.heard if each.values[:1] == (64,))
        assert off - on > 7 * SECOND  # it is 7.8 s long
        time.sleep(1.5)
        assert {note.values[0] for note in piano.notes()} == {60, 64}


def play_and_kill(graph: Graph, midi_file: Path, wav_file: Path, pitches: list[int]) -> list[Path]:
    player = graph.start(
        'midi_player',
        outputs='file,wav',
        midi_file=str(midi_file),
        wav_file=str(wav_file),
        late_tolerance=5.0,  # on a busy machine, too, every note is played
    )
    wait_until(lambda: graph.healthy('midi_player'), 'a player')
    told = graph.figures('midi_player')['recording into'].split(', ')
    assert all(f'recording into {path}' in player.said for path in told)
    music = Music(graph)
    now = time.monotonic_ns() + SECOND // 2
    for index, pitch in enumerate(pitches):
        begin = now + index * SECOND // 4
        music.say([note_on(begin, pitch, 100), note_off(begin + SECOND // 5, pitch)])
    paths = [Path(path) for path in told]
    wait_until(lambda: paths[0].exists() and notes_in(paths[0]) == pitches, 'a recording')
    wait_until(lambda: soundfile.info(paths[1]).duration > 0.2, 'its sound')
    graph.kill_nodes()
    return paths


def notes_in(path: Path) -> list[int]:
    return [m.note for m in mido.MidiFile(path) if m.type == 'note_on' and m.velocity]


def test_a_player_started_again_keeps_what_its_dead_predecessor_recorded(graph: Graph) -> None:
    wanted = graph.folder / 'take.mid', graph.folder / 'take.wav'
    first = play_and_kill(graph, *wanted, [60, 62])
    assert first == list(wanted)
    kept = [path.read_bytes() for path in first]
    second = play_and_kill(graph, *wanted, [64, 65])
    assert second == [graph.folder / 'take-2.mid', graph.folder / 'take-2.wav']
    assert [path.read_bytes() for path in first] == kept
    assert notes_in(second[0]) == [64, 65]
    assert soundfile.info(second[1]).duration > 0.2


def test_a_file_in_which_nothing_is_recorded_is_taken_over(graph: Graph) -> None:
    path = graph.folder / 'take.mid'
    for _ in range(2):
        graph.start('midi_player', outputs='file', midi_file=str(path))
        wait_until(lambda: graph.healthy('midi_player'), 'a player')
        assert graph.figures('midi_player')['recording into'] == str(path)
        graph.kill_nodes()
