# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The message types in a bag, as MCAP describes them to readers without ROS; the bag error."""

from __future__ import annotations

from typing import NamedTuple


class BagError(ValueError):
    """A bag that cannot be written or read: a sentence with its name and the reason."""


class MessageType(NamedTuple):
    """The definition of a type as `.msg` text, with all types in it, and its hash (REP 2016)."""

    definition: str
    digest: str


_BAR = '=' * 80
STRING = 'std_msgs/msg/String'
AUDIO = 'std_msgs/msg/Int16MultiArray'
JOINTS = 'sensor_msgs/msg/JointState'
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
_HEADER = f"""\
{_BAR}
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
{_BAR}
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
MESSAGE_TYPES = {
    JOINTS: MessageType(
        'std_msgs/Header header\n'
        'string[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort\n' + _HEADER,
        'RIHS01_a13ee3a330e346c9d87b5aa18d24e11690752bd33a0350f11c5882bc9179260e',
    ),
    DIAGNOSTICS: MessageType(
        f"""\
std_msgs/Header header
diagnostic_msgs/DiagnosticStatus[] status
{_HEADER}{_BAR}
MSG: diagnostic_msgs/DiagnosticStatus
byte OK=0
byte WARN=1
byte ERROR=2
byte STALE=3
byte level
string name
string message
string hardware_id
diagnostic_msgs/KeyValue[] values
{_BAR}
MSG: diagnostic_msgs/KeyValue
string key
string value
""",
        'RIHS01_5a8a36efb05fb25070fa0fb3810290c0e6cd4862b54a8fb975a1ee8dc55a333e',
    ),
    STRING: MessageType(
        'string data\n',
        'RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18',
    ),
    AUDIO: MessageType(
        f"""\
std_msgs/MultiArrayLayout layout
int16[] data
{_BAR}
MSG: std_msgs/MultiArrayLayout
std_msgs/MultiArrayDimension[] dim
uint32 data_offset
{_BAR}
MSG: std_msgs/MultiArrayDimension
string label
uint32 size
uint32 stride
""",
        'RIHS01_b58810e8e5b90fb19a5062469eb8409f5ab11a446d60de7157a1457e52a076ce',
    ),
}
