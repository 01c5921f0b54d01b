# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Messages of the two public packages called `audio_common_msgs`, where one is installed."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from improv_ros.event_text import SECOND
from improv_ros.listening.capture.audio_chunk import (
    SEQUENCE_MODULUS,
    AudioChunk,
    AudioChunkError,
)
from improv_ros.listening.capture.audio_common import gstreamer_format, portaudio_chunk

PACKAGE = 'audio_common_msgs'
ROS_DRIVERS = 'https://github.com/ros-drivers/audio_common'
MGONZS13 = 'https://github.com/mgonzs13/audio_common'
# Message type: where the package with it comes from.
REPOSITORIES = {
    'AudioData': ROS_DRIVERS,
    'AudioDataStamped': ROS_DRIVERS,
    'AudioStamped': MGONZS13,
}
QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)  # fits any publisher


class MissingMessageError(Exception):
    """A message type is not installed; the sentence says what to install."""


def message_class(audio_type: str) -> Any:
    """Return the class of one of `REPOSITORIES`. Raises MissingMessageError."""
    repository = REPOSITORIES[audio_type]
    try:
        found = getattr(import_module(f'{PACKAGE}.msg'), audio_type)
        # Both packages have an AudioData; that of the other one is but a part of its messages.
        if audio_type == 'AudioData' and 'data' not in found.get_fields_and_field_types():
            raise AttributeError
    except ImportError as error:
        problem = f'{PACKAGE} cannot be imported ({error})'
    except AttributeError:
        problem = f'the {PACKAGE} that is installed is another one'
    else:
        return found
    raise MissingMessageError(
        f'audio_type is {audio_type}, but {problem}: clone {repository} into your workspace, '
        f'colcon build --packages-select {PACKAGE}, and source its install/setup.bash'
    )


class AudioCommonReader:
    """
    Turns messages of one type into chunks, and counts them, as they have no numbers.

    The format of AudioData and AudioDataStamped is told by `audio_info`, which this hears too.
    """

    qos = QOS

    def __init__(self, node: Node, audio_type: str) -> None:
        """Hear `audio_info`, if the type needs it. Raises MissingMessageError."""
        self.message_class = message_class(audio_type)
        self._node = node
        self._sequence = -1
        self._info: Any = None
        self._subscription = None
        if REPOSITORIES[audio_type] == ROS_DRIVERS:
            info_class = import_module(f'{PACKAGE}.msg').AudioInfo
            self._subscription = node.create_subscription(
                info_class, 'audio_info', self._keep_info, QOS
            )

    def chunk(self, message: Any) -> AudioChunk:
        """Return the chunk of a message. Raises AudioChunkError."""
        self._sequence = (self._sequence + 1) % SEQUENCE_MODULUS
        if not hasattr(message, 'header'):  # it was captured until now
            chunk = self._chunk_of(message, 0)
            return replace(chunk, time=self._node.get_clock().now().nanoseconds - chunk.duration)
        stamp = message.header.stamp
        return self._chunk_of(message.audio, stamp.sec * SECOND + stamp.nanosec)

    def destroy(self) -> None:
        """Leave the topic `audio_info`."""
        if self._subscription:
            self._node.destroy_subscription(self._subscription)

    def _keep_info(self, info: Any) -> None:
        self._info = info

    def _chunk_of(self, audio: Any, time: int) -> AudioChunk:
        if not self._subscription:
            return portaudio_chunk(audio, time, self._sequence)
        if not self._info:
            raise AudioChunkError(
                'no audio_info has arrived, which tells the format; audio_capture publishes it '
                'every 5 s'
            )
        return gstreamer_format(self._info).chunk(audio.data, time, self._sequence)
