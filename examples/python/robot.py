# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A robot in Python: it receives ahead of time which keys to strike, and strikes each in time.

    python robot.py --ros-args -r __ns:=/improv
    python robot.py --ros-args -r __ns:=/improv -r performed_notes:=strikes
    python robot.py --ros-args -r __ns:=/improv -r performed_notes:=generated_notes

With the second command it receives numbers of strikers instead of pitches; the third needs no body
file. Put the code for your hardware into `strike` and `release`.
"""

import heapq
from itertools import count

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from std_msgs.msg import String

from improv_ros.event_text import EventTextError, StreamReader, TimedEvent, is_note_off, is_note_on


class Robot(Node):
    """Keeps each event until its time."""

    def __init__(self) -> None:
        super().__init__('robot')
        self._reader = StreamReader()
        self._schedule: list[
            tuple[int, int, TimedEvent]
        ] = []  # a heap of (time, order of arrival, event)
        self._order = count()
        self._held: set[int] = set()
        self.create_subscription(String, 'performed_notes', self._receive, 100)
        self.create_timer(0.001, self._play_due)

    def strike(self, key: int, velocity: int) -> None:
        """Strike a key."""
        print(f'strike {key} with velocity {velocity}', flush=True)

    def release(self, key: int) -> None:
        """Release a key."""
        print(f'release {key}', flush=True)

    def _receive(self, message: String) -> None:
        try:
            events = self._reader.read(message.data)
        except EventTextError as error:
            self.get_logger().warning(f'message skipped: {error}')
            return
        for event in events:
            if event.kind == 'cl':
                # A clear withdraws all events at or after its time, and is then scheduled itself.
                self._schedule = [entry for entry in self._schedule if entry[0] < event.time]
                heapq.heapify(self._schedule)
            heapq.heappush(self._schedule, (event.time, next(self._order), event))

    def _play_due(self) -> None:
        now = self.get_clock().now().nanoseconds
        while self._schedule and self._schedule[0][0] <= now:
            event = heapq.heappop(self._schedule)[2]
            if is_note_on(event):
                self.strike(event.values[0], event.values[1])
                self._held.add(event.values[0])
            elif is_note_off(event) and event.values[0] in self._held:
                self.release(event.values[0])
                self._held.remove(event.values[0])
            elif event.kind == 'cl':
                for key in sorted(self._held):
                    self.release(key)
                self._held.clear()


def main() -> None:
    """Run the robot until Ctrl-C."""
    rclpy.init()
    robot = Robot()
    try:
        rclpy.spin(robot)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:  # RCLError, if Ctrl-C comes while rclpy prepares to wait
        if rclpy.ok():
            raise
    finally:
        robot.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
