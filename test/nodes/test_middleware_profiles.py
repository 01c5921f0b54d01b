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
    DISCOVERY_RANGE,
    LOCALHOST_ONLY,
    LOCALHOST_PROFILE_FILES,
    PROFILE_FILES,
    PROFILE_VARIABLES,
    STATIC_PEERS,
    TRANSPORT_VARIABLE,
    set_fast_dds_profile,
)
from improv_ros.bringup.shared_files import shared_file

JOIN = """
import glob
import os
from improv_ros.bringup.ros_environment import set_fast_dds_profile
import rclpy
from std_msgs.msg import String
set_fast_dds_profile(rclpy.get_rmw_implementation_identifier())
rclpy.init()
node = rclpy.create_node('writer')
node.create_publisher(String, 'words', 1)
print(open('/proc/self/maps').read())
sockets = {os.readlink(path) for path in glob.glob('/proc/self/fd/*') if os.path.islink(path)}
for fields in map(str.split, open('/proc/self/net/udp').readlines()[1:]):
    if f'socket:[{fields[9]}]' in sockets:
        print('port', int(fields[1].partition(':')[2], 16))
"""
OTHERS = (TRANSPORT_VARIABLE, DISCOVERY_RANGE, LOCALHOST_ONLY, STATIC_PEERS, 'ROS_DISTRO')
FAST_DDS = 'rmw_fastrtps_cpp'


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*PROFILE_VARIABLES, *OTHERS):
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
    set_fast_dds_profile(FAST_DDS)
    assert named() == {PROFILE_VARIABLES[version]: str(shared_file(PROFILE_FILES[version]))}


@pytest.mark.usefixtures('plain_environment')
@pytest.mark.parametrize('variable', PROFILE_VARIABLES)
def test_what_the_user_names_stands_alone(variable: str, monkeypatch) -> None:
    monkeypatch.setenv(variable, '/my/own.xml')
    set_fast_dds_profile(FAST_DDS)
    assert named() == {variable: '/my/own.xml'}


@pytest.mark.usefixtures('plain_environment')
@pytest.mark.parametrize(('given', 'used'), [('', 'UDPv4'), ('SHM', 'SHM')])
def test_udp_is_used_unless_the_user_names_a_transport(given: str, used: str, monkeypatch) -> None:
    if given:
        monkeypatch.setenv(TRANSPORT_VARIABLE, given)
    set_fast_dds_profile(FAST_DDS)
    assert os.environ[TRANSPORT_VARIABLE] == used


@pytest.mark.usefixtures('plain_environment')
@pytest.mark.parametrize('given', [{DISCOVERY_RANGE: 'LOCALHOST'}, {LOCALHOST_ONLY: '1'}])
def test_the_profile_restricts_to_this_machine_in_the_place_of_ros(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    set_fast_dds_profile(FAST_DDS)
    assert named() == {PROFILE_VARIABLES[0]: str(shared_file(LOCALHOST_PROFILE_FILES[0]))}
    assert os.environ[DISCOVERY_RANGE] == 'SYSTEM_DEFAULT'
    assert os.environ.get(LOCALHOST_ONLY, '0') == '0'


@pytest.mark.usefixtures('plain_environment')
@pytest.mark.parametrize(
    ('middleware', 'given'),
    [
        (FAST_DDS, {DISCOVERY_RANGE: 'SUBNET'}),
        (FAST_DDS, {DISCOVERY_RANGE: 'LOCALHOST', STATIC_PEERS: '192.168.1.10'}),
        (FAST_DDS, {DISCOVERY_RANGE: 'LOCALHOST', TRANSPORT_VARIABLE: 'SHM'}),
        (FAST_DDS, {LOCALHOST_ONLY: '1', 'ROS_DISTRO': 'humble'}),
        (FAST_DDS, {DISCOVERY_RANGE: 'LOCALHOST', PROFILE_VARIABLES[0]: '/my/own.xml'}),
        ('rmw_cyclonedds_cpp', {DISCOVERY_RANGE: 'LOCALHOST'}),
    ],
)
def test_nothing_else_loses_its_restriction(
    middleware: str, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    set_fast_dds_profile(middleware)
    for name, value in given.items():
        assert os.environ[name] == value
    assert str(shared_file(LOCALHOST_PROFILE_FILES[0])) not in named().values()


@pytest.mark.parametrize('files', [PROFILE_FILES, LOCALHOST_PROFILE_FILES])
def test_both_versions_of_the_profile_have_the_same_contents(files: tuple[str, str]) -> None:
    roots = [ElementTree.parse(shared_file(file)).getroot() for file in files]
    texts = [''.join(root.itertext()).split() for root in roots]
    assert texts[0] == texts[1]
    assert '20000000' in texts[0]


@pytest.mark.jazzy
@pytest.mark.parametrize('discovery', ['LOCALHOST', 'SUBNET'])
def test_fast_dds_takes_the_profile_and_uses_no_shared_memory(discovery: str) -> None:
    domain = 100
    environment = {
        **{name: os.environ[name] for name in os.environ.keys() - set(PROFILE_VARIABLES)},
        DISCOVERY_RANGE: discovery,
        'ROS_DOMAIN_ID': str(domain),
    }
    command = [sys.executable, '-c', JOIN]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert 'XML' not in result.stdout + result.stderr
    assert 'fastrtps' in result.stdout  # the library
    assert 'shm/fast' not in result.stdout
    multicast = f'port {7400 + 250 * domain}\n'  # by which discovery hears other hosts
    assert (multicast in result.stdout) == (discovery == 'SUBNET')
