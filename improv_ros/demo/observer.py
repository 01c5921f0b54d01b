"""A listener on all topics of the chain, which keeps what it hears."""

from __future__ import annotations

from collections.abc import Callable
import threading

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Int16MultiArray

from improv_ros.demo.session import Arrival, Session
from improv_ros.event_text import TimedEvent
from improv_ros.nodes.audio_topic import audio_chunk
from improv_ros.nodes.clock import LocalTime
from improv_ros.nodes.note_topics import CHAIN_QOS, NoteListener


class Observer:
    """Hears a session in a thread of its own; use it as a context manager."""

    def __init__(self, namespace: str) -> None:
        self.session = Session()
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node('demo', namespace=namespace)
        self._time = LocalTime(self._node.get_clock())
        self._listeners = [
            NoteListener(
                self._node,
                f'{topic}_notes',
                self._keeper(getattr(self.session, topic)),
                self._time,
            )
            for topic in ('heard', 'generated', 'played')
        ]
        self._node.create_subscription(Int16MultiArray, 'audio', self._note_beginning, CHAIN_QOS)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin, name='observer')

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()
        rclpy.try_shutdown()

    def ready(self) -> bool:
        """Tell whether every note topic has found its way here."""
        return all(listener.publishers for listener in self._listeners)

    def now(self) -> int:
        """Return the local time in nanoseconds, in which all is kept."""
        return self._time.now()

    def _keeper(self, arrivals: list[Arrival]) -> Callable[[list[TimedEvent]], None]:
        def keep(events: list[TimedEvent]) -> None:
            received = self.now()
            arrivals.extend(Arrival(event, received) for event in events)

        return keep

    def _note_beginning(self, message: Int16MultiArray) -> None:
        if self.session.began is None:
            self.session.began = audio_chunk(message).time - self._time.ros_minus_local()
