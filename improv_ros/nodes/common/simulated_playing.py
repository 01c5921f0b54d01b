# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Playing in simulated time: events wait until the clock reaches their time."""

from __future__ import annotations

from collections.abc import Iterable
import time

from rclpy.clock import JumpThreshold, ROSClock, TimeJump
from rclpy.duration import Duration

from improv_ros.event_text import TimedEvent, clear
from improv_ros.nodes.common.local_time import LocalTime
from improv_ros.playing.note_schedule import NoteSchedule
from improv_ros.playing.player import Player

EVERY_STEP = JumpThreshold(
    min_forward=Duration(nanoseconds=1), min_backward=Duration(nanoseconds=-1)
)


class SimulatedPlaying:
    """
    Keeps events (in local time) and passes those that are due to the player at each clock step.

    The speed of simulated time is unknown, so there is no deadline to sleep until: the timing is
    as exact as the steps on `/clock`. Latencies of outputs are not compensated.
    """

    def __init__(
        self, clock: ROSClock, local_time: LocalTime, player: Player, late_tolerance: int
    ) -> None:
        self._time = local_time
        self._player = player
        self._schedule = NoteSchedule(late_tolerance)
        self._last_time = -1
        self._steps = clock.create_jump_callback(EVERY_STEP, post_callback=self._on_step)

    @property
    def waiting(self) -> int:
        """The number of events that wait for their time."""
        return len(self._schedule)

    @property
    def dropped(self) -> int:
        """The number of notes that were too late to be played."""
        return self._schedule.dropped

    def submit(self, events: Iterable[TimedEvent]) -> None:
        """Add events, as NoteSchedule.add does; play those that are due at once."""
        self._schedule.add(events, self._time.now())
        self._play_due()

    def release_if_stopped(self) -> None:
        """Release all notes if simulated time has not advanced since the last call."""
        now = self._time.now()
        if now == self._last_time:
            self._player.submit([clear(time.monotonic_ns())])
        self._last_time = now

    def withdraw(self) -> None:
        """Withdraw all waiting events."""
        self._schedule.release_all(self._time.now())

    def close(self) -> None:
        """Withdraw all waiting events, and stop to follow the clock."""
        self._steps.unregister()
        self.withdraw()

    def _on_step(self, _: TimeJump) -> None:
        self._play_due()

    def _play_due(self) -> None:
        due = self._schedule.pop_due(self._time.now())
        now = time.monotonic_ns()
        if due:
            self._player.submit(event._replace(time=now) for event in due)
