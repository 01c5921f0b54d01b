# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The clock offset between hosts: the beacons that nodes exchange, and the estimate from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

WINDOW = 16  # the latest round trips, from which an offset is estimated
MIN_ROUND_TRIPS = 5  # round trips that an estimate needs


class Offset(NamedTuple):
    """Another clock minus ours, and the greatest error of that value, in nanoseconds."""

    nanoseconds: int
    uncertainty: int

    def exceeds(self, tolerance: int) -> bool:
        """Tell whether the clocks differ by more than the tolerance, in nanoseconds.

        A difference that a link explains whose one direction takes three times as long as the
        other does not count: with delays of d and 3d the estimate is wrong by d, and its
        uncertainty is 2d.
        """
        return abs(self.nanoseconds) > max(tolerance, self.uncertainty // 2)


class ClockOffset:
    """Estimates a clock offset as NTP does (RFC 5905, section 8), from the fastest messages.

    The receiver's clock at receipt minus the sender's clock at sending is the delay of the message
    plus the difference of the clocks. The fastest recent message of each direction therefore
    bounds the offset from one side. The estimate is the middle between the bounds: it is exact
    where both delays are equal, and its error is at most its uncertainty.
    """

    def __init__(self) -> None:
        self._trips: deque[tuple[int, int]] = deque(maxlen=WINDOW)

    def add(self, there: int, back: int) -> None:
        """Add a round trip: of each direction, the clock at receipt minus the stamp, in ns."""
        self._trips.append((there, back))
        while self._trips and sum(self._fastest()) < 0:
            # No message arrives before it was sent: a clock was set, or drifts. Drop the oldest.
            self._trips.popleft()

    def estimate(self) -> Offset | None:
        """Return the offset; None before `MIN_ROUND_TRIPS`."""
        if len(self._trips) < MIN_ROUND_TRIPS:
            return None
        there, back = self._fastest()
        return Offset((there - back) // 2, (there + back + 1) // 2)

    def _fastest(self) -> tuple[int, int]:
        return min(there for there, _ in self._trips), min(back for _, back in self._trips)


@dataclass(frozen=True)
class Beacon:
    """A message with the clock of its sender and what the sender knows of other nodes' beacons.

    `heard` maps the name of another node to the sender's clock at receipt of its latest beacon,
    minus the stamp of that beacon: delay plus clock difference, in nanoseconds.
    """

    node: str
    host: str
    stamp: int
    heard: Mapping[str, int] = field(default_factory=dict)

    def text(self) -> str:
        """Return the beacon as text, one fact per line."""
        lines = [f'node {self.node}', f'host {self.host}', f'at {self.stamp}']
        lines += [f'heard {node} {nanoseconds}' for node, nanoseconds in self.heard.items()]
        return '\n'.join(lines) + '\n'


def parse_beacon(text: str) -> Beacon:
    """Parse a beacon; unknown lines are skipped. ValueError if a line is missing or malformed."""
    facts: dict[str, str] = {}
    heard: dict[str, int] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(' ')
        if word == 'heard':
            node, _, nanoseconds = rest.partition(' ')
            heard[node] = int(nanoseconds)
        else:
            facts[word] = rest
    try:
        return Beacon(facts['node'], facts['host'], int(facts['at']), heard)
    except KeyError as missing:
        raise ValueError(f'a clock beacon without {missing}') from None
