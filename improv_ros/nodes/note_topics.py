"""Event text on topics: `std_msgs/String` in and out, losses counted, bad messages survived."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import time
from typing import Any

from rclpy.clock import Clock, ClockType
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
from improv_ros.nodes.clock import LEAP, LocalTime

# Every topic that carries event text, in the order of the flow.
NOTE_TOPICS = ('heard_notes', 'generated_notes', 'performed_notes', 'played_notes')
CHAIN_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
LOOK_PERIOD = 0.2  # seconds between looks at who publishes, and at the clock
# A node that gets no processor for two seconds still hears all of the densest music.
NOTES_QOS = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
LOOK_AGAIN = 0.1  # seconds between two looks for the name of a publisher
UNKNOWN_NAME = '_NODE_NAME_UNKNOWN_'  # what the graph calls a node that it has yet to hear of
LAST_WORDS = Duration(seconds=0.3)  # for a listener that hangs; others take a millisecond


class NotePublisher:
    """Publishes timed events (local time, nanoseconds) on a note topic, stamped with ROS time."""

    def __init__(self, node: Node, topic: str, local_time: LocalTime) -> None:
        self._node = node
        self._time = local_time
        self._publisher = node.create_publisher(String, topic, NOTES_QOS)
        self._writer = StreamWriter()
        self.published = 0

    def publish(self, events: Iterable[TimedEvent]) -> None:
        """Publish events as one live message (more where the bounds of a message ask for it)."""
        offset = self._time.ros_minus_local()
        stamped = [event._replace(time=event.time + offset) for event in events]
        for text in self._writer.write(stamped):
            self._publisher.publish(String(data=text))
            self.published += 1

    def destroy(self) -> None:
        """Leave the topic, once the last words have arrived: mostly they end what sounds."""
        self._publisher.wait_for_all_acked(LAST_WORDS)
        self._node.destroy_publisher(self._publisher)


class NoteListener:
    """Hears a note topic and hands on its events (local time, nanoseconds), notes always paired.

    Where rclpy tells who published a message (from Kilted on), each publisher is followed by
    itself; a node that was started again is known by its name. Else all are followed as one.

    Where a publisher vanishes from the graph, dead or not, what it left without an end ends:
    `on_gone`, by default `on_events`, is called with what releases it. So it is when ROS time
    leaps: the end may be stamped by the clock as it was before.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        on_events: Callable[[list[TimedEvent]], None],
        local_time: LocalTime,
        on_gone: Callable[[list[TimedEvent]], None] | None = None,
    ) -> None:
        self._node = node
        self._time = local_time
        self._offset = local_time.ros_minus_local()
        self._topic = topic
        self._on_events = on_events
        self._on_gone = on_gone or on_events
        self._reader = TopicReader()
        self._there: set[bytes] = set()  # the publishers which the graph had at the last look
        self._names: dict[bytes, str] = {}  # of the publishers that were heard, where known
        self._next_look = 0.0
        self._subscription = node.create_subscription(String, topic, self._receive, NOTES_QOS)
        self._timer = node.create_timer(
            LOOK_PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
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
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)

    def _receive(self, message: String, info: dict[str, Any]) -> None:
        self._watch_clock()  # the first to come after a leap may be stamped by the clock before it
        publisher = publisher_of(info)
        if publisher:
            self._meet(publisher)
        offset = self._time.ros_minus_local()
        now = self._time.now()
        try:
            events = self._reader.read(message.data, publisher, now + offset, -offset)
            self.received += 1
        except MisdatedError as error:
            self.misdated += 1
            self._warn(self.misdated, error)
            # What ends the notes before it may never come: it counts as missing.
            events = self._reader.release(publisher, now)
        except EventTextError as error:
            self.malformed += 1
            self._warn(self.malformed, error)
            return
        if events:
            self._on_events(events)

    def _warn(self, count: int, error: EventTextError) -> None:
        self._node.get_logger().warning(
            f'{self._topic}: message skipped ({count} so far): {error}',
            throttle_duration_sec=1.0,
        )

    def _meet(self, publisher: bytes) -> None:
        """Learn the name of a new publisher: a namesake from before was started again.

        One may be heard before its name is known; until then it is looked for again.
        """
        if self._names.get(publisher) or (
            publisher in self._names and time.monotonic() < self._next_look
        ):
            return
        self._next_look = time.monotonic() + LOOK_AGAIN
        name = self._names[publisher] = self._present().get(publisher, '')
        for other in self._names.keys() - {publisher}:
            if name and self._names[other] == name:
                del self._names[other]
                self._end(
                    self._reader.restart(other, self._time.now()), f'{name} was started again'
                )

    def _look(self) -> None:
        """Notice who is no longer there, and what became of the clock."""
        self._watch_clock()
        present = self._present()
        gone = self._there - present.keys()
        self._there = set(present)
        for publisher in self._reader.publishers:
            if publisher in gone:
                self._names.pop(publisher, None)
                self._end(self._reader.leave(publisher, self._time.now()), 'its publisher is gone')
            elif publisher is None and gone:
                self._end(self._reader.release(None, self._time.now()), 'a publisher is gone')

    def _present(self) -> dict[bytes, str]:
        """Return the publishers that the graph knows, with the names of their nodes."""
        return {
            bytes(endpoint.endpoint_gid): name_of(endpoint)
            for endpoint in self._node.get_publishers_info_by_topic(self._subscription.topic_name)
        }

    def _watch_clock(self) -> None:
        offset, before = self._time.ros_minus_local(), self._offset
        self._offset = offset
        if abs(offset - before) >= LEAP:
            reason = f'the clock was set by {(offset - before) / 1e9:+.0f} s'
            self._end(self._reader.close(self._time.now()), reason)

    def _end(self, releases: list[TimedEvent], reason: str) -> None:
        if releases:
            self._node.get_logger().warning(f'{self._topic}: {reason}; what sounds is released')
            self._on_gone(releases)


def publisher_of(info: dict[str, Any]) -> bytes | None:
    """Return the id of who published a message; None where rclpy does not tell."""
    gid = info.get('publisher_gid')
    return bytes(gid['data']) if gid else None


def name_of(endpoint: TopicEndpointInfo) -> str:
    """Return the full name of the node that a publisher belongs to; empty if not yet known."""
    if endpoint.node_name == UNKNOWN_NAME:
        return ''
    return f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}'
