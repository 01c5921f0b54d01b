# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The middleware is told to recover losses soon, and understands it."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from improv_ros.bringup.ros_environment import (
    PROFILE_FILES,
    PROFILE_VARIABLES,
    TRANSPORT_VARIABLE,
    set_fast_dds_profile,
)
from improv_ros.bringup.shared_files import shared_file

JOIN = """
from improv_ros.bringup.ros_environment import set_fast_dds_profile
import rclpy
from std_msgs.msg import String
set_fast_dds_profile()
rclpy.init()
rclpy.create_node('writer').create_publisher(String, 'words', 1)
"""


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*PROFILE_VARIABLES, TRANSPORT_VARIABLE, 'ROS_DISTRO'):
        # Set, then deleted, so that what the test makes of it is undone.
        monkeypatch.setenv(variable, '')
        monkeypatch.delenv(variable)


def named() -> dict[str, str]:
    return {
        variable: os.environ[variable] for variable in PROFILE_VARIABLES if variable in os.environ
    }


@pytest.mark.usefixtures('plain_environment')
@pytest.mark.parametrize(
    ('distribution', 'version'), [('', 0), ('kilted', 0), ('humble', 1), ('jazzy', 1)]
)
def test_a_profile_is_named_where_the_user_names_none(
    distribution: str, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ROS_DISTRO', distribution)
    set_fast_dds_profile()
    assert named() == {PROFILE_VARIABLES[version]: str(shared_file(PROFILE_FILES[version]))}


@pytest.mark.usefixtures('plain_environment')
@pytest.mark.parametrize('variable', PROFILE_VARIABLES)
def test_what_the_user_names_stands_alone(variable: str, monkeypatch) -> None:
    monkeypatch.setenv(variable, '/my/own.xml')
    set_fast_dds_profile()
    assert named() == {variable: '/my/own.xml'}


@pytest.mark.usefixtures('plain_environment')
@pytest.mark.parametrize(('given', 'used'), [('', 'UDPv4'), ('SHM', 'SHM')])
def test_udp_is_used_unless_the_user_names_a_transport(given: str, used: str, monkeypatch) -> None:
    if given:
        monkeypatch.setenv(TRANSPORT_VARIABLE, given)
    set_fast_dds_profile()
    assert os.environ[TRANSPORT_VARIABLE] == used


def test_both_versions_of_the_profile_have_the_same_contents() -> None:
    roots = [ElementTree.parse(shared_file(file)).getroot() for file in PROFILE_FILES]
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
