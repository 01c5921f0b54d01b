# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Conversion between ROS time, which stamps carry, and the local time of a node."""

from __future__ import annotations

from operator import attrgetter
import time
from typing import NamedTuple

from rclpy.clock import Clock, ROSClock

from improv_ros.event_text import SECOND

NOISE = 50_000  # nanoseconds; a smaller change of a clock difference is reading noise
MAX_READING_TIME = 1_000_000  # nanoseconds; a reading of two clocks that took longer is repeated
MAX_READINGS = 5
CLOCK_JUMP = SECOND  # a smaller step of a clock is not reported


def ros_minus_monotonic(clock: Clock) -> int:
    """Return ROS time minus `time.monotonic_ns`, in nanoseconds, as of now.

    The monotonic clock is read before and after the ROS clock, and the middle is used. Where the
    readings took longer than `MAX_READING_TIME`, as when the process was stopped in between, they
    are repeated, and the quickest of `MAX_READINGS` counts.
    """
    readings = [_reading(clock)]
    while readings[-1].width > MAX_READING_TIME and len(readings) < MAX_READINGS:
        readings.append(_reading(clock))
    return min(readings, key=attrgetter('width')).difference


class _Reading(NamedTuple):
    difference: int  # ROS time minus the monotonic clock
    width: int  # duration of the reading


def _reading(clock: Clock) -> _Reading:
    before = time.monotonic_ns()
    ros = clock.now().nanoseconds
    after = time.monotonic_ns()
    return _Reading(ros - (before + after) // 2, after - before)


def slept() -> int:
    """Return for how long this computer was suspended since it was booted, in nanoseconds.

    It is the boot-time clock minus the monotonic clock, which stops during a suspension. Only
    differences of `CLOCK_JUMP` or more are meaningful.
    """
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()


class LocalTime:
    """The local time of a node, in nanoseconds, which never goes back, whatever ROS time does.

    It follows the monotonic clock or, with `use_sim_time`, simulated time: it stops and runs fast
    with the simulation, but does not follow it back. Events planned in local time keep their
    distance from now when the system clock is set or a simulation restarts. Stamps are converted
    to local time on receipt and to ROS time on sending, with the difference of that moment.
    """

    def __init__(self, clock: ROSClock) -> None:
        self._clock = clock
        self._simulated = clock.ros_time_is_active
        self._reading = self._read()
        self._ahead = 0  # local time minus the clock that it follows
        self._difference = ros_minus_monotonic(clock)

    @property
    def simulated(self) -> bool:
        """Whether the node follows simulated time."""
        return self._clock.ros_time_is_active

    @property
    def waiting(self) -> bool:
        """Whether the node follows simulated time but has received none yet (ROS time is 0)."""
        return self.simulated and self._clock.now().nanoseconds == 0

    def now(self) -> int:
        """Return the local time."""
        simulated, reading = self.simulated, self._read()
        if simulated != self._simulated or reading < self._reading:
            self._ahead += self._reading - reading
            self._simulated = simulated
        self._reading = reading
        return reading + self._ahead

    def ros_minus_local(self) -> int:
        """Return ROS time minus local time, as of now."""
        self.now()
        if self._simulated:
            return -self._ahead
        difference = ros_minus_monotonic(self._clock)
        # Below `NOISE`, keep the old difference: a stamp that is passed on stays the same.
        if abs(difference - self._difference) > NOISE:
            self._difference = difference
        return self._difference - self._ahead

    def minus_monotonic(self) -> int:
        """Return local time minus `time.monotonic_ns`, as of now."""
        now = self.now()
        return now - time.monotonic_ns() if self._simulated else self._ahead

    def _read(self) -> int:
        if self.simulated:
            return self._clock.now().nanoseconds
        return time.monotonic_ns()
