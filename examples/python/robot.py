"""A robot in Python: it hears ahead of time which keys to strike, and strikes each at its moment.

    python robot.py --ros-args -r __ns:=/improv
    python robot.py --ros-args -r __ns:=/improv -r performed_notes:=strikes
    python robot.py --ros-args -r __ns:=/improv -r performed_notes:=generated_notes

The second form hears numbers of strikers for keys, the third needs no body file. Put your hardware
into `fire` and `let_go`.
"""

import heapq
from itertools import count
import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from std_msgs.msg import String

from improv_ros.event_text import EventTextError, StreamReader, is_note_off, is_note_on


class Robot(Node):
    """Keeps what is announced until its time."""

    def __init__(self):
        super().__init__('robot')
        self._reader = StreamReader()
        self._schedule = []  # a heap of (time, order of coming, event)
        self._order = count()
        self._down = set()
        self.create_subscription(String, 'performed_notes', self._hear, 100)
        self.create_timer(0.001, self._play_due)

    def fire(self, key, velocity):
        """Strike a key."""
        print(f'strike {key} with velocity {velocity}', flush=True)

    def let_go(self, key):
        """Let a key go."""
        print(f'let go of {key}', flush=True)

    def _hear(self, message):
        try:
            events = self._reader.read(message.data)
        except EventTextError as error:
            self.get_logger().warning(f'message skipped: {error}')
            return
        for event in events:
            if event.kind == 'cl':
                # A clear withdraws what is scheduled from its time on, then takes its place.
                self._schedule = [entry for entry in self._schedule if entry[0] < event.time]
                heapq.heapify(self._schedule)
            heapq.heappush(self._schedule, (event.time, next(self._order), event))

    def _play_due(self):
        now = self.get_clock().now().nanoseconds
        while self._schedule and self._schedule[0][0] <= now:
            event = heapq.heappop(self._schedule)[2]
            if is_note_on(event):
                self.fire(event.values[0], event.values[1])
                self._down.add(event.values[0])
            elif is_note_off(event) and event.values[0] in self._down:
                self.let_go(event.values[0])
                self._down.remove(event.values[0])
            elif event.kind == 'cl':
                for key in sorted(self._down):
                    self.let_go(key)
                self._down.clear()


def main():
    """Run the robot until Ctrl-C."""
    rclpy.init()
    robot = Robot()
    try:
        rclpy.spin(robot)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        robot.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    sys.exit(main())
