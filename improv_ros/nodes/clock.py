"""Between ROS time, which stamps carry, and the monotonic clock, which devices and players use."""

from __future__ import annotations

import time

from rclpy.clock import Clock


def ros_minus_monotonic(clock: Clock) -> int:
    """Return ROS time minus `time.monotonic_ns`, in nanoseconds, as of now.

    The monotonic clock is read on both sides of the ROS clock, so that a thread switch
    between the two readings costs half of what it would.
    """
    before = time.monotonic_ns()
    ros = clock.now().nanoseconds
    after = time.monotonic_ns()
    return ros - (before + after) // 2
