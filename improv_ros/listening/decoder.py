"""From beliefs, hop by hop, to notes that begin and end."""

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.listening.estimator import PITCHES, Estimate


class Decision(NamedTuple):
    """At `hop` (counted from the first estimate) a key goes down, or up if velocity is 0."""

    hop: int
    key: int
    velocity: int


class Decoder:
    """Picks the peaks of the onset curve and follows the frame curve until it has faded.

    Every decision at a step is dated `lookahead` hops back, so decisions come in order of time,
    and no key goes down twice without going up in between.

    These may be changed at any time:

    onset_threshold: a note begins at a peak of the onset curve at least this high, 0 to 1.
    frame_threshold: a note ends when its frame curve stays below this, 0 to 1.
    refractory: seconds, 0 or more, in which a key that went down does not go down again.
    """

    def __init__(
        self,
        hop_seconds: float,
        onset_threshold: float = 0.5,
        frame_threshold: float = 0.3,
        refractory: float = 0.06,
        lookahead: int = 2,
        release_hops: int = 3,
    ) -> None:
        """lookahead: hops to either side over which a peak must be the highest; release_hops:
        how many hops the frame curve must stay low."""
        self.hop_seconds = hop_seconds
        self.onset_threshold = onset_threshold
        self.frame_threshold = frame_threshold
        self.refractory = refractory
        self.lookahead = lookahead
        self.release_hops = release_hops
        self.reset()

    def reset(self) -> None:
        """Forget everything; keys that are down are forgotten, not released."""
        before_time = Estimate(*(np.zeros(PITCHES, np.float32) for _ in range(3)))
        self._recent = deque([before_time] * (2 * self.lookahead + 1), 2 * self.lookahead + 1)
        self._hop = -1 - self.lookahead
        self._sounding = np.zeros(PITCHES, bool)
        self._began = np.full(PITCHES, np.iinfo(np.int64).min // 2)
        self._faded: npt.NDArray[np.int64] = np.zeros(PITCHES, np.int64)

    def step(self, estimate: Estimate) -> list[Decision]:
        """Take the estimate of the next hop; decide about the hop `lookahead` before it."""
        self._recent.append(estimate)
        self._hop += 1
        now = self._recent[self.lookahead]
        onsets = self._onsets(now)

        self._faded = np.where(now.frame < self.frame_threshold, self._faded + 1, 0)
        ends = self._sounding & ((self._faded >= self.release_hops) | onsets)
        decisions = [Decision(self._hop, int(key), 0) for key in np.flatnonzero(ends)]
        self._sounding &= ~ends

        if onsets.any():
            attack = np.max([self._recent[i].velocity for i in self._attack()], axis=0)
            velocities = np.clip(np.rint(attack * 127), 1, 127).astype(int)
            decisions += [
                Decision(self._hop, int(key), int(velocities[key]))
                for key in np.flatnonzero(onsets)
            ]
            self._sounding |= onsets
            self._began[onsets] = self._hop
            self._faded[onsets] = -self.lookahead  # a note may take that long to swell
        return decisions

    def release(self) -> list[Decision]:
        """Let go of every key that is down, at the last hop that was decided about."""
        ends = [Decision(self._hop, int(key), 0) for key in np.flatnonzero(self._sounding)]
        self._sounding[:] = False
        return ends

    def _attack(self) -> range:
        return range(self.lookahead, 2 * self.lookahead + 1)

    def _onsets(self, now: Estimate) -> np.ndarray:
        curve = np.array([estimate.onset for estimate in self._recent])
        before, after = curve[: self.lookahead], curve[self.lookahead + 1 :]
        ready = self._hop - self._began >= self.refractory / self.hop_seconds
        # Of equal neighbours the first is the peak.
        peak = (now.onset > before.max(axis=0)) & (now.onset >= after.max(axis=0))
        return peak & ready & (now.onset >= self.onset_threshold)
