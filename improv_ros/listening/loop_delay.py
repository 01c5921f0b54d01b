"""How long the loop is, from sending a note to hearing it: measured while it plays.

Each note that is heard lies at some lag behind every note of the same pitch that was sent. Lags
of chance are spread wide; those of the loop, over player, loudspeaker, air and microphone, pile
up at its delay. It is found within a few notes, and found again where it changes. Repeated notes
make several piles, of which the delay's is the highest in the end; until then any may be.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable

MILLISECOND = 1_000_000  # nanoseconds

# Where a delay is looked for; with stamps that are a little wrong it may seem negative.
EARLIEST, LATEST = -50 * MILLISECOND, 500 * MILLISECOND
LIKELY = range(0, 300 * MILLISECOND)  # what is expected before anything was measured

_REMEMBERED = 48  # notes sent
_MOST_LAGS = 512
_BREADTH = 50 * MILLISECOND  # of a pile: an onset is heard about that exactly
_LEAST = 3  # lags in a pile, before it is taken for more than chance
_LEAST_SHARE = 0.1  # of the notes remembered, likewise
_NEARLY_HIGHEST = 0.25  # of the highest pile: a pile that may be the delay's, too
_PATIENCE = 16  # notes sent without a pile, after which no echo is expected: headphones


class LoopDelay:
    """The delay of the loop, from the lags of the latest notes (all in nanoseconds).

    estimate: the delay, None where none stands out of chance.
    """

    def __init__(self) -> None:
        self._sent = 0
        self._sent_in_vain = 0
        self._lags: deque[tuple[int, int]] = deque(
            maxlen=_MOST_LAGS
        )  # (notes sent until then, lag)
        self._piles: list[int] = []  # their middles, the highest first

    @property
    def estimate(self) -> int | None:
        return self._piles[0] if self._piles else None

    def send(self) -> None:
        """Take note that a note was sent."""
        self._sent += 1
        while self._lags and self._lags[0][0] <= self._sent - _REMEMBERED:
            self._lags.popleft()
        self._measure()
        self._sent_in_vain = 0 if self._piles else self._sent_in_vain + 1

    def hear(self, lags: Iterable[int]) -> None:
        """Take in the lags of a heard note behind the sent ones of its pitch."""
        self._lags += [(self._sent, lag) for lag in lags]
        self._measure()

    def error(self, lag: int) -> int | None:
        """Return how far this lag is from the likeliest of delays; 0 for any likely lag where
        nothing was measured yet, None where no echo is expected."""
        if self._piles:
            return min(abs(lag - middle) for middle in self._piles)
        return 0 if self._sent_in_vain <= _PATIENCE and lag in LIKELY else None

    def _measure(self) -> None:
        lags = sorted(lag for _, lag in self._lags)
        least = max(_LEAST, _LEAST_SHARE * min(self._sent, _REMEMBERED))
        self._piles = []
        while lags:
            heights = [bisect_right(lags, lag + _BREADTH) - i for i, lag in enumerate(lags)]
            height = max(heights)
            if height < least:
                return
            first = heights.index(height)
            middle = lags[first + height // 2]
            self._piles.append(middle)
            lags = [lag for lag in lags if abs(lag - middle) > _BREADTH]
            least = max(least, _NEARLY_HIGHEST * height)
