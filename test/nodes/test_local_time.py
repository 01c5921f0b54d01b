# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A node's own time: what it makes of ROS time that leaps, stands still or goes back."""

from __future__ import annotations

import threading
import time

import pytest
from rclpy.clock import ROSClock
from rclpy.time import Time

from improv_ros.event_text import SECOND
from improv_ros.nodes.common import clock_jumps
from improv_ros.nodes.common.clock_jumps import ClockJumps
from improv_ros.nodes.common.local_time import LocalTime, ros_minus_monotonic


def simulated(clock: ROSClock, seconds: float) -> None:
    """Let a simulation say what time it is."""
    clock._set_ros_time_is_active(True)
    clock.set_ros_time_override(
        Time(nanoseconds=round(seconds * SECOND), clock_type=clock.clock_type)
    )


def test_local_time_is_monotonic_and_stamps_are_system_time() -> None:
    local = LocalTime(ROSClock())
    assert abs(local.now() - time.monotonic_ns()) < SECOND
    assert local.minus_monotonic() == 0
    assert abs(local.now() + local.ros_minus_local() - time.time_ns()) < SECOND
    assert not local.simulated


def test_local_time_follows_simulated_time_but_never_goes_back() -> None:
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


def test_a_pause_between_two_readings_is_not_taken_for_a_clock_that_was_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local = LocalTime(ROSClock())
    expected = local.ros_minus_local()
    true_clock, pauses = time.monotonic_ns, [0, 3 * SECOND]
    passed = 0

    def monotonic_that_pauses() -> int:  # three seconds go by between the first two readings
        nonlocal passed
        passed += pauses.pop(0) if pauses else 0
        return true_clock() + passed

    monkeypatch.setattr(time, 'monotonic_ns', monotonic_that_pauses)
    difference = ros_minus_monotonic(ROSClock())
    assert abs(difference + passed - expected) < SECOND // 2


@pytest.mark.parametrize(
    ('leap', 'asleep', 'reason'),
    [
        (-3600, 0, 'the clock was set by -3600 s'),
        (3, 3, 'this computer slept for 3.0 s'),
        (7203, 3, 'this computer slept for 3.0 s and the clock was set by +7200 s'),
    ],
)
def test_a_clock_jump_is_reported_with_its_cause(
    monkeypatch: pytest.MonkeyPatch, leap: int, asleep: int, reason: str
) -> None:
    leaps = ClockJumps()
    before = clock_jumps.slept()
    monkeypatch.setattr(clock_jumps, 'slept', lambda: before + asleep * SECOND)
    assert leaps.reason(leap * SECOND) == reason
    assert leaps.reason(leap * SECOND) == f'the clock was set by {leap:+} s'


class Clocks:
    """The clocks that tell of pauses, to be put forward by hand (s)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monotonic = self.worked = self.asleep = 100.0
        monkeypatch.setattr(time, 'monotonic', lambda: self.monotonic)
        monkeypatch.setattr(time, 'process_time', lambda: self.worked)
        monkeypatch.setattr(clock_jumps, 'slept', lambda: round(self.asleep * SECOND))


def test_a_process_that_was_stopped_says_so_and_one_that_was_busy_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = Clocks(monkeypatch)
    pauses = clock_jumps.Pauses()
    for _ in range(5):
        clocks.monotonic += clock_jumps.PERIOD
        pauses.check()
    assert pauses.take() == []
    clocks.monotonic += 3.0 + clock_jumps.PERIOD / 2
    clocks.worked += 0.1
    pauses.check()
    (told,) = pauses.take()
    assert told.startswith('this process was stopped for 3.0 s')
    clocks.monotonic += 3.0
    clocks.worked += 2.9
    pauses.check()
    assert pauses.take() == []
    clocks.monotonic += clock_jumps.PERIOD
    clocks.asleep += 3600
    pauses.check()
    assert pauses.take() == ['this computer slept for 3600.0 s']


def test_the_watch_ends_with_what_it_is_for() -> None:
    def watching() -> int:
        return sum(thread.name == 'pauses' for thread in threading.enumerate())

    before = watching()
    pauses = clock_jumps.watched_pauses()
    assert watching() == before + 1
    del pauses
    deadline = time.monotonic() + 10
    while watching() > before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
