"""Event text on topics: `std_msgs/String` in and out, losses counted, bad messages survived."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
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
UNKNOWN_NAME = '_NODE_NAME_UNKNOWN_'  # what the graph calls a node that it has yet to hear of
REMEMBERED = 64  # publishers that left, to know them when they come again
LAST_WORDS = Duration(seconds=0.3)  # for a listener that hangs; others take a millisecond


class NotePublisher:
    """Publishes timed events (local time, nanoseconds) on a note topic, stamped with ROS time."""

    def __init__(self, node: Node, topic: str, time: LocalTime) -> None:
        self._node = node
        self._time = time
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
    itself, and a node that was started again is known by its name. Else all are followed as one.

    Where a publisher vanishes from the graph, dead or not, what it left without an end ends:
    `on_gone`, by default `on_events`, is called with what releases it. So it is when ROS time
    leaps: the end may be stamped by the clock as it was before.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        on_events: Callable[[list[TimedEvent]], None],
        time: LocalTime,
        on_gone: Callable[[list[TimedEvent]], None] | None = None,
    ) -> None:
        self._node = node
        self._time = time
        self._offset = time.ros_minus_local()
        self._topic = topic
        self._on_events = on_events
        self._on_gone = on_gone or on_events
        self._reader = TopicReader()
        self._names: dict[bytes, str] = {}  # of the publishers that were heard, where known
        self._gone: deque[str] = deque(maxlen=REMEMBERED)  # the names of those that left
        self._subscription = node.create_subscription(String, topic, self._receive, NOTES_QOS)
        self._there: set[bytes] = set()
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
        publisher = publisher_of(info)
        if publisher and publisher not in self._names:
            self._names[publisher] = ''
            self._look()
        self._watch_clock()  # the first to come after a leap may be stamped by the clock before it
        now, ahead = self._time.now(), self._time.ros_minus_local()
        try:
            events = self._reader.read(message.data, publisher, now + ahead, -ahead)
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

    def _look(self) -> None:
        """Notice who is no longer there, who is there under another id, and a clock that was set.

        A publisher may be heard before the graph knows its name.
        """
        found = {
            bytes(endpoint.endpoint_gid): name_of(endpoint)
            for endpoint in self._node.get_publishers_info_by_topic(self._subscription.topic_name)
        }
        gone = self._there - found.keys()
        self._there = set(found)
        now = self._time.now()
        released = []
        for publisher in gone:
            name = self._names.pop(publisher, None)
            if name is not None:
                released += self._reader.leave(publisher, now)
                self._gone.append(name)
            elif None in self._reader.publishers:  # nobody knows whose notes they are
                released += self._reader.release(None, now)
        for publisher in [p for p, name in self._names.items() if not name]:
            released += self._name(publisher, found.get(publisher, ''), now)
        self._release(released, 'its publisher is gone')
        self._watch_clock()

    def _name(self, publisher: bytes, name: str, now: int) -> list[TimedEvent]:
        """Learn the name of a publisher; return what releases the notes of its former self."""
        former = [other for other, its_name in self._names.items() if name and its_name == name]
        released = []
        for other in former:
            del self._names[other]
            released += self._reader.leave(other, now)
        if former or (name and name in self._gone):
            self._reader.note_restart()
        while name and name in self._gone:
            self._gone.remove(name)
        self._names[publisher] = name
        return released

    def _watch_clock(self) -> None:
        offset, before = self._time.ros_minus_local(), self._offset
        self._offset = offset
        if abs(offset - before) >= LEAP:
            reason = f'the clock was set by {(offset - before) / 1e9:+.0f} s'
            self._release(self._reader.close(self._time.now()), reason)

    def _release(self, releases: list[TimedEvent], reason: str) -> None:
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
