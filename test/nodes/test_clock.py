"""A node's own time: what it makes of ROS time that leaps, stands still or goes back."""

from __future__ import annotations

import time

from rclpy.clock import ROSClock
from rclpy.time import Time

from improv_ros.nodes.clock import LocalTime

SECOND = 1_000_000_000


def simulated(clock: ROSClock, seconds: float) -> None:
    """Let a simulation say what time it is."""
    clock._set_ros_time_is_active(True)
    clock.set_ros_time_override(
        Time(nanoseconds=round(seconds * SECOND), clock_type=clock.clock_type)
    )


def test_it_is_the_monotonic_clock_and_stamps_are_the_systems() -> None:
    local = LocalTime(ROSClock())
    assert abs(local.now() - time.monotonic_ns()) < SECOND
    assert local.minus_monotonic() == 0
    assert abs(local.now() + local.ros_minus_local() - time.time_ns()) < SECOND
    assert not local.simulated


def test_it_follows_a_simulation_but_not_back() -> None:
    clock = ROSClock()
    simulated(clock, 100)
    local = LocalTime(clock)
    assert local.simulated
    assert local.now() == 100 * SECOND
    simulated(clock, 103.5)
    assert local.now() == 103.5 * SECOND
    assert local.now() == 103.5 * SECOND  # it stands still
    assert local.ros_minus_local() == 0
    simulated(clock, 20)
    assert local.now() == 103.5 * SECOND
    simulated(clock, 21)
    assert local.now() == 104.5 * SECOND
    assert local.now() + local.ros_minus_local() == 21 * SECOND


def test_it_goes_on_where_simulated_time_is_switched_on_and_off() -> None:
    clock = ROSClock()
    local = LocalTime(clock)
    before = local.now()
    simulated(clock, 100)
    assert 0 <= local.now() - before < SECOND
    before = local.now()
    simulated(clock, 101)
    assert local.now() - before == SECOND
    assert abs(local.minus_monotonic() - SECOND) < SECOND
    clock._set_ros_time_is_active(False)
    assert 0 <= local.now() - before - SECOND < SECOND
    assert abs(local.now() + local.ros_minus_local() - time.time_ns()) < SECOND
