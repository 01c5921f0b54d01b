"""How long the loop is, from sending a note to hearing it: measured while it plays.

Each note that is heard lies at some lag behind every note of the same pitch that was sent. Lags
of chance are spread wide; those of the loop, over player, loudspeaker, air and microphone, pile
up at its delay. It is found within a few notes, and found again where it changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

MILLISECOND = 1_000_000  # nanoseconds

# Where a delay is looked for; with stamps that are a little wrong it may seem negative.
EARLIEST, LATEST = -50 * MILLISECOND, 500 * MILLISECOND
LIKELY = range(0, 300 * MILLISECOND)  # what is expected before anything was measured

_REMEMBERED = 48  # notes sent
_MOST_LAGS = 512
_PEAK = 50 * MILLISECOND  # breadth of the pile: an onset is heard about that exactly
_TOLERANCE = 35 * MILLISECOND  # from the middle of the pile
_LEAST = 3  # lags in a pile, before it is taken for more than chance
_LEAST_SHARE = 0.1  # of the notes remembered, likewise
_PATIENCE = 16  # notes sent without a pile, after which no echo is expected: headphones


class LoopDelay:
    """The delay of the loop, from the lags of the latest notes.

    estimate: the delay in nanoseconds; None where none stands out of chance.
    """

    def __init__(self) -> None:
        self.estimate: int | None = None
        self._sent = 0
        self._sent_in_vain = 0
        self._lags: deque[tuple[int, int]] = deque(maxlen=_MOST_LAGS)  # (notes sent until then, lag)

    def send(self) -> None:
        """Take note that a note was sent."""
        self._sent += 1
        while self._lags and self._lags[0][0] <= self._sent - _REMEMBERED:
            self._lags.popleft()
        self._measure()
        self._sent_in_vain = 0 if self.estimate is not None else self._sent_in_vain + 1

    def hear(self, lags: list[int]) -> bool:
        """Take in the lags of a heard note behind the sent ones of its pitch (nanoseconds, from
        EARLIEST to LATEST); tell whether it was the echo of one of them."""
        expected = [lag for lag in lags if self.expects(lag)]
        # Where one of the lags is explained, the others are chance, as in repeated notes.
        if expected and self.estimate is not None:
            lags = [min(expected, key=self._error)]
        self._lags += [(self._sent, lag) for lag in lags]
        self._measure()
        return bool(expected)

    def expects(self, lag: int) -> bool:
        """Tell whether a note heard at this lag behind a sent one would be its echo."""
        if self.estimate is not None:
            return self._error(lag) <= _TOLERANCE
        return lag in LIKELY and self._sent_in_vain <= _PATIENCE

    def _error(self, lag: int) -> int:
        return abs(lag - self.estimate) if self.estimate is not None else 0

    def _measure(self) -> None:
        """Find the highest pile of lags; the estimate is its median."""
        lags = sorted(lag for _, lag in self._lags)
        heights = [bisect_right(lags, lag + _PEAK) - i for i, lag in enumerate(lags)]
        height = max(heights, default=0)
        if height < max(_LEAST, _LEAST_SHARE * min(self._sent, _REMEMBERED)):
            self.estimate = None
        else:
            self.estimate = lags[heights.index(height) + height // 2]
