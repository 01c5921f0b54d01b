"""Takes a constant offset, as cheap converters add, out of the sound before it is heard."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SETTLING = 1.0  # seconds in which most of a new offset is gone; the lowest note takes 0.04


class OffsetRemoval:
    """Subtracts the slowly followed mean, hop by hop."""

    def __init__(self, hop_seconds: float) -> None:
        self._weight = min(1.0, hop_seconds / _SETTLING)
        self._offset: float | None = None

    def process(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return a hop of samples without what has been constant."""
        mean = float(samples.mean())
        before = mean if self._offset is None else self._offset
        self._offset = before + self._weight * (mean - before)
        # Glides within the hop: a step would be a click.
        return samples - np.linspace(before, self._offset, len(samples), dtype=np.float32)
