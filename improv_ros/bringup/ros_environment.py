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
STATIC_PEERS = 'ROS_STATIC_PEERS'
UDP = 'UDPv4'
PROFILE_FILES = ('config/fastdds.xml', 'config/fastdds2.xml')
LOCALHOST_PROFILE_FILES = ('config/fastdds_localhost.xml', 'config/fastdds2_localhost.xml')


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


def set_fast_dds_profile(middleware: str) -> None:
    """Set the environment variables that name the Fast DDS profile and transport of this package.

    With them, Fast DDS resends lost packets within milliseconds (default: 3 s), notices within
    5 s that a process died (default: 20 s), and sends by UDP alone. With its shared memory, a
    process that is stopped blocks for seconds those that send to it, and a process that is killed
    can make others crash when they leave (Fast DDS 3.2.3, `SharedMemChannelResource::release`).

    Call it before `rclpy.init`, with `rclpy.get_rmw_implementation_identifier()`. A profile or a
    transport that the user has named is kept.
    """
    os.environ.setdefault(TRANSPORT_VARIABLE, UDP)
    if any(variable in os.environ for variable in PROFILE_VARIABLES):
        return
    old = os.environ.get('ROS_DISTRO') in FAST_DDS_2
    files = PROFILE_FILES
    if middleware.startswith('rmw_fastrtps') and _restricts_to_this_machine(os.environ):
        # For this range rmw_fastrtps adds shared memory to any profile, so the profile restricts.
        files = LOCALHOST_PROFILE_FILES
        os.environ[DISCOVERY_RANGE] = 'SYSTEM_DEFAULT'
        if LOCALHOST_ONLY in os.environ:
            os.environ[LOCALHOST_ONLY] = '0'
    os.environ[PROFILE_VARIABLES[old]] = str(shared_file(files[old]))


def _restricts_to_this_machine(environment: Mapping[str, str]) -> bool:
    """Tell whether ROS is asked for this machine alone, and a profile can do it in its place."""
    return (
        (environment.get(DISCOVERY_RANGE) == 'LOCALHOST' or environment.get(LOCALHOST_ONLY) == '1')
        and environment.get(TRANSPORT_VARIABLE) == UDP
        and not environment.get(STATIC_PEERS)
        and environment.get('ROS_DISTRO') != 'humble'
    )
