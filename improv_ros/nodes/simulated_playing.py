"""Playing in simulated time: events wait until that has come to them, then sound at once."""

from __future__ import annotations

from collections.abc import Iterable
import time

from rclpy.clock import JumpThreshold, ROSClock, TimeJump
from rclpy.duration import Duration

from improv_ros.event_text import TimedEvent, clear
from improv_ros.nodes.clock import LocalTime
from improv_ros.playing.player import Player
from improv_ros.playing.schedule import Schedule

EVERY_STEP = JumpThreshold(
    min_forward=Duration(nanoseconds=1), min_backward=Duration(nanoseconds=-1)
)


class SimulatedPlaying:
    """Keeps events (local time) and hands the player what is due at each step of the clock.

    Nobody knows how fast simulated time will go, so there is no deadline to sleep to: the music
    is as fine as the steps on `/clock`. A player's latencies are not made up for.
    """

    def __init__(
        self, clock: ROSClock, local_time: LocalTime, player: Player, late_tolerance: int
    ) -> None:
        self._time = local_time
        self._player = player
        self._schedule = Schedule(late_tolerance)
        self._stands_at = -1
        self._steps = clock.create_jump_callback(EVERY_STEP, post_callback=self._on_step)

    @property
    def waiting(self) -> int:
        """Events whose time has not come."""
        return len(self._schedule)

    @property
    def dropped(self) -> int:
        """Notes which came too late to be played."""
        return self._schedule.dropped

    def submit(self, events: Iterable[TimedEvent]) -> None:
        """Take in events, a `cl` as a schedule does; what is due is played at once."""
        self._schedule.add(events, self._time.now())
        self._play_due()

    def rest(self) -> None:
        """Release what sounds if time has stood still since this was last called."""
        now = self._time.now()
        if now == self._stands_at:
            self._player.submit([clear(time.monotonic_ns())])
        self._stands_at = now

    def withdraw(self) -> None:
        """Withdraw what waits."""
        self._schedule.release_all(self._time.now())

    def close(self) -> None:
        """Withdraw what waits, and follow the clock no longer."""
        self._steps.unregister()
        self.withdraw()

    def _on_step(self, _: TimeJump) -> None:
        self._play_due()

    def _play_due(self) -> None:
        due = self._schedule.pop_due(self._time.now())
        now = time.monotonic_ns()
        if due:
            self._player.submit(event._replace(time=now) for event in due)
