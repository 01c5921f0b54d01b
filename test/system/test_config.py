# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The user's parameter file in `improv run`: partial or not, arguments prevail over it."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python
import soundfile as sf

from graph import Graph, wait_until
from improv_run import improv_run
from test_lifecycle import call

# As `ros2 param dump` writes it, and as somebody writes it who has one node in mind; the last
# section that holds for a node prevails, as it does without a file of ours.
FILE = """
/**/improviser:
  ros__parameters:
    mode: respond
/improv/improviser:
  ros__parameters:
    mode: solo
    pause: 1.5
/**:
  ros__parameters:
    clock_tolerance: 0.5
    pause: 1.25
/**/microphone:
  ros__parameters:
    source: file
    file: FOLDER/silence.wav
    loop: true
/**/midi_player:
  ros__parameters:
    outputs: file
    midi_file: FOLDER/played.mid
    wav_file: FOLDER/played.wav
"""


def values(graph: Graph, node: str, *names: str) -> list[Any]:
    """Return what some parameters of a node are."""
    asked = GetParameters.Request(names=names)
    found = call(graph, GetParameters, f'{node}/get_parameters', asked).values
    return [parameter_value_to_python(value) for value in found]


def write_config(folder: Path) -> Path:
    sf.write(folder / 'silence.wav', [0.0] * 16000, 16000)
    path = folder / 'partial.yaml'
    path.write_text(FILE.replace('FOLDER', str(folder)))
    return path


def test_the_users_file_is_not_overridden_by_what_was_not_given(graph: Graph) -> None:
    config = write_config(graph.folder)
    with improv_run(graph.folder, graph.env, config) as run:
        for node in ('microphone', 'transcriber', 'improviser', 'midi_player'):
            wait_until(lambda node=node: graph.says(node), f'the {node}')
            assert values(graph, node, 'clock_tolerance') == [0.5]
        assert set(run.nodes) == {'microphone', 'transcriber', 'improviser', 'midi_player'}
        assert values(graph, 'microphone', 'source', 'loop') == ['file', True]
        assert values(graph, 'improviser', 'mode', 'pause', 'top_p') == ['solo', 1.25, 0.99]
        assert values(graph, 'midi_player', 'outputs') == ['file']
        wait_until(lambda: graph.chunks, 'the recording')
        assert run.interrupt() == 0


def test_what_is_given_overrides_the_users_file_whatever_its_sections(graph: Graph) -> None:
    config = write_config(graph.folder)
    given = {'input': 'keyboard', 'mode': 'accompany', 'output': 'wav'}
    with improv_run(graph.folder, graph.env, config, **given) as run:
        for node in ('midi_keyboard', 'improviser', 'midi_player'):
            wait_until(lambda node=node: graph.says(node), f'the {node}')
        assert set(run.nodes) == {'midi_keyboard', 'improviser', 'midi_player'}
        assert values(graph, 'improviser', 'mode', 'pause') == ['accompany', 1.25]
        assert values(graph, 'midi_player', 'outputs') == ['wav']
        assert run.interrupt() == 0


def test_a_config_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, '-m', 'improv_ros.cli', 'run', '--config', str(tmp_path / 'my.yaml')],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert str(tmp_path / 'my.yaml') in ended.stderr
    assert ended.stderr.count('\n') == 1
