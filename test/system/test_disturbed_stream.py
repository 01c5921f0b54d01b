# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Messages lost, doubled and out of order, publishers restarted: counted, and no note hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from rclpy.node import Node
from std_msgs.msg import String

from graph import Graph, wait_until
from improv_ros.event_text import (
    SECOND,
    StreamWriter,
    note_off,
    note_on,
)
from improv_ros.nodes.common.note_topics import CHAIN_QOS
from piano import Piano

pytestmark = pytest.mark.jazzy

MESSAGES = 60
LOST = (5, 17, 18, 39)
DOUBLED = (10, 11, 30)
SWAPPED = 23  # with the one after it
RESTARTED = 45  # from here on the publisher counts from 0 again

# A publisher that is killed while its note sounds; its end never comes.
GENERATOR = """
import sys, time, rclpy
from improv_ros.event_text import note_on
from improv_ros.nodes.common.local_time import LocalTime
from improv_ros.bringup.ros_environment import set_fast_dds_profile
from improv_ros.nodes.common.note_topics import NotePublisher
from rclpy.node import Node
set_fast_dds_profile(rclpy.get_rmw_implementation_identifier())
rclpy.init(args=[])
node = Node('generator', namespace='/improv')
local = LocalTime(node.get_clock())
publisher = NotePublisher(node, 'generated_notes', local)
while publisher.subscribers < 2:  # the player, and the probe of the test
    time.sleep(0.01)
for pitch in sys.argv[1:]:
    # Late enough that the player has word of this node's name, even if that was lost once.
    publisher.publish([note_on(local.now() + 3 * 10**9, int(pitch), 80)])
    time.sleep(0.3)
time.sleep(60)
"""


def start_player(graph: Graph, piano: Piano) -> None:
    # What a busy machine keeps waiting is not to be dropped as too late besides.
    graph.start('midi_player', outputs='port', port=piano.address, late_tolerance=10.0)
    wait_until(lambda: graph.healthy('midi_player'), 'the player')


def disturbed(texts: list[str]) -> list[str]:
    """Return the texts as a bad connection brings them."""
    sent: list[str] = []
    for number, text in enumerate(texts):
        if number not in LOST:
            sent += [text] * (2 if number in DOUBLED else 1)
    place = sent.index(texts[SWAPPED])
    sent[place : place + 2] = sent[place + 1], sent[place]
    return sent


def test_a_disturbed_stream_is_counted_and_hangs_no_note(graph: Graph, piano: Piano) -> None:
    start_player(graph, piano)
    publisher = graph.publisher('generated_notes')
    writer = StreamWriter()
    start = graph.now() + SECOND
    texts = []
    for number in range(MESSAGES):
        if number == RESTARTED:
            writer = StreamWriter(publisher=writer.publisher)
        at = start + number * SECOND // 20
        # Each note begins in one message and ends two messages later, whether that comes or not.
        events = [note_on(at, 40 + number % 12, 80), note_off(at, 40 + (number - 2) % 12)]
        texts += writer.write(events)
    for text in disturbed(texts):
        publisher.publish(String(data=text))
        time.sleep(0.02)
    last = note_on(start + MESSAGES * SECOND // 20, 100, 80)
    ends = [note_off(last.time + SECOND // 10, pitch) for pitch in (100, *range(40, 52))]
    publisher.publish(String(data=writer.write([last, *ends])[0]))
    wait_until(lambda: any(e.values[0] == 100 for e in list(piano.events)), 'the last')
    wait_until(lambda: not piano.down, 'silence')

    wait_until(
        lambda: graph.figures('midi_player')['generated_notes restarts'] == '1', 'the restart'
    )
    figures = graph.figures('midi_player')
    # Of two swapped the first is missed when the second comes, and is one too many after it.
    assert figures['generated_notes lost'] == str(len(LOST) + 1)
    assert figures['generated_notes duplicates'] == str(len(DOUBLED) + 1)
    assert (
        figures['generated_notes malformed']
        == figures['generated_notes timestamps out of range']
        == '0'
    )
    played = len(piano.onsets())
    assert played == MESSAGES + 1 - len(LOST) - 1


@pytest.mark.nightly
def test_a_generator_that_is_killed_and_started_again_is_known_by_its_name(
    graph: Graph, piano: Piano
) -> None:
    start_player(graph, piano)
    command = [sys.executable, '-c', GENERATOR]
    first = subprocess.Popen([*command, '60', '64'], env={**os.environ, **graph.env})
    second = None
    try:
        wait_until(lambda: piano.down == {60, 64}, 'two notes that are held')
        first.send_signal(signal.SIGKILL)
        first.wait()
        second = subprocess.Popen([*command, '67', '71', '72'], env={**os.environ, **graph.env})
        # Where word of the new one's name is lost, it is sent again within seconds.
        wait_until(lambda: piano.down == {67, 71, 72}, 'none but the notes after it')
    finally:
        first.kill()
        if second:
            second.kill()
    wait_until(
        lambda: graph.figures('midi_player')['generated_notes restarts'] == '1', 'the restart'
    )


def test_two_publishers_are_followed_each_by_itself(graph: Graph, piano: Piano) -> None:
    start_player(graph, piano)
    other = Node('other', namespace='/improv', context=graph.probe.context)
    try:
        publishers = [
            graph.publisher('generated_notes'),
            other.create_publisher(String, 'generated_notes', CHAIN_QOS),
        ]
        wait_until(lambda: publishers[1].get_subscription_count() > 1, 'the player')
        writers = [StreamWriter(), StreamWriter()]
        for number in range(20):
            at = graph.now() + SECOND // 2
            which = number % 2
            note = [note_on(at, 60 + number, 80), note_off(at + SECOND, 60 + number)]
            for event in note:
                publishers[which].publish(String(data=writers[which].write([event])[0]))
            time.sleep(0.05)
        wait_until(
            lambda: sum(event.kind == 'no' for event in list(piano.events)) >= 2 * 20,
            'twenty notes and their ends',
        )
        wait_until(
            lambda: graph.figures('midi_player')['generated_notes received'] == '40', 'the figures'
        )
    finally:
        other.destroy_node()
    assert len(piano.lengths()) == 20
    assert min(piano.lengths()) > 0.5
    figures = graph.figures('midi_player')
    assert figures['generated_notes lost'] == figures['generated_notes restarts'] == '0'
