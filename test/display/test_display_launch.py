# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The launch file of the display, and the files that it and Foxglove read."""

from __future__ import annotations

import json
from pathlib import Path
import re
import runpy
import sys
import types
from types import SimpleNamespace
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

from improv_ros.nodes.keyboard_markers import SETTINGS

ROOT = Path(__file__).parents[2]


class Recorded(SimpleNamespace):
    """A launch action or substitution that only remembers what it was made of."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(args=args, **kwargs)

    def perform(self, context: dict[str, str]) -> str:
        return context[self.args[0]]


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Load the launch file, with stand-ins for `launch`, which no package index offers."""
    for name, parts in {
        'launch': ['LaunchDescription'],
        'launch.actions': ['DeclareLaunchArgument', 'OpaqueFunction'],
        'launch.substitutions': ['LaunchConfiguration'],
        'launch_ros': [],
        'launch_ros.actions': ['Node'],
    }.items():
        module = types.ModuleType(name)
        for part in parts:
            setattr(module, part, type(part, (Recorded,), {}))
        monkeypatch.setitem(sys.modules, name, module)
    return runpy.run_path(str(ROOT / 'launch' / 'display.launch.py'))


def started(display: dict, **given: str) -> dict[str, Recorded]:
    """Return the nodes that the launch file starts, by executable and name."""
    values = {name: default for name, default, _ in display['ARGUMENTS']}
    nodes = display['start_nodes'](values | given)
    return {getattr(node, 'name', node.executable): node for node in nodes}


def test_the_keyboard_alone_is_shown_by_default(display: dict) -> None:
    nodes = started(display)
    assert list(nodes) == ['keyboard_markers', 'keyboard_transform', 'rviz2']
    frame = nodes['keyboard_transform'].arguments[-1]
    assert frame == next(s.default for s in SETTINGS if s.name == 'frame')
    assert Path(nodes['rviz2'].arguments[1]).is_file()


def test_a_body_is_shown_in_its_place(display: dict) -> None:
    nodes = started(display, body='marimba_arms', body_pose='1 2 3 0.5 0 0', rviz='false')
    publisher = nodes['robot_state_publisher']
    (parameters,) = publisher.parameters
    assert publisher.namespace == 'improv'  # where joint_states is
    assert ElementTree.fromstring(parameters['robot_description']).tag == 'robot'
    assert 'rviz2' not in nodes
    words = nodes['body_transform'].arguments
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert (options['--x'], options['--z'], options['--yaw']) == ('1', '3', '0.5')
    assert options['--child-frame-id'] == 'body'


def test_nothing_is_started_that_is_not_wanted(display: dict) -> None:
    assert started(display, keyboard='false', rviz='false') == {}
    with pytest.raises(ValueError, match='x y z yaw pitch roll'):
        started(display, keyboard_pose='0 0 0')


def test_every_argument_is_declared(display: dict) -> None:
    *declared, _ = display['generate_launch_description']().args[0]
    assert [d.args[0] for d in declared] == [name for name, *_ in display['ARGUMENTS']]
    assert all(d.description for d in declared)


def test_rviz_and_foxglove_show_topics_that_there_are() -> None:
    shown = yaml.safe_load((ROOT / 'config' / 'improv.rviz').read_text())
    topics = re.findall(r'/improv/\w+', json.dumps(shown))
    layout = json.loads((ROOT / 'config' / 'foxglove_layout.json').read_text())
    topics += re.findall(r'/improv/\w+', json.dumps(layout))
    assert set(topics) == {
        '/improv/robot_description',
        '/improv/keyboard_markers',
        '/improv/joint_states',
        '/improv/heard_notes',
        '/improv/generated_notes',
        '/improv/played_notes',
    }
    panels = set(layout['configById'])
    placed = set(re.findall(r'"(\w+!\w+)"', json.dumps(layout['layout'])))
    assert panels == placed
