# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Audio chunks on the topic `audio`: `std_msgs/Int16MultiArray`, described by its layout.

What other packages publish can be heard, too: `audio_common_reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import time
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from std_msgs.msg import Int16MultiArray, MultiArrayDimension

from improv_ros.event_text import HORIZON, SECOND
from improv_ros.listening.capture.audio_chunk import (
    AudioChunk,
    AudioChunkError,
    from_layout,
    to_layout,
)
from improv_ros.listening.capture.source_lock import SourceLock
from improv_ros.nodes.common.audio_common_reader import REPOSITORIES, AudioCommonReader
from improv_ros.nodes.common.note_topics import CHAIN_QOS, publisher_of, publishers_on

OWN_TYPE = 'Int16MultiArray'
AUDIO_TYPES = (OWN_TYPE, *REPOSITORIES)


class AudioListener:
    """Receives the chunks of one microphone on `audio` and skips those of any other.

    The first microphone is kept until it pauses (`SourceLock`). Where rclpy does not name the
    publisher of a message (before Kilted), all microphones count as one.
    """

    def __init__(
        self,
        node: Node,
        on_chunk: Callable[[AudioChunk], None],
        group: CallbackGroup | None = None,
        audio_type: str = OWN_TYPE,
    ) -> None:
        """audio_type: one of AUDIO_TYPES. Raises MissingMessageError."""
        self._node = node
        self._on_chunk = on_chunk
        self._reader = (
            _OwnReader() if audio_type == OWN_TYPE else AudioCommonReader(node, audio_type)
        )
        self._subscription = node.create_subscription(
            self._reader.message_class,
            'audio',
            self._receive,
            self._reader.qos,
            callback_group=group,
        )
        self._lock = SourceLock(self._has_left)
        self.received = 0
        self.malformed = 0
        self.out_of_range = 0  # chunks with a timestamp out of range
        self.foreign = 0  # chunks of another microphone

    def figures(self) -> dict[str, object]:
        """Return the counts of this topic for diagnostics."""
        return {
            'audio received': self.received,
            'audio malformed': self.malformed,
            'audio timestamps out of range': self.out_of_range,
            'audio of another microphone': self.foreign,
        }

    def destroy(self) -> None:
        """Leave the topic."""
        self._node.destroy_subscription(self._subscription)
        self._reader.destroy()

    def _receive(self, message: Any, info: Mapping[str, Any]) -> None:
        try:
            chunk = self._reader.chunk(message)
        except AudioChunkError as error:
            self.malformed += 1
            self._warn(self.malformed, str(error))
            return
        off = chunk.time - self._node.get_clock().now().nanoseconds
        if abs(off) > HORIZON:
            self.out_of_range += 1
            self._warn(
                self.out_of_range,
                f'its stamp is {off / SECOND:+.0f} s from now: do the clocks agree, and is '
                'use_sim_time the same everywhere?',
            )
            return
        if not self._lock.accepts(publisher_of(info), time.monotonic()):
            self.foreign += 1
            self._warn(self.foreign, 'it comes from another microphone than the one in use')
            return
        self.received += 1
        self._on_chunk(chunk)

    def _has_left(self, microphone: str | None, following: str | None) -> bool:
        """Tell whether a microphone left, or `following` is the same node, started again."""
        present = publishers_on(self._node, self._subscription.topic_name)
        name = present.get(microphone or '')
        return name is None or (name != '' and name == present.get(following or ''))

    def _warn(self, count: int, reason: str) -> None:
        self._node.get_logger().warning(
            f'audio: chunk skipped ({count} so far): {reason}', throttle_duration_sec=1.0
        )


class _OwnReader:
    """Reads the messages of this package's microphone."""

    message_class = Int16MultiArray
    qos = CHAIN_QOS

    def chunk(self, message: Int16MultiArray) -> AudioChunk:
        """Return the chunk of a message. Raises AudioChunkError."""
        return audio_chunk(message)

    def destroy(self) -> None:
        """Do nothing: it hears no other topic."""


def audio_message(chunk: AudioChunk) -> Int16MultiArray:
    """Return a chunk as a message."""
    message = Int16MultiArray()
    message.layout.dim = [
        MultiArrayDimension(label=label, size=size, stride=stride)
        for label, size, stride in to_layout(chunk)
    ]
    message.data = chunk.data
    return message


def audio_chunk(message: Int16MultiArray) -> AudioChunk:
    """Return the chunk of a message; AudioChunkError for a layout that does not fit its data."""
    dimensions = [(dim.label, dim.size, dim.stride) for dim in message.layout.dim]
    return from_layout(dimensions, message.data, message.layout.data_offset)
