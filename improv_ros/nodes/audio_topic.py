"""Audio chunks on the `audio` topic: `std_msgs/Int16MultiArray`, self-described in its layout."""

from __future__ import annotations

from std_msgs.msg import Int16MultiArray, MultiArrayDimension

from improv_ros.listening.audio_chunk import AudioChunk, from_layout, to_layout


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
