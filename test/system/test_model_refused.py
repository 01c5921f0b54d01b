# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The improviser node and a hostile model: a sentence, nothing executed, and the node lives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
import pytest

from graph import NAMESPACE, Graph, wait_until
from improvising.hostile_models import crashing_litert, file_writing_litert, lambda_model

LONG = 240.0  # seconds; TensorFlow may have to be imported


def state(graph: Graph) -> int:
    """Return the lifecycle state of the improviser, asked again until it answers."""
    client = graph.probe.create_client(GetState, f'{NAMESPACE}/improviser/get_state')

    def answer() -> State | None:
        future = client.call_async(GetState.Request())
        try:
            wait_until(future.done, 'an answer', 3.0)
        except AssertionError:
            return None
        return future.result().current_state

    return wait_until(answer, 'the state', LONG).id


@pytest.mark.parametrize(
    'make',
    [
        lambda_model,
        pytest.param(file_writing_litert, marks=pytest.mark.nightly),
        lambda folder, _: crashing_litert(folder),
    ],
    ids=['python code', 'a call of TensorFlow', 'a crash'],
)
def test_a_hostile_model_leaves_the_improviser_unconfigured_and_alive(
    graph: Graph, make: Callable[[Path, Path], Path]
) -> None:
    marker = graph.folder / 'executed'
    path = make(graph.folder / 'model', marker)
    node = graph.start('improviser', model=str(path))
    wait_until(lambda: str(path) in graph.says('improviser'), 'the reason', LONG)
    assert state(graph) == State.PRIMARY_STATE_UNCONFIGURED
    assert node.process.poll() is None
    assert 'Traceback' not in node.said
    assert not marker.exists()
