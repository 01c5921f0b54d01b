# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A node that cannot be what it is asked to be says why and what helps; the others live."""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
import shutil
import subprocess
import sys
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import State
import pytest
import soundfile as sf

from graph import Graph, NodeProcess, wait_until
from improv_ros.improvising.network.improviser_runtime import DEFAULT_MODEL
from improv_ros.listening.transcription.transcription_runtime import VERSION
from test_lifecycle import state

# A figure that the diagnostics of each show only while it is active.
CHAIN = {
    'microphone': 'chunks published',
    'transcriber': 'audio received',
    'improviser': 'notes generated',
    'midi_player': 'notes played',
}
# The node, what is wrong with its parameters, and what it must name. FOLDER is the test's own.
WRONG = {
    'a type': ('microphone', {'sample_rate': 'fast'}, ['sample_rate', 'fast', 'INTEGER']),
    'a range': ('transcriber', {'onset_threshold': 2.0}, ['onset_threshold', '2.0', '1.0']),
    'a threshold below zero': (
        'transcriber',
        {'onset_threshold': -0.5},
        ['onset_threshold', '-0.5', 'or be -1'],
    ),
    'a name': ('improviser', {'temprature': 0.5}, ['temprature', 'did you mean temperature']),
    'a name that nobody has': ('midi_player', {'gramophone': 1}, ['gramophone', 'improv.yaml']),
    'a choice': ('improviser', {'mode': 'jazz'}, ['mode', 'jazz', 'respond']),
    'a contradiction': (
        'improviser',
        {'lowest_pitch': 80, 'highest_pitch': 60},
        ['lowest_pitch', 'highest_pitch'],
    ),
    'a missing device': ('microphone', {'device': 'theremin'}, ['audio input', 'inputs are|plug']),
    'a missing recording': (
        'microphone',
        {'source': 'file', 'file': 'FOLDER/missing.wav'},
        ['FOLDER/missing.wav', 'name another'],
    ),
    'a recording that is none': (
        'microphone',
        {'source': 'file', 'file': 'FOLDER/text.wav'},
        ['FOLDER/text.wav', 'convert it'],
    ),
    'a missing model': (
        'improviser',
        {'model': 'FOLDER/missing.tflite'},
        ['FOLDER/missing.tflite', 'name another'],
    ),
    'a model of another version': (
        'improviser',
        {'model': 'FOLDER/old.tflite'},
        ['FOLDER/old.tflite', 'piano-0', 'improv train'],
    ),
    'a model without its description': (
        'improviser',
        {'model': 'FOLDER/alone.tflite'},
        ['FOLDER/alone.tflite', 'alone.json'],
    ),
    'a damaged model': (
        'improviser',
        {'model': 'FOLDER/damaged.tflite'},
        ['FOLDER/damaged.tflite', 'damaged'],
    ),
    'a description that nobody foresaw': (
        'improviser',
        {'model': 'FOLDER/strange.tflite'},
        ['TypeError|strange'],
    ),
    'a missing model of the transcriber': (
        'transcriber',
        {'model': 'FOLDER/missing.tflite'},
        ['FOLDER/missing.tflite', 'name another'],
    ),
    'a model of the improviser for the transcriber': (
        'transcriber',
        {'model': 'FOLDER/damaged.tflite'},
        ['FOLDER/damaged.json', 'another kind of model'],
    ),
    'a model of the transcriber of another version': (
        'transcriber',
        {'model': 'FOLDER/old_ears.tflite'},
        ['FOLDER/old_ears.tflite', 'ears-0', 'improv train'],
    ),
    'a damaged model of the transcriber': (
        'transcriber',
        {'model': 'FOLDER/damaged_ears.tflite'},
        ['FOLDER/damaged_ears.tflite', 'damaged'],
    ),
    'a runtime of the transcriber': (
        'transcriber',
        {'runtime': 'abacus'},
        ['runtime', 'abacus', 'litert'],
    ),
    'a missing soundfont': (
        'midi_player',
        {'outputs': 'synth', 'soundfont': 'FOLDER/missing.sf2'},
        ['FOLDER/missing.sf2', 'name another'],
    ),
    'a missing MIDI port': ('midi_player', {'outputs': 'port', 'port': 'theremin'}, ['port']),
    'an unknown body': ('improviser', {'instrument': 'theremin'}, ['theremin', 'marimba_arms']),
    'an unknown body to perform': (
        'robot_performer',
        {'body': 'theremin'},
        ['theremin', 'marimba_arms'],
    ),
    'an unknown body to simulate': (
        'simulated_robot',
        {'body': 'theremin'},
        ['theremin', 'marimba_arms'],
    ),
    'a missing file of a body': (
        'robot_performer',
        {'body': 'FOLDER/missing.yaml'},
        ['FOLDER/missing.yaml'],
    ),
}

# One of each kind and node; the others are for the night.
BY_DAY = {
    'a type',
    'a contradiction',
    'a missing recording',
    'a model of another version',
    'a damaged model',
    'a missing MIDI port',
    'a missing soundfont',
    'an unknown body to perform',
}


def start_well(graph: Graph, executable: str) -> None:
    graph.diagnostics.pop(executable, None)
    graph.start(
        executable,
        **{
            'microphone': {
                'source': 'file',
                'file': str(graph.folder / 'silence.wav'),
                'loop': True,
            },
            'midi_player': {'outputs': 'file', 'midi_file': str(graph.folder / 'played.mid')},
        }.get(executable, {}),
    )


def stop(graph: Graph, executable: str) -> None:
    for node in graph.nodes:
        if node.process.poll() is None and node.log.stem == executable:
            node.kill()


def prepare(folder: Path) -> None:
    """Make the silence to play, and files with which something is wrong."""
    sf.write(folder / 'silence.wav', [0.0] * 16000, 16000)
    (folder / 'text.wav').write_text('no sound')
    about = json.loads(DEFAULT_MODEL.with_suffix('.json').read_text())
    for name, changed in (
        ('old', {'vocabulary': 'piano-0'}),
        ('damaged', {}),
        ('strange', {'units': 'many'}),
    ):
        (folder / f'{name}.json').write_text(json.dumps(about | changed))
        shutil.copy(DEFAULT_MODEL, folder / f'{name}.tflite')
    (folder / 'damaged.tflite').write_bytes(DEFAULT_MODEL.read_bytes()[:100_000])
    shutil.copy(DEFAULT_MODEL, folder / 'alone.tflite')
    ears = {'front_end': VERSION, 'channels': 8, 'units': 8, 'delays': [5], 'delay': 5}
    for name, changed in (('old_ears', {'front_end': 'ears-0'}), ('damaged_ears', {})):
        (folder / f'{name}.json').write_text(json.dumps(ears | changed))
        (folder / f'{name}.tflite').write_bytes(b'0000TFL3 and no more')


@pytest.fixture(scope='module')
def chain(module_graph: Graph) -> Iterator[Graph]:
    """Provide a chain that plays."""
    prepare(module_graph.folder)
    for executable in CHAIN:
        start_well(module_graph, executable)
    yield module_graph


@pytest.fixture
def start_wrong(chain: Graph) -> Iterator[Any]:
    """Provide a way to put a node with other parameters in the place of one of the chain."""
    replaced = []

    def start(executable: str, parameters: dict[str, Any]) -> NodeProcess:
        replaced.append(executable)
        stop(chain, executable)
        chain.diagnostics.clear()
        return chain.start(executable, **parameters)

    yield start
    for executable in replaced:
        stop(chain, executable)
        if executable in CHAIN:
            start_well(chain, executable)


@pytest.mark.parametrize(
    ('executable', 'wrong', 'named'),
    [
        pytest.param(*case, id=name, marks=() if name in BY_DAY else pytest.mark.nightly)
        for name, case in WRONG.items()
    ],
)
def test_a_wrong_parameter_is_named_and_the_others_live(
    chain: Graph, start_wrong: Any, executable: str, wrong: dict[str, Any], named: list[str]
) -> None:
    def here(text: Any) -> Any:
        return text.replace('FOLDER', str(chain.folder)) if isinstance(text, str) else text

    node = start_wrong(executable, {name: here(value) for name, value in wrong.items()})
    others = [other for other in CHAIN if other != executable]
    for other in others:
        wait_until(lambda other=other: CHAIN[other] in chain.figures(other), f'{other} alive')
    wait_until(
        lambda: (
            (status := chain.diagnostics.get(executable))
            and status.level == DiagnosticStatus.ERROR
        ),
        f'a problem of {executable}',
    )
    said = chain.says(executable)
    for words in named:
        assert any(here(word) in said for word in words.split('|')), said
    assert state(chain, executable) == State.PRIMARY_STATE_UNCONFIGURED
    assert node.process.poll() is None


@pytest.mark.parametrize(
    ('text', 'named'),
    [
        ('/**:\n  ros__parameters:\n    mode: [solo\n', 'line 3'),
        pytest.param(
            '/**:\n  ros__parameters:\n    mode: [solo, 3]\n',
            'same type',
            marks=pytest.mark.nightly,
        ),
        pytest.param('mode: solo\n', 'ros__parameters', marks=pytest.mark.nightly),
        (None, 'wrong.yaml'),
        pytest.param(
            '/**:\n  ros__parameters:\n    use_sim_time: maybe\n',
            'use_sim_time',
            marks=pytest.mark.nightly,
        ),
    ],
    ids=['no YAML', 'mixed list', 'no node', 'no file', 'type of use_sim_time'],
)
def test_a_parameter_file_that_ros_cannot_read_ends_the_node_with_a_sentence(
    tmp_path: Path, text: str | None, named: str
) -> None:
    path = tmp_path / 'wrong.yaml'
    if text is not None:
        path.write_text(text)
    ended = subprocess.run(
        [sys.executable, '-m', 'improv_ros.nodes.improviser']
        + ['--ros-args', '--params-file', str(path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert named in ended.stderr
    assert 'parameter files' in ended.stderr
    assert 'Traceback' not in ended.stderr
