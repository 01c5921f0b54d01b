# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""One Python package after the other is taken out of the environment."""

from __future__ import annotations

import os
from pathlib import Path
import subprocess
import sys

import pytest

from graph import Graph, wait_until
from improv_ros.process import packages
from improv_ros.process.backoff import UNUSABLE

HIDDEN = str(Path(__file__).parent / 'hidden')


def without(*modules: str) -> dict[str, str]:
    """Return what an environment needs in order not to have these modules."""
    path = os.pathsep.join(filter(None, (HIDDEN, os.environ.get('PYTHONPATH'))))
    return {'HIDDEN': ' '.join(modules), 'PYTHONPATH': path}


def run(words: list[str], graph: Graph, *hidden: str) -> tuple[int, list[str]]:
    """Run a module without others; return the exit code and the lines that it said."""
    result = subprocess.run(
        [sys.executable, '-m', *words],
        env={**os.environ, **graph.env, **without(*hidden)},
        cwd=graph.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return result.returncode, (result.stdout + result.stderr).splitlines()


@pytest.mark.parametrize(
    ('node', 'module'),
    [
        ('microphone', 'rclpy'),
        ('midi_keyboard', 'mido'),
        ('transcriber', 'numpy'),
        ('robot_performer', 'yaml'),
        ('midi_player', 'std_srvs'),
        ('robot_performer', 'trajectory_msgs'),
        ('improviser', 'diagnostic_msgs'),
        ('microphone', 'lifecycle_msgs'),
        ('midi_keyboard', 'rcl_interfaces'),
    ],
)
def test_a_node_says_once_what_to_install_and_ends_for_good(
    module_graph: Graph, node: str, module: str
) -> None:
    code, said = run([f'improv_ros.nodes.{node}'], module_graph, module)
    assert said == [f'{node}: {packages.what_to_install(module)}']
    assert code == UNUSABLE


@pytest.mark.parametrize(
    ('command', 'module', 'expected'),
    [
        ('run', 'mido', UNUSABLE),
        ('demo', 'soxr', 1),
        ('record', 'rclpy', 1),
        ('replay', 'mcap', 1),
    ],
)
def test_a_command_says_once_what_to_install(
    module_graph: Graph, command: str, module: str, expected: int
) -> None:
    code, said = run(['improv_ros.cli', command], module_graph, module)
    assert said == [f'improv {command}: {packages.what_to_install(module)}']
    assert code == expected


def test_the_chain_goes_on_without_the_node_that_cannot_run(graph: Graph) -> None:
    log = graph.folder / 'run.log'
    with log.open('w') as file:
        process = subprocess.Popen(
            [sys.executable, '-m', 'improv_ros.cli', 'run', '--input=keyboard', '--output=file'],
            env={**os.environ, **graph.env, **without('std_srvs')},
            cwd=graph.folder,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: log.read_text().count('not restarted') == 2, 'the two that end')
        wait_until(lambda: 'midi_keyboard' in graph.diagnostics, 'the keyboard')
    finally:
        process.terminate()
    assert process.wait(20) == 0
    said = log.read_text()
    assert said.count(packages.what_to_install('std_srvs')) == 2, said
    assert 'Traceback' not in said


@pytest.mark.parametrize(
    ('node', 'hidden', 'advice', 'parameters'),
    [
        ('microphone', ['pyaudio'], 'pip install PyAudio, or apt install python3-pyaudio', {}),
        ('transcriber', ['ai_edge_litert', 'tflite_runtime', 'tensorflow'], 'ai-edge-litert', {}),
        ('improviser', ['ai_edge_litert', 'tflite_runtime', 'keras'], 'ai-edge-litert', {}),
        ('midi_player', ['fluidsynth'], 'pip install pyfluidsynth', {'outputs': 'synth'}),
        ('midi_keyboard', ['rtmidi'], 'pip install python-rtmidi', {'midi_api': 'jack'}),
    ],
)
def test_what_only_the_device_needs_is_told_by_the_node_that_waits_for_it(
    module_graph: Graph, node: str, hidden: list[str], advice: str, parameters: dict[str, str]
) -> None:
    module_graph.env.update(without(*hidden))
    started = module_graph.start(node, **parameters)
    try:
        wait_until(lambda: advice in module_graph.says(node), 'the advice')
        said = started.said
        assert said.count(advice) == 1, said
        assert 'Traceback' not in said and 'install tensorflow' not in said
    finally:
        started.leave()
        assert started.process.returncode == 0
