"""Event text on topics: `std_msgs/String` in and out, losses counted, bad messages survived."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import time
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo
from std_msgs.msg import String

from improv_ros.event_text import (
    EventTextError,
    MisdatedError,
    StreamWriter,
    TimedEvent,
    TopicReader,
)

# Every topic that carries event text, in the order of the flow.
NOTE_TOPICS = ('heard_notes', 'generated_notes', 'performed_notes', 'played_notes')
CHAIN_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
LOOK_AGAIN = 0.1  # seconds between two looks for the name of a publisher
UNKNOWN_NAME = '_NODE_NAME_UNKNOWN_'  # what the graph calls a node that it has yet to hear of
LAST_WORDS = Duration(seconds=0.3)  # for a listener that hangs; others take a millisecond


class NotePublisher:
    """Publishes timed events (ROS time, nanoseconds) on a note topic."""

    def __init__(self, node: Node, topic: str) -> None:
        self._node = node
        self._publisher = node.create_publisher(String, topic, CHAIN_QOS)
        self._writer = StreamWriter()
        self.published = 0

    def publish(self, events: Iterable[TimedEvent]) -> None:
        """Publish events as one live message (more where the bounds of a message ask for it)."""
        for text in self._writer.write(events):
            self._publisher.publish(String(data=text))
            self.published += 1

    def destroy(self) -> None:
        """Leave the topic, once the last words have arrived: mostly they end what sounds."""
        self._publisher.wait_for_all_acked(LAST_WORDS)
        self._node.destroy_publisher(self._publisher)


class NoteListener:
    """Hears a note topic and hands on its events (ROS time, nanoseconds), notes always paired.

    Where rclpy tells who published a message (from Kilted on), each publisher is followed by
    itself; a node that was started again is known by its name. Else all are followed as one.
    """

    def __init__(
        self, node: Node, topic: str, on_events: Callable[[list[TimedEvent]], None]
    ) -> None:
        self._node = node
        self._topic = topic
        self._on_events = on_events
        self._reader = TopicReader()
        self._names: dict[bytes, str] = {}  # of the publishers that were heard, where known
        self._next_look = 0.0
        self._subscription = node.create_subscription(String, topic, self._receive, CHAIN_QOS)
        self.received = 0
        self.malformed = 0
        self.misdated = 0

    @property
    def publishers(self) -> int:
        """How many publishers this listener is connected with."""
        return self._node.count_publishers(self._subscription.topic_name)

    def figures(self) -> dict[str, object]:
        """Return what diagnostics should show of this topic."""
        counts = self._reader.counts
        return {
            f'{self._topic} received': self.received,
            f'{self._topic} malformed': self.malformed,
            f'{self._topic} misdated': self.misdated,
            f'{self._topic} lost': counts['lost'],
            f'{self._topic} duplicates': counts['duplicates'],
            f'{self._topic} restarts': counts['restarts'],
        }

    def destroy(self) -> None:
        """Leave the topic."""
        self._node.destroy_subscription(self._subscription)

    def _receive(self, message: String, info: dict[str, Any]) -> None:
        publisher = publisher_of(info)
        now = self._node.get_clock().now().nanoseconds
        events = self._meet(publisher, now) if publisher else []
        try:
            events += self._reader.read(message.data, publisher, now)
            self.received += 1
        except MisdatedError as error:
            self.misdated += 1
            self._warn(self.misdated, error)
            # What ends the notes before it may never come: it counts as missing.
            events += self._reader.release(publisher, now)
        except EventTextError as error:
            self.malformed += 1
            self._warn(self.malformed, error)
        if events:
            self._on_events(events)

    def _warn(self, count: int, error: EventTextError) -> None:
        self._node.get_logger().warning(
            f'{self._topic}: message skipped ({count} so far): {error}',
            throttle_duration_sec=1.0,
        )

    def _meet(self, publisher: bytes, now: int) -> list[TimedEvent]:
        """Learn the name of a new publisher; return what releases the notes of those gone.

        One may be heard before its name is known; until then it is looked for again.
        """
        if self._names.get(publisher) or (
            publisher in self._names and time.monotonic() < self._next_look
        ):
            return []
        self._next_look = time.monotonic() + LOOK_AGAIN
        present = {
            bytes(endpoint.endpoint_gid): name_of(endpoint)
            for endpoint in self._node.get_publishers_info_by_topic(self._subscription.topic_name)
        }
        name = self._names[publisher] = present.get(publisher, '')
        released = []
        for other in self._names.keys() - {publisher}:
            if name and self._names[other] == name:
                released += self._reader.restart(other, now)
            elif other not in present:
                released += self._reader.leave(other, now)
            else:
                continue
            del self._names[other]
        return released


def publisher_of(info: dict[str, Any]) -> bytes | None:
    """Return the id of who published a message; None where rclpy does not tell."""
    gid = info.get('publisher_gid')
    return bytes(gid['data']) if gid else None


def name_of(endpoint: TopicEndpointInfo) -> str:
    """Return the full name of the node that a publisher belongs to; empty if not yet known."""
    if endpoint.node_name == UNKNOWN_NAME:
        return ''
    return f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}'
