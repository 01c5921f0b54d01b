# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The order of the parameter files: shipped, the user's, the arguments; read by ROS itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from improv_ros.bringup.chain_spec import NodeSpec, defaults_file, parameter_file
from improv_ros.bringup.shared_files import shipped_parameters
from parameters_by_ros import read_by_ros

SECTIONS = ('/**', '/**/improviser', '/improv/improviser', '/*/*', '/**/*', '/improv/**')


def file(path: Path, text: str) -> list[str]:
    """Write a parameter file and return the words that give it."""
    path.write_text(text)
    return ['--params-file', str(path)]


def sections(path: Path, *named: tuple[str, dict[str, object]]) -> list[str]:
    """Write a user's file and return the words that give it."""
    text = ''.join(yaml.safe_dump({name: {'ros__parameters': given}}) for name, given in named)
    return file(path, text)


@pytest.mark.parametrize('section', SECTIONS)
def test_an_argument_prevails_over_the_users_file_and_that_over_the_shipped(
    tmp_path: Path, section: str
) -> None:
    node = NodeSpec('improviser', {'mode': 'solo', 'model': '0'})
    user = sections(tmp_path / 'my.yaml', (section, {'mode': 'accompany', 'pause': 0.5}))
    below = file(tmp_path / 'below.yaml', defaults_file(node))
    above = file(tmp_path / 'above.yaml', parameter_file(node))
    shipped = shipped_parameters()['improviser']
    found = read_by_ros(*below, *user, *above)
    assert shipped.items() - {**found}.items() == {
        ('mode', 'respond'),
        ('pause', 0.8),
        ('model', ''),
    }
    assert (found['mode'], found['pause'], found['model']) == ('solo', 0.5, '0')
    # What launch's SetParameter gives lies between the shipped file and the user's.
    found = read_by_ros(*below, '-p', 'mode:=accompany', '-p', 'pause:=2.5', *user)
    assert (found['mode'], found['pause']) == ('accompany', 0.5)
    assert read_by_ros(*below, '-p', 'mode:=accompany')['mode'] == 'accompany'


@pytest.mark.parametrize('first', SECTIONS[:3])
@pytest.mark.parametrize('last', SECTIONS[:3])
def test_the_users_own_sections_prevail_as_without_the_shipped_file(
    tmp_path: Path, first: str, last: str
) -> None:
    user = sections(
        tmp_path / 'my.yaml',
        *([(first, {'mode': 'accompany'})] if first != last else []),
        (last, {'mode': 'solo'}),
    )
    below = file(tmp_path / 'below.yaml', defaults_file(NodeSpec('improviser')))
    assert read_by_ros(*user)['mode'] == 'solo'
    assert read_by_ros(*below, *user)['mode'] == 'solo'
