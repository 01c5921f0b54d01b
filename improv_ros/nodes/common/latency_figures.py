# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Percentiles of the latest latencies, for diagnostics."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

WINDOW = 1000  # latencies


def percentile(values: Iterable[int], share: float) -> float:
    """Return the percentile of latencies (ns) in milliseconds, by nearest rank; 0 for none.

    `share` is from 0 to 1: 0.95 for the 95th percentile.
    """
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] / 1e6 if ordered else 0.0


class LatencyFigures:
    """The latest `WINDOW` latencies and their percentiles."""

    def __init__(self) -> None:
        self._recent: deque[int] = deque(maxlen=WINDOW)

    def add(self, nanoseconds: int) -> None:
        """Add one latency."""
        self._recent.append(nanoseconds)

    def percentile(self, share: float) -> float:
        """Return a percentile in milliseconds; `share` is from 0 to 1."""
        return percentile(self._recent, share)

    def figures(self, name: str, shares: Iterable[float] = (0.5, 0.95)) -> dict[str, object]:
        """Return these percentiles as values of diagnostics."""
        return {
            f'{name} p{100 * share:.0f} (ms)': f'{self.percentile(share):.1f}' for share in shares
        }
