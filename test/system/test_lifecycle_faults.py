# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A verb of the lifecycle that raises costs no more than its transition, and leaves nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path
import time
from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState
import pytest
from rclpy.node import NodeNameNonExistentError

from graph import Graph, NodeProcess, wait_until
from improv_ros.nodes.common.managed_node import LONGEST_RETRY
from test_lifecycle import call, change, parameters_of, state

PROGRAM = str(Path(__file__).with_name('faulty_node.py'))
EXECUTABLES = (
    'microphone',
    'midi_keyboard',
    'transcriber',
    'improviser',
    'midi_player',
    'robot_performer',
)

# What every node takes part in, whatever its state.
ALWAYS = {'/diagnostics', '/clock_beacons', '/parameter_events', '/rosout'} | {
    f'/{executable}/transition_event' for executable in EXECUTABLES
}

# The state after a transition, where no other transition ends in it.
REACHED = {
    Transition.TRANSITION_CONFIGURE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_ACTIVATE: State.PRIMARY_STATE_ACTIVE,
}


def start_faulty(
    graph: Graph, executable: str, verb: str, times: int, **parameters: Any
) -> NodeProcess:
    graph.diagnostics.pop(executable, None)
    program = [PROGRAM, executable, verb, str(times)]
    given = {**parameters_of(executable, graph.folder), **parameters}
    return graph.start(executable, program, **given)


def request(graph: Graph, executable: str, transition: int) -> bool:
    """Request a transition and wait for its answer; return whether it succeeded.

    An answer may be lost while DDS matches; the second request then comes from another state.
    """
    asked = ChangeState.Request(transition=Transition(id=transition))
    if call(graph, ChangeState, f'{executable}/change_state', asked).success:
        return True
    return state(graph, executable) == REACHED.get(transition)


def topics_of(graph: Graph, executable: str) -> set[str]:
    """Return the topics that a node takes part in, as far as the graph knows."""
    node = graph.probe
    found: set[str] = set()
    for look in (
        node.get_publisher_names_and_types_by_node,
        node.get_subscriber_names_and_types_by_node,
    ):
        with contextlib.suppress(NodeNameNonExistentError):  # it may not have been heard of yet
            found |= {name for name, _ in look(executable, graph.namespace)}
    return {name.removeprefix(graph.namespace) for name in found}


def threads_of(node: NodeProcess) -> int:
    return len(list(Path(f'/proc/{node.process.pid}/task').iterdir()))


@pytest.mark.parametrize(
    ('executable', 'times'),
    [(executable, 1) for executable in EXECUTABLES] + [('microphone', 9), ('midi_player', 9)],
)
def test_a_deactivation_that_fails_leaves_nothing_and_the_node_can_be_used_again(
    module_graph: Graph, executable: str, times: int
) -> None:
    graph = module_graph
    node = start_faulty(graph, executable, 'deactivate', times, autostart=False)
    try:
        assert state(graph, executable) == State.PRIMARY_STATE_UNCONFIGURED
        threads = 0
        for _ in range(2):
            assert request(graph, executable, Transition.TRANSITION_CONFIGURE)
            assert request(graph, executable, Transition.TRANSITION_ACTIVATE)
            done = request(graph, executable, Transition.TRANSITION_DEACTIVATE)
            if done:  # the fault is over
                assert state(graph, executable) == State.PRIMARY_STATE_INACTIVE
                assert request(graph, executable, Transition.TRANSITION_CLEANUP)
            else:
                assert 'deactivate fails on purpose' in node.said
            assert state(graph, executable) == State.PRIMARY_STATE_UNCONFIGURED
            wait_until(lambda: topics_of(graph, executable) <= ALWAYS, 'topics that are left')
            if threads:
                wait_until(
                    lambda most=threads: threads_of(node) <= most, 'threads that have ended'
                )
            else:
                time.sleep(0.5)  # in which a thread that was told to end does so
                threads = threads_of(node)
        assert request(graph, executable, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
        assert state(graph, executable) == State.PRIMARY_STATE_FINALIZED
        assert node.leave() < 5
        assert node.process.returncode == 0
    finally:
        node.kill()


@pytest.mark.parametrize('verb', ['deactivate', 'cleanup'])
def test_a_shutdown_in_which_a_verb_fails_is_one_all_the_same(
    module_graph: Graph, verb: str
) -> None:
    node = start_faulty(module_graph, 'improviser', verb, 1000)
    try:
        wait_until(lambda: module_graph.healthy('improviser'), 'an active node')
        request(module_graph, 'improviser', Transition.TRANSITION_ACTIVE_SHUTDOWN)
        assert state(module_graph, 'improviser') == State.PRIMARY_STATE_FINALIZED
        assert f'{verb} fails on purpose' in node.said
        wait_until(lambda: module_graph.says('improviser') == 'shut down', 'the last word')
    finally:
        node.kill()


def test_a_cleanup_that_fails_is_tried_again_and_the_next_configure_works(
    module_graph: Graph,
) -> None:
    node = start_faulty(module_graph, 'midi_keyboard', 'cleanup', 1, autostart=False)
    try:
        assert request(module_graph, 'midi_keyboard', Transition.TRANSITION_CONFIGURE)
        assert not request(module_graph, 'midi_keyboard', Transition.TRANSITION_CLEANUP)
        assert state(module_graph, 'midi_keyboard') == State.PRIMARY_STATE_UNCONFIGURED
        # Its port would be taken, if the first of the two were still open.
        assert request(module_graph, 'midi_keyboard', Transition.TRANSITION_CONFIGURE)
        assert 'cleanup fails on purpose' in node.said
    finally:
        node.kill()


@pytest.mark.parametrize(
    ('transition', 'after'),
    [
        (Transition.TRANSITION_CLEANUP, State.PRIMARY_STATE_UNCONFIGURED),
        pytest.param(
            Transition.TRANSITION_INACTIVE_SHUTDOWN,
            State.PRIMARY_STATE_FINALIZED,
            marks=pytest.mark.nightly,
        ),
    ],
    ids=['cleanup', 'shutdown'],
)
def test_a_transition_that_is_asked_for_ends_the_attempts_to_start(
    module_graph: Graph, transition: int, after: int
) -> None:
    graph = module_graph
    node = start_faulty(graph, 'improviser', 'activate', 1000)
    try:
        wait_until(lambda: 'on purpose' in graph.says('improviser'), 'an attempt')
        wait_until(
            lambda: state(graph, 'improviser') == State.PRIMARY_STATE_INACTIVE, 'the next one'
        )
        change(graph, 'improviser', transition)
        wait_until(lambda: state(graph, 'improviser') == after, 'the state that was asked for')
        said = node.said
        time.sleep(LONGEST_RETRY + 1)  # more than the pause between two attempts
        assert state(graph, 'improviser') == after
        assert node.said == said
    finally:
        node.kill()
