"""Audio chunks on the `audio` topic: `std_msgs/Int16MultiArray`, self-described in its layout."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from rclpy.node import Node
from std_msgs.msg import Int16MultiArray, MultiArrayDimension

from improv_ros.event_text import HORIZON
from improv_ros.listening.audio_chunk import AudioChunk, AudioChunkError, from_layout, to_layout
from improv_ros.nodes.note_topics import CHAIN_QOS, publisher_of

FAITHFUL = 0.5  # seconds of its silence after which another microphone is listened to


class AudioListener:
    """Hears the chunks of one microphone on `audio`, and passes over whatever else is there.

    That is whoever was heard first, as long as it goes on, where rclpy tells who published a
    message (from Kilted on); else whoever publishes.
    """

    def __init__(self, node: Node, on_chunk: Callable[[AudioChunk], None]) -> None:
        self._node = node
        self._on_chunk = on_chunk
        self._subscription = node.create_subscription(
            Int16MultiArray, 'audio', self._receive, CHAIN_QOS
        )
        self._microphone: bytes | None = None
        self._last = -FAITHFUL
        self.received = 0
        self.malformed = 0
        self.misdated = 0
        self.foreign = 0  # chunks of another microphone

    def figures(self) -> dict[str, object]:
        """Return what diagnostics should show of this topic."""
        return {
            'audio received': self.received,
            'audio malformed': self.malformed,
            'audio misdated': self.misdated,
            'audio of another microphone': self.foreign,
        }

    def destroy(self) -> None:
        """Leave the topic."""
        self._node.destroy_subscription(self._subscription)

    def _receive(self, message: Int16MultiArray, info: dict[str, Any]) -> None:
        try:
            chunk = audio_chunk(message)
        except AudioChunkError as error:
            self.malformed += 1
            self._warn(self.malformed, str(error))
            return
        off = chunk.time - self._node.get_clock().now().nanoseconds
        if abs(off) > HORIZON:
            self.misdated += 1
            self._warn(
                self.misdated,
                f'its stamp is {off / 1e9:+.0f} s from now: do the clocks agree, and is '
                'use_sim_time the same everywhere?',
            )
            return
        publisher, now = publisher_of(info), time.monotonic()
        if publisher != self._microphone and now - self._last < FAITHFUL:
            self.foreign += 1
            self._warn(self.foreign, 'another microphone is being listened to')
            return
        self._microphone, self._last = publisher, now
        self.received += 1
        self._on_chunk(chunk)

    def _warn(self, count: int, reason: str) -> None:
        self._node.get_logger().warning(
            f'audio: chunk skipped ({count} so far): {reason}', throttle_duration_sec=1.0
        )


def audio_message(chunk: AudioChunk) -> Int16MultiArray:
    """Write a chunk as a message."""
    message = Int16MultiArray()
    message.layout.dim = [
        MultiArrayDimension(label=label, size=size, stride=stride)
        for label, size, stride in to_layout(chunk)
    ]
    message.data = chunk.data
    return message


def audio_chunk(message: Int16MultiArray) -> AudioChunk:
    """Read a chunk from a message; raise `AudioChunkError` for one that does not add up."""
    dimensions = [(dim.label, dim.size, dim.stride) for dim in message.layout.dim]
    return from_layout(dimensions, message.data, message.layout.data_offset)
