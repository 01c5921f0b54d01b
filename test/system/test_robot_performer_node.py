# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The performer node: a real process, real messages, a body of either kind."""

from __future__ import annotations

import signal

from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from graph import Graph, wait_until
from improv_ros.event_text import (
    SECOND,
    StreamWriter,
    clear,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.nodes.common.note_topics import CHAIN_QOS
from timing import promised

MILLISECOND = 1_000_000


def test_a_piano_is_told_its_strikes_ahead_of_time_and_what_sounds_is_reported(
    graph: Graph,
) -> None:
    node = graph.start('robot_performer', body='piano_88', lookahead=0.2)
    publisher = graph.publisher('generated_notes')
    start = graph.now() + SECOND
    pitches = (60, 64, 67, 110)
    events = []
    for i, pitch in enumerate(pitches):
        time = start + i * SECOND // 4
        events += [note_on(time, pitch, 80), note_off(time + SECOND // 5, pitch)]
    writer = StreamWriter()
    for text in writer.write(events):
        publisher.publish(String(data=text))
    performed, strikes = graph.events['performed_notes'], graph.events['strikes']
    played = graph.events['played_notes']
    wait_until(lambda: len(played) >= 8, 'eight events reported')
    assert len(performed) == len(strikes) == 8
    struck = [event for event in performed if is_note_on(event)]
    assert [event.values[0] for event in struck] == [60, 64, 67, 98]
    assert [e.values[0] for e in strikes if is_note_on(e)] == [39, 43, 46, 77]
    for i, event in enumerate(struck):  # 28 ms from command to sound at velocity 80
        due = start + i * SECOND // 4
        assert abs(event.time - (due - 28 * MILLISECOND)) <= MILLISECOND
    for i, event in enumerate(filter(is_note_on, played)):
        assert abs(event.time - (start + i * SECOND // 4)) <= MILLISECOND
    wait_until(
        lambda: graph.figures('robot_performer').get('notes performed') == '4',
        'four in the figures',
    )
    figures = graph.figures('robot_performer')
    assert figures['notes folded'] == '1'
    assert float(figures['scheduling lead p50 (ms)']) >= 200 - promised(0) * 1000
    assert float(figures['scheduling lead p0 (ms)']) >= 100 - promised(0) * 1000

    publisher.publish(String(data=writer.write([note_on(graph.now(), 60, 80)])[0]))
    wait_until(
        lambda: graph.figures('robot_performer').get('notes too late') == '1', 'one too late'
    )
    assert node.leave(signal.SIGTERM) < promised(2)
    assert node.process.returncode == 0
    assert 'Traceback' not in node.said


def test_a_clear_withdraws_what_was_commanded(graph: Graph) -> None:
    graph.start('robot_performer', body='piano_88', lookahead=1.0)
    publisher = graph.publisher('generated_notes')
    writer = StreamWriter()
    start = graph.now() + 2 * SECOND
    notes = [note_on(start, 60, 80), note_off(start + 30 * SECOND, 60)]
    publisher.publish(String(data=writer.write(notes)[0]))
    strikes = graph.events['strikes']
    wait_until(lambda: strikes, 'the command')
    publisher.publish(String(data=writer.write([clear(graph.now())])[0]))
    wait_until(lambda: any(event.kind == 'cl' for event in strikes), 'its withdrawal')
    assert strikes[-1].time < strikes[0].time
    wait_until(
        lambda: graph.figures('robot_performer').get('notes withdrawn') == '1', 'one withdrawn'
    )
    wait_until(lambda: graph.now() > start + SECOND // 5, 'the time of the note')
    assert not graph.events['played_notes']


def test_arms_are_moved_and_the_body_reports_how_late_it_was(graph: Graph) -> None:
    trajectories: list[JointTrajectory] = []
    graph.probe.create_subscription(
        JointTrajectory, 'joint_trajectory', trajectories.append, CHAIN_QOS
    )
    graph.start('robot_performer', body='marimba_arms', feedback='body', lookahead=1.0)
    publisher = graph.publisher('generated_notes')
    reports = graph.publisher('body_notes')
    wait_until(lambda: trajectories, 'the way to the start')
    start = graph.now() + 4 * SECOND
    events = [note_on(start, 72, 80), note_off(start + SECOND // 5, 72)]
    publisher.publish(String(data=StreamWriter().write(events)[0]))
    strikes = graph.events['strikes']
    wait_until(lambda: strikes, 'the strike')

    path = trajectories[-1]
    assert path.joint_names == ['left_rail', 'right_rail']
    stamp = path.header.stamp.sec * SECOND + path.header.stamp.nanosec
    last = path.points[-1].time_from_start
    arrival = stamp + last.sec * SECOND + last.nanosec
    assert stamp < arrival <= strikes[0].time
    moved = [
        a != b for a, b in zip(path.points[0].positions, path.points[-1].positions, strict=True)
    ]
    assert moved[strikes[0].values[0]]
    assert list(path.points[-1].velocities) == [0.0, 0.0]

    late = [note_on(start + 7 * MILLISECOND, 72, 80), note_off(start + SECOND // 2, 72)]
    reports.publish(String(data=StreamWriter().write(late)[0]))
    wait_until(
        lambda: (
            '72:+7.0' in graph.figures('robot_performer').get('lateness of latest notes (ms)', '')
        ),
        'its lateness in the diagnostics',
    )
    played = graph.events['played_notes']
    wait_until(lambda: len(played) >= 2, 'the report on played_notes')
    assert is_note_on(played[0]) and is_note_off(played[1])
    assert played[0].time == late[0].time


def test_a_wrong_body_is_a_sentence_not_a_crash(graph: Graph) -> None:
    node = graph.start('robot_performer', body='octopus')
    wait_until(lambda: 'octopus' in graph.says('robot_performer'), 'the reason')
    assert 'marimba_arms' in graph.says('robot_performer')
    assert node.process.poll() is None


def test_the_improviser_keeps_to_its_instrument(graph: Graph) -> None:
    graph.start('improviser', instrument='drums_8', mode='solo', seed=1)
    generated = graph.events['generated_notes']
    wait_until(lambda: len(list(filter(is_note_on, generated))) >= 8, 'eight notes')
    drums = {35, 36, 37, 38, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 57, 59}
    assert {event.values[0] for event in generated if is_note_on(event)} <= drums
