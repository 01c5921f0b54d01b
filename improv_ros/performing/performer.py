"""A body that performs: notes in, and out what its hardware must be told, and what it played."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from improv_ros.event_text import TimedEvent
from improv_ros.performing.announcing import performed_events, strike_events
from improv_ros.performing.assignment import REACTION, Assign, assign_best
from improv_ros.performing.body import Body
from improv_ros.performing.feedback import Lateness, Obedience
from improv_ros.performing.planner import Command, Planner
from improv_ros.performing.trajectory import Point


@dataclass
class Announcement:
    """What to publish now; all times are nanoseconds of the caller's clock.

    performed: keys, and strikes: strikers' numbers, both at the times of the commands.
    trajectory: where the joints are from now on, in place of all that was published before;
        empty where that still holds.
    notices: nanoseconds from now to the sound of each note that is announced.
    """

    performed: list[TimedEvent] = field(default_factory=list)
    strikes: list[TimedEvent] = field(default_factory=list)
    trajectory: list[Point] = field(default_factory=list)
    notices: list[int] = field(default_factory=list)


class Performer:
    """Performs on one body, from `start` on, when its joints set out to where they begin."""

    def __init__(
        self,
        body: Body,
        lookahead: int,
        start: int,
        assign: Assign = assign_best,
        at_once: bool = False,
    ) -> None:
        self.planner = Planner(body, lookahead, assign, at_once)
        self.lateness = Lateness()
        self._obedience = Obedience()
        self.go_to_start(start)

    def go_to_start(self, now: int) -> None:
        """Let the joints come from wherever they are to where they should be, before all else.

        For the beginning, and for when a joint controller has joined only now.
        """
        self._announced = -1
        self._at_start = now
        if self.planner.joints:
            # They have time to come from the far end, and twice that, for how they do is up to
            # their controller.
            strikers = self.planner.body.strikers
            ways = [way for s in strikers for row in s.travel.values() for way in row.values()]
            self._at_start += 2 * max(ways) + REACTION
        self.planner.wait_until(self._at_start)

    def hear(self, events: Iterable[TimedEvent], now: int) -> Announcement:
        """Take in notes to perform."""
        return self._announce(self.planner.add(events, now), now)

    def advance(self, now: int) -> Announcement:
        """Go on; call this every 10 ms."""
        self.lateness.forget(now)
        return self._announce(self.planner.advance(now), now)

    def stop(self, now: int) -> Announcement:
        """Withdraw all and let go of everything."""
        return self._announce(self.planner.clear(now, now), now)

    def sounded(self, now: int) -> list[TimedEvent]:
        """Return what sounded since the last call, if the body does as it is told."""
        return self._obedience.sounded(now)

    def _announce(self, commands: list[Command], now: int) -> Announcement:
        self._obedience.add(commands)
        self.lateness.add(commands)
        announcement = Announcement(
            performed_events(commands),
            strike_events(commands),
            notices=[c.sound - now for c in commands if c.kind == 'strike'],
        )
        if self.planner.joints and self._announced != self.planner.moves:
            self._announced = self.planner.moves
            announcement.trajectory = self.planner.trajectory(max(now, self._at_start))
        return announcement
