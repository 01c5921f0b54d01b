# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Parameters as they are given and set: what is taken, what is refused, and what is felt when."""

from __future__ import annotations

from typing import Any

from lifecycle_msgs.msg import State
import pytest
from rcl_interfaces.msg import ParameterType, SetParametersResult
from rcl_interfaces.srv import GetParameters, SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter

from graph import Graph, wait_until
from test_lifecycle import call, state


@pytest.fixture(scope='module')
def graph(module_graph: Graph) -> Graph:
    """Provide an improviser and a transcriber, which the tests of this module share."""
    # What another node has is given to all by a launch file, and is no mistake.
    module_graph.start('improviser', temperature=1, outputs='file')
    module_graph.start('transcriber', model='spectral', onset_threshold=-1)
    for name in ('improviser', 'transcriber'):
        wait_until(lambda name=name: state(module_graph, name) == 3, f'an active {name}')
    return module_graph


def set_one(graph: Graph, node: str, name: str, value: Any) -> SetParametersResult:
    message = Parameter(name, value=value).to_parameter_msg()
    asked = SetParameters.Request(parameters=[message])
    return call(graph, SetParameters, f'{node}/set_parameters', asked).results[0]


def get_one(graph: Graph, node: str, name: str) -> Any:
    asked = GetParameters.Request(names=[name])
    return call(graph, GetParameters, f'{node}/get_parameters', asked).values[0]


def test_an_integer_is_taken_for_a_float(graph: Graph) -> None:
    value = get_one(graph, 'improviser', 'temperature')
    assert (value.type, value.double_value) == (ParameterType.PARAMETER_DOUBLE, 1.0)
    assert set_one(graph, 'improviser', 'temperature', 2).successful
    value = get_one(graph, 'improviser', 'temperature')
    assert (value.type, value.double_value) == (ParameterType.PARAMETER_DOUBLE, 2.0)
    result = set_one(graph, 'improviser', 'temperature', 4)
    assert not result.successful
    assert 'temperature' in result.reason
    assert not set_one(graph, 'improviser', 'temperature', True).successful
    path = str(graph.folder / 'played.mid')
    player = graph.start('midi_player', outputs='file', midi_file=path, late_tolerance=1)
    wait_until(lambda: state(graph, 'midi_player') == State.PRIMARY_STATE_ACTIVE, 'a player')
    player.kill()


def test_what_is_felt_later_says_so_and_what_is_live_does_not(graph: Graph) -> None:
    result = set_one(graph, 'improviser', 'seed', 3)
    assert result.successful
    assert result.reason == 'seed: takes effect when the node is next configured'
    result = set_one(graph, 'improviser', 'pause', 0.7)
    assert (result.successful, result.reason) == (True, '')
    together = [
        Parameter('seed', value=4).to_parameter_msg(),
        Parameter('pause', value=1).to_parameter_msg(),
        Parameter('runtime', value='litert').to_parameter_msg(),
    ]
    asked = SetParametersAtomically.Request(parameters=together)
    service = 'improviser/set_parameters_atomically'
    result = call(graph, SetParametersAtomically, service, asked).result
    assert result.successful
    assert result.reason == 'seed, runtime: takes effect when the node is next configured'


@pytest.mark.parametrize('value', [-0.5, -1.5, -0.0001, 1.1, float('nan')])
def test_minus_one_alone_leaves_a_threshold_as_tuned(graph: Graph, value: float) -> None:
    result = set_one(graph, 'transcriber', 'onset_threshold', value)
    assert not result.successful
    assert 'onset_threshold' in result.reason
    assert get_one(graph, 'transcriber', 'onset_threshold').double_value == -1.0
    for right in (0.0, 1.0, -1.0, -1):
        assert set_one(graph, 'transcriber', 'onset_threshold', right).successful


def test_two_that_contradict_each_other_can_be_set_together(graph: Graph) -> None:
    def set_both(low: int, high: int) -> SetParametersResult:
        messages = [
            Parameter('lowest_pitch', value=low).to_parameter_msg(),
            Parameter('highest_pitch', value=high).to_parameter_msg(),
        ]
        asked = SetParametersAtomically.Request(parameters=messages)
        service = 'improviser/set_parameters_atomically'
        return call(graph, SetParametersAtomically, service, asked).result

    assert set_both(30, 40).successful
    assert set_both(90, 100).successful
    result = set_both(60, 50)
    assert not result.successful
    assert 'highest_pitch' in result.reason
    assert get_one(graph, 'improviser', 'lowest_pitch').integer_value == 90
    assert not set_one(graph, 'improviser', 'gramophone', 1).successful
