# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A node is stopped for three seconds in the middle of the music, as a laptop's lid does it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from graph import Graph, NodeProcess, free_port, wait_until
from improv_ros.event_text import SECOND, is_note_on, note_off, note_on
from improv_ros.playing.outputs.port_output import PortOutput
from improv_ros.playing.synth.rendering import render, write_wav
from piano import Piano

STOPPED = 3.0  # seconds
BUSY = 240.0  # seconds; a busy machine skips sound, and hears little
DENSITY = 8  # notes a second, at the most
LIVELY = {'max_silence': 0.4, 'max_note_seconds': 1.0, 'max_density': float(DENSITY), 'seed': 1}
LIVELY_ANSWERS = {'shortest_answer': 2.0, 'max_note_seconds': 1.0, 'max_density': float(DENSITY)}


# Publishes words, or prints a line for each that it receives.
TALKER = """
import sys
import rclpy
from std_msgs.msg import String
from improv_ros.bringup.ros_environment import set_fast_dds_profile

set_fast_dds_profile(rclpy.get_rmw_implementation_identifier())
rclpy.init()
node = rclpy.create_node('talker' if sys.argv[1:] else 'listener')
if sys.argv[1:]:
    publisher = node.create_publisher(String, 'words', 10)
    node.create_timer(0.1, lambda: publisher.publish(String(data='word')))
else:
    node.create_subscription(String, 'words', lambda message: print('heard', flush=True), 10)
print('ready', flush=True)
rclpy.spin(node)
"""


def stop_for_a_while(node: NodeProcess) -> float:
    """Stop a node and let it go on; return when it went on (s, monotonic)."""
    node.process.send_signal(signal.SIGSTOP)
    time.sleep(STOPPED)
    node.process.send_signal(signal.SIGCONT)
    return time.monotonic()


def check_what_is_said(graph: Graph, stopped: NodeProcess) -> None:
    """It is told as what it was, once, by the node that was stopped and by no other."""
    wait_until(lambda: 'this process was stopped for ' in stopped.said, 'word of the pause')
    told = [line for line in stopped.said.splitlines() if 'this process was stopped for ' in line]
    seconds = float(told[0].partition('stopped for ')[2].partition(' s')[0])
    assert STOPPED - 0.5 < seconds < STOPPED + 3.0
    for node in graph.nodes:
        assert 'the clock was set' not in node.said
        assert 'slept' not in node.said
        assert 'Traceback' not in node.said


def most_at_once(times: list[int]) -> int:
    """Return the most of these times (ns) that lie within a quarter of a second."""
    return max(sum(0 <= other - time < SECOND // 4 for other in times) for time in times)


def test_a_node_that_is_stopped_during_discovery_receives_messages_afterwards(
    domain: int, tmp_path: Path
) -> None:
    def start(name: str, *arguments: str) -> tuple[subprocess.Popen[bytes], Path]:
        log = tmp_path / name
        environment = {
            **os.environ,
            'ROS_DOMAIN_ID': str(domain),
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        }
        with log.open('w') as output:
            command = [sys.executable, '-c', TALKER, *arguments]
            process = subprocess.Popen(command, env=environment, stdout=output)
        wait_until(lambda: 'ready' in log.read_text(), name)
        return process, log

    def hears(number: int) -> bool:
        listener, log = start(f'listener{number}')
        try:
            time.sleep(0.025 * (number % 4))  # the handshake of Fast DDS takes some 0.1 s
            listener.send_signal(signal.SIGSTOP)
            time.sleep(2.0)
            listener.send_signal(signal.SIGCONT)
            time.sleep(0.5)
            before = log.stat().st_size
            wait_until(lambda: log.stat().st_size > before, 'a word', 20)
        finally:
            listener.kill()
            listener.wait()
        return True

    talker, _ = start('talker', 'talk')
    try:
        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(hears, range(8)))
    finally:
        talker.kill()
        talker.wait()


@pytest.mark.nightly
def test_a_solo_goes_on_without_a_burst(graph: Graph, piano: Piano) -> None:
    player = graph.start('midi_player', outputs='port', port=piano.address)
    wait_until(lambda: graph.healthy('midi_player'), 'the player')
    improviser = graph.start('improviser', mode='solo', **LIVELY)
    piano.plays_on(5, within=60)
    for node in (improviser, player):
        went_on = stop_for_a_while(node)
        wait_until(lambda since=went_on: len(piano.onsets(since)) >= 8, 'music again', 10)
        # What was due meanwhile is not made up for: what is a little late comes, and no more.
        assert piano.most_in(0.25, went_on) <= DENSITY
        check_what_is_said(graph, node)
    improviser.leave()
    wait_until(lambda: not piano.down, 'silence')


def test_a_phrase_at_a_keyboard_is_answered_and_nothing_hangs(graph: Graph, piano: Piano) -> None:
    keys = f'socket://127.0.0.1:{free_port()}'
    nodes = {
        'midi_player': graph.start('midi_player', outputs='port', port=piano.address),
        'improviser': graph.start(
            'improviser', pause_mode='fixed', pause=1.0, seed=1, **LIVELY_ANSWERS
        ),
        'midi_keyboard': graph.start('midi_keyboard', ports=keys),
    }
    for name in nodes:
        wait_until(lambda name=name: graph.healthy(name), name)
    person = PortOutput(keys)
    person.open()

    def play(pitches: range) -> None:
        for pitch in pitches:
            person.send(note_on(0, pitch, 80))
            time.sleep(0.15)
            person.send(note_off(0, pitch))

    heard = graph.events['heard_notes']
    for node in nodes.values():
        play(range(60, 64))
        node.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        play(range(64, 72))
        time.sleep(max(0.0, began + STOPPED - time.monotonic()))
        node.process.send_signal(signal.SIGCONT)
        went_on = time.monotonic()
        check_what_is_said(graph, node)
        play(range(72, 76))
        wait_until(lambda since=went_on: len(piano.onsets(since)) >= 2, 'an answer')
        assert piano.most_in(0.25, went_on) <= DENSITY
    person.close()
    nodes['improviser'].leave()
    wait_until(lambda: not piano.down, 'silence')
    # Nobody plays as fast as it would be if all had been struck when the keyboard went on.
    assert most_at_once([event.time for event in heard if is_note_on(event)]) <= 5
    ends = [event for event in heard if event.kind == 'no' and not is_note_on(event)]
    assert len(ends) == sum(map(is_note_on, heard))


def test_transcription_continues_after_the_node_was_suspended(graph: Graph) -> None:
    recording = graph.folder / 'notes.wav'
    events = []
    for i in range(24):
        onset = SECOND + i * SECOND // 2
        events += [note_on(onset, 60 + i % 12, 90), note_off(onset + SECOND // 3, 60 + i % 12)]
    write_wav(recording, render(events, start=0), 44100)
    transcriber = graph.start('transcriber')
    wait_until(lambda: 'audio received' in graph.figures('transcriber'), 'a transcriber')
    microphone = graph.start(
        'microphone', source='file', file=str(recording), loop=True, min_subscribers=2
    )
    heard = graph.events['heard_notes']
    wait_until(lambda: sum(map(is_note_on, heard)) >= 2, 'two notes', BUSY)
    for node in (microphone, transcriber):
        stop_for_a_while(node)
        went_on = graph.now()
        check_what_is_said(graph, node)
        wait_until(
            lambda since=went_on: [e for e in heard if is_note_on(e) and e.time > since],
            'what is played by then',
            BUSY,
        )
    assert most_at_once([event.time for event in heard if is_note_on(event)]) <= DENSITY
