"""Event text on topics: `std_msgs/String` in and out, losses counted, bad messages survived."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from improv_ros.event_text import EventTextError, StreamReader, StreamWriter, TimedEvent
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
        self._reader = StreamReader()
        self._subscription = node.create_subscription(String, topic, self._receive, NOTES_QOS)
        self._there: set[bytes] = set()
        self._timer = node.create_timer(
            LOOK_PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self.received = 0
        self.malformed = 0

    @property
    def publishers(self) -> int:
        """How many publishers this listener is connected with."""
        return self._node.count_publishers(self._subscription.topic_name)

    def figures(self) -> dict[str, object]:
        """Return what diagnostics should show of this topic."""
        return {
            f'{self._topic} received': self.received,
            f'{self._topic} malformed': self.malformed,
            f'{self._topic} lost': self._reader.lost,
            f'{self._topic} restarts': self._reader.restarts,
        }

    def destroy(self) -> None:
        """Leave the topic."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)

    def _look(self) -> None:
        """Notice who is no longer there; another that speaks in its place begins anew anyway."""
        found = self._node.get_publishers_info_by_topic(self._subscription.topic_name)
        there = {bytes(info.endpoint_gid) for info in found}
        gone = self._there - there
        self._there = there
        if gone:
            self._release('its publisher is gone')
        self._watch_clock()

    def _receive(self, message: String) -> None:
        self._watch_clock()  # the first to come after a leap may be stamped by the clock before it
        try:
            events = self._reader.read(message.data, -self._time.ros_minus_local())
        except EventTextError as error:
            self.malformed += 1
            self._node.get_logger().warning(
                f'{self._topic}: message skipped ({self.malformed} so far): {error}',
                throttle_duration_sec=1.0,
            )
            return
        self.received += 1
        if events:
            self._on_events(events)

    def _watch_clock(self) -> None:
        offset, before = self._time.ros_minus_local(), self._offset
        self._offset = offset
        if abs(offset - before) >= LEAP:
            self._release(f'the clock was set by {(offset - before) / 1e9:+.0f} s')

    def _release(self, reason: str) -> None:
        if releases := self._reader.close(self._time.now()):
            self._node.get_logger().warning(f'{self._topic}: {reason}; what sounds is released')
            self._on_gone(releases)
