"""Event text on topics: `std_msgs/String` in and out, losses counted, bad messages survived."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from improv_ros.event_text import EventTextError, StreamReader, StreamWriter, TimedEvent

# Every topic that carries event text, in the order of the flow.
NOTE_TOPICS = ('heard_notes', 'generated_notes', 'performed_notes', 'played_notes')
CHAIN_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
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
    """Hears a note topic and hands on its events (ROS time, nanoseconds), notes always paired."""

    def __init__(
        self, node: Node, topic: str, on_events: Callable[[list[TimedEvent]], None]
    ) -> None:
        self._node = node
        self._topic = topic
        self._on_events = on_events
        self._reader = StreamReader()
        self._subscription = node.create_subscription(String, topic, self._receive, CHAIN_QOS)
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
        self._node.destroy_subscription(self._subscription)

    def _receive(self, message: String) -> None:
        try:
            events = self._reader.read(message.data)
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
