"""Between ROS time, which stamps carry, and the clocks which devices and plans keep to."""

from __future__ import annotations

import time

from rclpy.clock import ROSClock

NOISE = 50_000  # nanoseconds by which two readings of clocks that agree may differ
LEAP = 1_000_000_000  # nanoseconds; a smaller step of a clock is borne without a word


def ros_minus_monotonic(clock: ROSClock) -> int:
    """Return ROS time minus `time.monotonic_ns`, in nanoseconds, as of now.

    The monotonic clock is read on both sides of the ROS clock, so that a thread switch
    between the two readings costs half of what it would.
    """
    before = time.monotonic_ns()
    ros = clock.now().nanoseconds
    after = time.monotonic_ns()
    return ros - (before + after) // 2


class LocalTime:
    """A node's own time, in nanoseconds, which never goes back, whatever ROS time does.

    It is the monotonic clock's; or, with `use_sim_time`, the simulation's: it stands still and
    hurries with that, and does not follow it back. What is planned in this time stays as far off
    as it was when somebody sets the computer's clock or a simulation begins again. Stamps become
    local where they come in, and ROS time where they go out, by the difference as of then.
    """

    def __init__(self, clock: ROSClock) -> None:
        self._clock = clock
        self._simulated = clock.ros_time_is_active
        self._reading = self._read()
        self._ahead = 0  # of the clock that is read
        self._difference = ros_minus_monotonic(clock)

    @property
    def simulated(self) -> bool:
        """Whether the node follows a simulation's time."""
        return self._clock.ros_time_is_active

    def now(self) -> int:
        """Return this time."""
        simulated, reading = self.simulated, self._read()
        if simulated != self._simulated or reading < self._reading:
            self._ahead += self._reading - reading
            self._simulated = simulated
        self._reading = reading
        return reading + self._ahead

    def ros_minus_local(self) -> int:
        """Return ROS time minus this time, as of now."""
        self.now()
        if self._simulated:
            return -self._ahead
        difference = ros_minus_monotonic(self._clock)
        # A stamp that is passed on comes out as it came in.
        if abs(difference - self._difference) > NOISE:
            self._difference = difference
        return self._difference - self._ahead

    def minus_monotonic(self) -> int:
        """Return this time minus `time.monotonic_ns`, as of now."""
        now = self.now()
        return now - time.monotonic_ns() if self._simulated else self._ahead

    def _read(self) -> int:
        if self.simulated:
            return self._clock.now().nanoseconds
        return time.monotonic_ns()
