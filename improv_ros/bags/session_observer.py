# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A subscriber to all note topics, which keeps the events of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from rclpy.clock import ROSClock
from sensor_msgs.msg import JointState
from std_msgs.msg import Int16MultiArray

from improv_ros.bags.session import Arrival, Pose, Session
from improv_ros.event_text import SECOND, TimedEvent
from improv_ros.nodes.common.audio_topic import audio_chunk
from improv_ros.nodes.common.local_time import LocalTime
from improv_ros.nodes.common.node_thread import NodeThread
from improv_ros.nodes.common.note_topics import CHAIN_QOS, NoteListener


class Observer(NodeThread):
    """Observes a session in a thread of its own; use it as a context manager."""

    def __init__(self, namespace: str) -> None:
        super().__init__('demo', namespace)
        self.session = Session()
        self._time = LocalTime(cast(ROSClock, self.node.get_clock()))
        self._listeners = [
            NoteListener(
                self.node,
                f'{topic}_notes',
                self._keeper(getattr(self.session, topic)),
                self._time,
            )
            for topic in ('heard', 'confirmed', 'generated', 'played')
        ]
        self.node.create_subscription(Int16MultiArray, 'audio', self._note_beginning, CHAIN_QOS)
        self.node.create_subscription(JointState, 'joint_states', self._keep_pose, CHAIN_QOS)

    def ready(self) -> bool:
        """Return whether every note topic has a publisher."""
        return all(listener.publishers for listener in self._listeners)

    def now(self) -> int:
        """Return the local time, in which events are kept, in nanoseconds."""
        return self._time.now()

    def _keeper(self, arrivals: list[Arrival]) -> Callable[[list[TimedEvent]], None]:
        def keep(events: list[TimedEvent]) -> None:
            received = self.now()
            arrivals.extend(Arrival(event, received) for event in events)

        return keep

    def _keep_pose(self, message: JointState) -> None:
        stamp = message.header.stamp.sec * SECOND + message.header.stamp.nanosec
        pose = Pose(stamp - self._time.ros_minus_local(), tuple(message.position))
        self.session.joints = tuple(message.name)
        self.session.poses.append(pose)

    def _note_beginning(self, message: Int16MultiArray) -> None:
        if self.session.began is None:
            self.session.began = audio_chunk(message).time - self._time.ros_minus_local()
