"""How loud a microphone is: a muted input looks exactly like a working one until you measure."""

from __future__ import annotations

import math

import numpy as np

FULL_SCALE = 32768
CLIPPED = 32767
AUDIBLE = -60.0  # dBFS; room noise of a working microphone seldom peaks lower


class LevelMeter:
    """Peak level, clipping and the time since the last sound, over int16 audio."""

    def __init__(self) -> None:
        self.last_sound: int | None = None
        self.clipped = 0
        self._peak = 0

    def feed(self, samples: np.ndarray, time: int) -> None:
        """Take in int16 samples of any shape that arrived at `time` (nanoseconds)."""
        if not samples.size:
            return
        peak = max(int(samples.max()), -int(samples.min()))
        self._peak = max(self._peak, peak)
        if peak >= CLIPPED:
            self.clipped += int(np.count_nonzero(np.abs(samples.astype(np.int32)) >= CLIPPED))
        if dbfs(peak) > AUDIBLE:
            self.last_sound = time

    def take_peak(self) -> float:
        """Return the peak since the last call, in dBFS (-inf for digital silence)."""
        peak, self._peak = self._peak, 0
        return dbfs(peak)


def dbfs(amplitude: int) -> float:
    """Return an int16 amplitude in decibels below full scale."""
    return 20 * math.log10(amplitude / FULL_SCALE) if amplitude else -math.inf
