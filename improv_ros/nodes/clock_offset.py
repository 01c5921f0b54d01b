"""How far another clock is from ours, from stamped messages that went both ways."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

WINDOW = 16  # round trips that are remembered
ENOUGH = 5  # round trips before an estimate is believed


class Offset(NamedTuple):
    """Their clock minus ours and how far that may be wrong, in nanoseconds."""

    nanoseconds: int
    uncertainty: int

    def exceeds(self, tolerance: int) -> bool:
        """Tell whether the clocks differ by more, unless one way is thrice as long as the other.

        With ways of d and 3d, the estimate is wrong by d and its uncertainty is 2d.
        """
        return abs(self.nanoseconds) > max(tolerance, self.uncertainty // 2)


class ClockOffset:
    """Estimates a clock's offset as NTP does (RFC 5905, section 8), from the quickest messages.

    A message takes time, so our message's receipt by their clock, minus its sending by ours, is
    more than the offset; their message's sending minus its receipt is less. The quickest of the
    recent messages each way bound the offset from both sides, whatever delayed the others. The
    estimate is the middle: exact where the quickest take equally long both ways, and never wrong
    by more than its uncertainty.
    """

    def __init__(self) -> None:
        self._trips: deque[tuple[int, int]] = deque(maxlen=WINDOW)

    def add(self, there: int, back: int) -> None:
        """Take in a round trip: each way, the receiver's clock at receipt minus the stamp (ns)."""
        self._trips.append((there, back))
        while self._trips and sum(self._quickest()) < 0:
            # No message arrives before it was sent: a clock was set, or drifts. Forget the oldest.
            self._trips.popleft()

    def estimate(self) -> Offset | None:
        """Return the offset, or None before there were enough round trips."""
        if len(self._trips) < ENOUGH:
            return None
        there, back = self._quickest()
        return Offset((there - back) // 2, (there + back + 1) // 2)

    def _quickest(self) -> tuple[int, int]:
        return min(there for there, _ in self._trips), min(back for _, back in self._trips)
