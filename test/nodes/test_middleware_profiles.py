"""The middleware is told to recover losses soon, and understands it."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from improv_ros.bringup import share
from improv_ros.nodes.network import FILES, VARIABLES, recover_losses_soon

JOIN = """
from improv_ros.nodes.network import recover_losses_soon
import rclpy
from std_msgs.msg import String
recover_losses_soon()
rclpy.init()
rclpy.create_node('writer').create_publisher(String, 'words', 1)
"""


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*VARIABLES, 'ROS_DISTRO'):
        # Set, then deleted, so that what the test makes of it is undone.
        monkeypatch.setenv(variable, '')
        monkeypatch.delenv(variable)


def named() -> dict[str, str]:
    return {variable: os.environ[variable] for variable in VARIABLES if variable in os.environ}


@pytest.mark.usefixtures('plain_environment')
@pytest.mark.parametrize(
    ('distribution', 'version'), [('', 0), ('kilted', 0), ('humble', 1), ('jazzy', 1)]
)
def test_a_profile_is_named_where_the_user_names_none(
    distribution: str, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ROS_DISTRO', distribution)
    recover_losses_soon()
    assert named() == {VARIABLES[version]: str(share(FILES[version]))}


@pytest.mark.usefixtures('plain_environment')
@pytest.mark.parametrize('variable', VARIABLES)
def test_what_the_user_names_stands_alone(variable: str, monkeypatch) -> None:
    monkeypatch.setenv(variable, '/my/own.xml')
    recover_losses_soon()
    assert named() == {variable: '/my/own.xml'}


def test_both_spellings_say_the_same() -> None:
    roots = [ElementTree.parse(share(file)).getroot() for file in FILES]
    texts = [''.join(root.itertext()).split() for root in roots]
    assert texts[0] == texts[1]
    assert '20000000' in texts[0]


@pytest.mark.usefixtures('plain_environment')
def test_fast_dds_takes_the_profile_without_complaint() -> None:
    environment = {**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    command = [sys.executable, '-c', JOIN]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert 'XML' not in result.stdout + result.stderr
