# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv doctor` on machines that lack one thing or another, and on one that lacks all."""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys
import venv

import pytest

from fixtures_audio import VirtualMicrophone, virtual_microphone  # noqa: F401
from fixtures_midi import JackServer, jack_server  # noqa: F401
from graph import Graph
from improv_ros.commands.machine_checks import CHECKS, FAILS, LIMITED, PAGE_PORT, WORKS
from improv_ros.process import packages
from test_missing_packages import without

ROOT = Path(__file__).parents[2]
NO_JACK = {'JACK_DEFAULT_SERVER': 'none', 'JACK_NO_START_SERVER': '1'}
NO_SOUND = {'PULSE_SERVER': 'unix:/nowhere', 'XDG_RUNTIME_DIR': '/nowhere'}


def doctor(
    graph: Graph, *parts: str, python: str = sys.executable, **environment: str
) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Return the exit code, and the findings by part."""
    done = subprocess.run(
        [python, '-m', 'improv_ros.cli', 'doctor', '--json', *parts],
        env={**os.environ, **graph.env, **environment},
        cwd=graph.folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.stderr == ''
    return done.returncode, json.loads(done.stdout)


def states(findings: list[dict[str, str]], word: str) -> list[str]:
    """Return the states of the findings with a word."""
    return [finding['state'] for finding in findings if word in finding['what']]


def test_a_machine_with_everything_but_devices_works_without_them(module_graph: Graph) -> None:
    code, found = doctor(module_graph, **NO_JACK, **NO_SOUND)
    assert code == 0
    assert list(found) == list(CHECKS)
    assert states(found['Python'], 'all Python packages') == [WORKS]
    assert {f['state'] for f in found['ROS 2']} == {WORKS}
    assert states(found['Sound'], 'no microphone') == [LIMITED]
    assert states(found['Sound'], 'synthesiser') == [LIMITED]
    (midi,) = found['MIDI']
    assert midi['state'] == LIMITED and 'jackd' in midi['remedy']
    networks = [f['what'] for f in found['Processor']]
    assert [what.split()[1] for what in networks] == ['transcriber', 'improviser']
    for finding in (f for each in found.values() for f in each if f['state'] != WORKS):
        assert finding['remedy'], finding


def test_a_bare_debian_is_told_every_package(module_graph: Graph, tmp_path: Path) -> None:
    venv.create(tmp_path / 'bare')  # Python, and nothing else
    python = str(tmp_path / 'bare' / 'bin' / 'python')
    code, found = doctor(module_graph, python=python, PYTHONPATH=str(ROOT))
    assert code == 1
    for module in packages.NEEDED_BY_NODES:
        assert states(found['Python'], module) == [FAILS]
        assert packages.what_to_install(module) in {f['remedy'] for f in found['Python']}
    assert {f['state'] for f in found['ROS 2']} == {FAILS}
    assert {f['state'] for f in found['Processor']} == {FAILS}
    said = [f['what'] for each in found.values() for f in each]
    assert not [what for what in said if 'this check failed' in what]


@pytest.mark.parametrize(
    ('module', 'part', 'state'),
    [
        ('rclpy', 'ROS 2', FAILS),
        ('pyaudio', 'Sound', LIMITED),
        ('rtmidi', 'MIDI', LIMITED),
        ('mujoco', 'Python', LIMITED),
    ],
)
def test_a_missing_package_is_found_where_it_is_needed(
    module_graph: Graph, module: str, part: str, state: str
) -> None:
    code, found = doctor(module_graph, part, **without(module))
    assert code == (state == FAILS)
    remedies = {f['remedy']: f['state'] for f in found[part]}
    assert remedies[packages.what_to_install(module)] == state


def test_a_microphone_is_found_with_its_rate(
    module_graph: Graph,
    virtual_microphone: VirtualMicrophone,  # noqa: F811
) -> None:
    _, found = doctor(module_graph, 'sound', **virtual_microphone.environment)
    assert WORKS in states(found['Sound'], 'microphone pulse')
    assert 'Hz' in next(f['what'] for f in found['Sound'] if 'pulse' in f['what'])
    assert states(found['Sound'], 'synthesiser on the audio device') == [WORKS]


def test_midi_ports_are_found(
    module_graph: Graph,
    jack_server: JackServer,  # noqa: F811
) -> None:
    _, found = doctor(module_graph, 'midi', **jack_server.environment)
    assert 'JACK server' not in str(found)


def test_the_port_of_the_page_may_be_taken(module_graph: Graph) -> None:
    import socket

    try:
        server = socket.create_server(('localhost', PAGE_PORT))
    except OSError:
        server = None  # another program has it already
    _, found = doctor(module_graph, 'disk')
    assert states(found['Disk and network'], f'port {PAGE_PORT}') == [LIMITED]
    if server:
        server.close()


def test_a_check_that_crashes_is_a_finding(module_graph: Graph, tmp_path: Path) -> None:
    (tmp_path / 'mido.py').write_text('import os\nos.abort()\n')
    code, found = doctor(module_graph, 'midi', PYTHONPATH=str(tmp_path))
    assert code == 1
    assert 'this check failed' in found['MIDI'][-1]['what']
    assert 'SIGABRT' in found['MIDI'][-1]['what']


def test_the_text_names_the_remedies_and_sums_up(module_graph: Graph) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'improv_ros.cli', 'doctor', 'midi', 'timing'],
        env={**os.environ, **NO_JACK},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0
    assert '  !   no MIDI ports\n      -> ' in done.stdout
    assert done.stdout.splitlines()[-1].startswith('The robot can play here')


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'improv_ros.cli', 'doctor', 'teeth'],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert 'ROS 2' in done.stderr
