"""The middleware is told to recover losses soon, and understands it."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from improv_ros.bringup import share
from improv_ros.nodes.network import PROFILES, recover_losses_soon

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
    for variable in PROFILES:
        # Set, then deleted, so that what the test makes of it is undone.
        monkeypatch.setenv(variable, '')
        monkeypatch.delenv(variable)


@pytest.mark.usefixtures('plain_environment')
def test_profiles_are_named_where_the_user_names_none() -> None:
    recover_losses_soon()
    for variable, file in PROFILES.items():
        assert os.environ[variable] == str(share(file))


@pytest.mark.usefixtures('plain_environment')
@pytest.mark.parametrize('variable', PROFILES)
def test_what_the_user_names_stands_alone(variable: str, monkeypatch) -> None:
    monkeypatch.setenv(variable, '/my/own.xml')
    recover_losses_soon()
    assert {v: os.environ.get(v) for v in PROFILES if v in os.environ} == {variable: '/my/own.xml'}


def test_both_spellings_say_the_same() -> None:
    texts = {
        ''.join(ElementTree.parse(share(file)).getroot().itertext()).split()[-1]
        for file in PROFILES.values()
    }
    assert texts == {'20000000'}


@pytest.mark.usefixtures('plain_environment')
def test_fast_dds_takes_the_profile_without_complaint() -> None:
    environment = {**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    command = [sys.executable, '-c', JOIN]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert 'XML' not in result.stdout + result.stderr
