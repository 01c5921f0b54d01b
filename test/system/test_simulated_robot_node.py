# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The simulated robot: real processes, real messages, physics in the place of the hardware."""

from __future__ import annotations

from pathlib import Path
import signal

from builtin_interfaces.msg import Duration, Time
import pytest
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from graph import Graph, wait_until
from improv_ros.event_text import SECOND, StreamWriter, is_note_off, is_note_on, note_off, note_on
from improv_ros.nodes.common.note_topics import CHAIN_QOS
from timing import promised

pytest.importorskip('mujoco')
MILLISECOND = 1_000_000


def melody(start: int) -> list:
    """Eight notes on the bars above which the arms wait: no move can come too late."""
    events = []
    for step, pitch in enumerate((60, 79, 60, 79, 60, 79, 60, 79)):
        at = start + step * SECOND // 2
        events += [note_on(at, pitch, 60 + 5 * step), note_off(at + SECOND // 4, pitch)]
    return events


def test_the_arms_hit_what_the_performer_commands_and_it_learns_their_latency(
    graph: Graph, tmp_path: Path
) -> None:
    states: list[JointState] = []
    graph.probe.create_subscription(JointState, 'joint_states', states.append, CHAIN_QOS)
    body_notes = graph.listen('body_notes')
    robot = graph.start('simulated_robot', body='marimba_arms')
    wait_until(lambda: graph.healthy('simulated_robot'), 'the simulated robot')
    learned = tmp_path / 'learned.yaml'
    performer = graph.start(
        'robot_performer',
        body='marimba_arms',
        feedback='body',
        lookahead=2.0,  # a machine that is busy delivers commands late
        learned_file=str(learned),
    )
    publisher = graph.publisher('generated_notes')
    wait_until(lambda: graph.healthy('robot_performer'), 'the performer')
    events = melody(graph.now() + 5 * SECOND)
    for text in StreamWriter().write(events):
        publisher.publish(String(data=text))
    played = graph.events['played_notes']
    wait_until(lambda: sum(map(is_note_on, played)) >= 8, 'eight impacts on played_notes')
    assert [e.values[0] for e in body_notes if is_note_on(e)] == [
        e.values[0] for e in events if is_note_on(e)
    ]
    wait_until(lambda: sum(map(is_note_off, played)) >= 8, 'the ends of their sounds')

    state = states[-1]
    assert list(state.name) == [
        'left_rail',
        'right_rail',
        'left_rail_stroke',
        'right_rail_stroke',
    ]
    assert len(state.position) == len(state.velocity) == 4
    lifted = max(s.position[2] for s in states)
    assert lifted > 0.1  # radians: a stroke of the mallet

    wait_until(
        lambda: graph.figures('robot_performer').get('latency learned (ms)', '+0.0') != '+0.0',
        'a latency that was learned',
    )
    figures = graph.figures('simulated_robot')
    assert float(figures['physics load (% of a core)']) > 0
    performer.leave(signal.SIGTERM)
    assert learned.is_file()
    assert robot.leave(signal.SIGTERM) < promised(2)
    assert robot.process.returncode == 0
    assert 'Traceback' not in robot.said + performer.said


def test_a_trajectory_against_the_rules_of_a_controller_is_refused_and_the_reason_is_told(
    graph: Graph,
) -> None:
    graph.start('simulated_robot', body='marimba_arms')
    publisher = graph.publisher('joint_trajectory', JointTrajectory)
    points = [
        JointTrajectoryPoint(positions=[0.5, 0.5], time_from_start=Duration(sec=2)),
        JointTrajectoryPoint(positions=[0.6, 0.6], time_from_start=Duration(sec=1)),
    ]
    message = JointTrajectory(joint_names=['left_rail', 'right_rail'], points=points)
    message.header.stamp = Time()
    publisher.publish(message)
    wait_until(lambda: 'descend' in graph.says('simulated_robot'), 'the reason')
    assert graph.figures('simulated_robot')['trajectories refused'] == '1'


def test_a_wrong_body_is_a_sentence_not_a_crash(graph: Graph) -> None:
    node = graph.start('simulated_robot', body='octopus')
    wait_until(lambda: 'octopus' in graph.says('simulated_robot'), 'the reason')
    assert node.process.poll() is None
