# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The markers node, and a recorded session with joints, read as Foxglove reads it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from visualization_msgs.msg import Marker, MarkerArray

from graph import Graph, wait_until
from improv_ros.display.keyboard import PLAYED
from improv_ros.event_text import SECOND, StreamWriter, note_off, note_on
from improv_ros.nodes.common.note_topics import CHAIN_QOS
from timing import PATIENCE


def test_notes_to_come_fall_and_keys_are_lit(graph: Graph) -> None:
    shown: list[MarkerArray] = []
    graph.probe.create_subscription(MarkerArray, 'keyboard_markers', shown.append, CHAIN_QOS)
    node = graph.start('keyboard_markers', frame='stage', ahead=10.0)
    generated, played = graph.publisher('generated_notes'), graph.publisher('played_notes')
    wait_until(lambda: shown, 'a keyboard')
    whites, blacks = shown[-1].markers
    assert (len(whites.points), len(blacks.points)) == (52, 36)
    assert len(whites.colors) == 52
    assert {whites.type, blacks.type} == {Marker.CUBE_LIST}
    assert whites.header.frame_id == 'stage'

    start = graph.now() + 8 * SECOND
    to_come = [note_on(start, 60, 80), note_off(start + SECOND, 60)]
    generated.publish(String(data=StreamWriter().write(to_come)[0]))
    wait_until(lambda: len(shown[-1].markers) == 3, 'a bar')
    bar = shown[-1].markers[2]
    assert bar.type == Marker.CUBE
    assert bar.lifetime.nanosec > 0
    higher = bar.pose.position.z
    wait_until(lambda: shown[-1].markers[2].pose.position.z < higher - 0.05, 'its fall')

    played.publish(String(data=StreamWriter().write([note_on(graph.now(), 60, 80)])[0]))
    red = PLAYED[0]
    wait_until(
        lambda: any(abs(c.r - red) < 0.01 for c in shown[-1].markers[0].colors), 'a lit key'
    )
    node.leave(signal.SIGTERM)
    assert node.process.returncode == 0


def test_a_recorded_session_is_decoded_by_the_schemas_in_its_bag(graph: Graph) -> None:
    bag = graph.folder / 'session'
    recorder = subprocess.Popen(
        [sys.executable, '-m', 'improv_ros.cli', 'record', str(bag)],
        env={**os.environ, **graph.env},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        notes, states = graph.publisher('heard_notes'), graph.publisher('joint_states', JointState)
        graph.start('keyboard_markers')
        wait_until(lambda: graph.healthy('keyboard_markers'), 'diagnostics')
        text = StreamWriter().write([note_on(graph.now(), 60, 80)])[0]
        state = JointState(name=['left_rail'], position=[0.5], velocity=[0.25])
        for _ in range(20):  # the first may come before the recorder knows the publisher
            notes.publish(String(data=text))
            states.publish(state)
            time.sleep(0.1)
        diagnostics = graph.probe.create_publisher(DiagnosticArray, '/diagnostics', 10)
        wait_until(lambda: diagnostics.get_subscription_count() > 1, 'the recorder')
        wait_until(lambda: graph.healthy('keyboard_markers'), 'more diagnostics')
    finally:
        recorder.send_signal(signal.SIGINT)
        said, _ = recorder.communicate(timeout=PATIENCE)
    assert recorder.returncode == 0, said

    (file,) = bag.glob('*.mcap')
    decoded: dict[str, list] = {}
    with file.open('rb') as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        for _, channel, _, message in reader.iter_decoded_messages():
            decoded.setdefault(channel.topic, []).append(message)
    assert {m.data for m in decoded['/improv/heard_notes']} == {text}
    (kept, *_) = decoded['/improv/joint_states']
    assert (kept.name, kept.position, kept.velocity) == (['left_rail'], [0.5], [0.25])
    statuses = [status for array in decoded['/diagnostics'] for status in array.status]
    assert 'improv: keyboard_markers' in {status.name for status in statuses}
