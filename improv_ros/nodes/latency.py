"""Latency figures over the recent past."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class LatencyFigures:
    """The last thousand latencies and their percentiles."""

    def __init__(self) -> None:
        self._recent: deque[int] = deque(maxlen=1000)

    def add(self, nanoseconds: int) -> None:
        """Take in one latency."""
        self._recent.append(nanoseconds)

    def percentile(self, share: float) -> float:
        """Return the latency in milliseconds which a `share` (0 to 1) stayed within; 0 if none."""
        if not self._recent:
            return 0.0
        ordered = sorted(self._recent)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] / 1e6

    def figures(self, name: str, shares: Iterable[float] = (0.5, 0.95)) -> dict[str, object]:
        """Return these percentiles for diagnostics."""
        return {
            f'{name} p{100 * share:.0f} (ms)': f'{self.percentile(share):.1f}' for share in shares
        }
