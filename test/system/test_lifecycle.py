# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Every node is driven through its lifecycle, there and back, by a manager's services."""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
import pytest
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter
import soundfile as sf

from graph import NAMESPACE, Graph, free_port, wait_until
from timing import promised

pytestmark = pytest.mark.jazzy


# The environment of Jazzy has none.
needs_mujoco = pytest.mark.skipif(not find_spec('mujoco'), reason='needs mujoco')


def parameters_of(executable: str, folder: Path) -> dict[str, Any]:
    sound = folder / 'silence.wav'
    sf.write(sound, [0.0] * 16000, 16000)
    return {
        'microphone': {'source': 'file', 'file': str(sound), 'loop': True},
        'midi_player': {'outputs': 'file', 'midi_file': str(folder / 'played.mid')},
        'midi_keyboard': {'ports': f'socket://localhost:{free_port()}'},
        'live_page': {'page_port': 0},
    }.get(executable, {})


def call(graph: Graph, kind: Any, service: str, request: Any) -> Any:
    """Return a service's answer; asked again, for the first one may be lost while DDS matches."""
    client = graph.probe.create_client(kind, f'{NAMESPACE}/{service}')
    wait_until(client.service_is_ready, service)
    for _ in range(10):
        future = client.call_async(request)
        with contextlib.suppress(AssertionError):
            wait_until(future.done, f'an answer of {service}', patience=3)
            return future.result()
    raise AssertionError(f'{service} does not answer')


def change(graph: Graph, node: str, transition: int) -> None:
    client = graph.probe.create_client(ChangeState, f'{NAMESPACE}/{node}/change_state')
    wait_until(client.service_is_ready, 'change_state')
    client.call_async(ChangeState.Request(transition=Transition(id=transition)))


def state(graph: Graph, node: str) -> int:
    return call(graph, GetState, f'{node}/get_state', GetState.Request()).current_state.id


@pytest.mark.parametrize(
    'executable',
    [
        'microphone',
        'midi_keyboard',
        'transcriber',
        'improviser',
        'midi_player',
        'robot_performer',
        pytest.param('simulated_robot', marks=needs_mujoco),
        'keyboard_markers',
        'live_page',
    ],
)
def test_a_manager_drives_every_transition(graph: Graph, executable: str) -> None:
    node = graph.start(executable, autostart=False, **parameters_of(executable, graph.folder))
    assert state(graph, executable) == State.PRIMARY_STATE_UNCONFIGURED
    for transition, after in (
        (Transition.TRANSITION_CONFIGURE, State.PRIMARY_STATE_INACTIVE),
        (Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE),
        (Transition.TRANSITION_DEACTIVATE, State.PRIMARY_STATE_INACTIVE),
        (Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE),
        (Transition.TRANSITION_DEACTIVATE, State.PRIMARY_STATE_INACTIVE),
        (Transition.TRANSITION_CLEANUP, State.PRIMARY_STATE_UNCONFIGURED),
        (Transition.TRANSITION_CONFIGURE, State.PRIMARY_STATE_INACTIVE),
        (Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE),
        (Transition.TRANSITION_ACTIVE_SHUTDOWN, State.PRIMARY_STATE_FINALIZED),
    ):
        change(graph, executable, transition)
        wait_until(lambda after=after: state(graph, executable) == after, f'state {after}')
    assert node.leave() < promised(2)
    assert node.process.returncode == 0
    assert 'Traceback' not in node.said


def test_a_wrong_parameter_is_refused_by_name_and_the_node_lives(graph: Graph) -> None:
    node = graph.start('midi_player', outputs='gramophone')
    wait_until(lambda: 'gramophone' in graph.says('midi_player'), 'the reason')
    assert 'outputs' in graph.says('midi_player')
    assert state(graph, 'midi_player') == State.PRIMARY_STATE_UNCONFIGURED

    path = graph.folder / 'played.mid'
    values = [
        Parameter('midi_file', value=str(path)).to_parameter_msg(),
        Parameter('outputs', value='file').to_parameter_msg(),
    ]
    request = SetParameters.Request(parameters=values)
    results = call(graph, SetParameters, 'midi_player/set_parameters', request).results
    assert all(result.successful for result in results)
    wait_until(lambda: graph.healthy('midi_player'), 'recovery once the parameter is right')
    assert node.process.poll() is None


def test_parameters_of_the_wrong_type_or_range_leave_the_node_unconfigured(graph: Graph) -> None:
    graph.start('microphone', sample_rate=1)
    wait_until(lambda: 'sample_rate' in graph.says('microphone'), 'the range')
    assert state(graph, 'microphone') == State.PRIMARY_STATE_UNCONFIGURED


def test_parameters_are_described_and_live_ones_guarded(graph: Graph) -> None:
    graph.start('improviser')
    wait_until(lambda: graph.healthy('improviser'), 'an improviser')
    names = ['mode', 'temperature', 'lowest_pitch']
    described = call(
        graph,
        DescribeParameters,
        'improviser/describe_parameters',
        DescribeParameters.Request(names=names),
    ).descriptors
    assert all(descriptor.description for descriptor in described)
    assert 'respond' in described[0].additional_constraints
    assert described[1].floating_point_range[0].to_value == 3.0

    def attempt(name: str, value: Any) -> Any:
        message = Parameter(name, value=value).to_parameter_msg()
        request = SetParameters.Request(parameters=[message])
        return call(graph, SetParameters, 'improviser/set_parameters', request).results[0]

    assert attempt('mode', 'solo').successful
    for name, value in (('mode', 'jazz'), ('temperature', 9.0), ('lowest_pitch', 300)):
        result = attempt(name, value)
        assert not result.successful
        assert name in result.reason
    assert attempt('highest_pitch', 60).successful
    result = attempt('lowest_pitch', 80)
    assert not result.successful
    assert 'highest_pitch' in result.reason
