"""What a bag must say of the message types in it, so that a reader needs no ROS."""

from __future__ import annotations

from typing import NamedTuple


class MessageType(NamedTuple):
    """A type's definition as `.msg` text with all it depends on, and its hash (REP 2016)."""

    definition: str
    digest: str


_BAR = '=' * 80
STRING = 'std_msgs/msg/String'
AUDIO = 'std_msgs/msg/Int16MultiArray'
MESSAGE_TYPES = {
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
