# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Environment variables and arguments of ROS: discovery, security enclaves, Fast DDS profile."""

from __future__ import annotations

from collections.abc import Mapping
import os

from improv_ros.bringup.shared_files import shared_file

DISCOVERY_RANGE = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
LOCALHOST_ONLY = 'ROS_LOCALHOST_ONLY'  # the only variable of Humble; later versions also read it
DISCOVERY_CHOICES = ('auto', 'localhost', 'subnet')
SECURITY_SWITCH = 'ROS_SECURITY_ENABLE'
# These distributions use Fast DDS 2, which reads another variable and another file syntax.
FAST_DDS_2 = ('humble', 'iron', 'jazzy')
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
TRANSPORT_VARIABLE = 'FASTDDS_BUILTIN_TRANSPORTS'  # Fast DDS of Humble does not know it
PROFILE_FILES = ('config/fastdds.xml', 'config/fastdds2.xml')


def discovery_variables(discovery: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to add to the environment `given` for one of `DISCOVERY_CHOICES`.

    'auto' keeps what the environment sets, and means 'localhost' where it sets nothing.
    """
    humble = given.get('ROS_DISTRO') == 'humble'
    names = [LOCALHOST_ONLY] if humble else [DISCOVERY_RANGE, LOCALHOST_ONLY]
    if discovery == 'auto':
        if any(given.get(name) for name in names):
            return {}
        discovery = 'localhost'
    values = {
        DISCOVERY_RANGE: discovery.upper(),
        LOCALHOST_ONLY: str(int(discovery == 'localhost')),
    }
    # Later versions warn about the old variable, so it is changed only where it is set.
    return {name: values[name] for name in names if name == names[0] or name in given}


def enclave_arguments(
    namespace: str, executable: str, environment: Mapping[str, str]
) -> list[str]:
    """Return the ROS arguments that put a node into its enclave, `/NAMESPACE/EXECUTABLE`.

    The list is empty where DDS Security is off: ROS then reads no enclave.
    """
    if environment.get(SECURITY_SWITCH) != 'true':
        return []
    return ['--enclave', f'/{namespace.strip("/")}/{executable}']


def set_fast_dds_profile() -> None:
    """Set the environment variables that name the Fast DDS profile and transport of this package.

    With them, Fast DDS resends lost packets within milliseconds (default: 3 s), notices within
    5 s that a process died (default: 20 s), and sends by UDP alone: with shared memory, publishers
    are blocked for seconds if a process that receives is stopped. Call it before `rclpy.init`. A
    profile or a transport that the user has named is kept.
    """
    os.environ.setdefault(TRANSPORT_VARIABLE, 'UDPv4')
    if not any(variable in os.environ for variable in PROFILE_VARIABLES):
        old = os.environ.get('ROS_DISTRO') in FAST_DDS_2
        os.environ[PROFILE_VARIABLES[old]] = str(shared_file(PROFILE_FILES[old]))
