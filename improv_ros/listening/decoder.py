"""From beliefs, hop by hop, to notes that begin and end."""

from __future__ import annotations

from collections import deque
from inspect import signature
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.listening.estimator import PITCHES, Estimate, PerPitch

_BEFORE = 2  # hops before a peak that must be lower

_Mask = npt.NDArray[np.bool_]


IN_HOPS = ('lookahead', 'release_hops')  # the whole numbers among the decoder's arguments


class Decision(NamedTuple):
    """At `hop` (counted from the first estimate, with a fraction) a key goes down, or up if
    velocity is 0."""

    hop: float
    key: int
    velocity: int


class Decoder:
    """Picks the peaks of the onset curve and follows the frame curve until it has faded.

    A peak is decided about `lookahead` hops later. Where it lies between hops is told by its
    neighbours: the onset curve is taken to be a triangle, as in Kong et al., "High-resolution
    piano transcription with pedals by regressing onset and offset times", TASLP 2021. Decisions
    come in order of time, and no key goes down twice without going up in between.

    These may be changed at any time:

    onset_threshold: a note begins at a peak of the onset curve that is believed at least so
        much, 0 to 1.
    frame_share: how much the frame curve counts in this belief, 0 to 1: it is onset ** (1 -
        share) * frame ** share.
    restrike_threshold: the onset threshold of a key that sounds, where that is higher.
    rise: how far the onset curve must have climbed to a peak from its lowest value since the key
        was last struck, 0 to 1.
    frame_threshold: a note ends when its frame curve stays below this, 0 to 1.
    offset_threshold: a note ends where its offset curve is at least this high, 0 to 1.
    refractory: seconds, 0 or more, in which a key that went down does not go down again.
    """

    def __init__(
        self,
        hop_seconds: float,
        onset_threshold: float = 0.5,
        frame_threshold: float = 0.3,
        refractory: float = 0.06,
        lookahead: int = 1,
        release_hops: int = 3,
        restrike_threshold: float = 0.0,
        rise: float = 0.0,
        offset_threshold: float = 1.0,
        frame_share: float = 0.5,
    ) -> None:
        """lookahead: hops after a peak that must not be higher; release_hops: how many hops the
        frame curve must stay low."""
        self.hop_seconds = hop_seconds
        self.onset_threshold = onset_threshold
        self.frame_share = frame_share
        self.restrike_threshold = restrike_threshold
        self.rise = rise
        self.frame_threshold = frame_threshold
        self.offset_threshold = offset_threshold
        self.refractory = refractory
        self.lookahead = lookahead
        self.release_hops = release_hops
        self.reset()

    def reset(self) -> None:
        """Forget everything; keys that are down are forgotten, not released."""
        silence = Estimate(*(np.zeros(PITCHES, np.float32) for _ in range(3)))
        # The hop that is decided about and those after it.
        self._recent = deque([silence] * (1 + self.lookahead), 1 + self.lookahead)
        self._curve: PerPitch = np.zeros((_BEFORE + 1 + self.lookahead, PITCHES), np.float32)
        self._hop = -1 - self.lookahead
        self._sounding: _Mask = np.zeros(PITCHES, bool)
        self._began = np.full(PITCHES, np.iinfo(np.int64).min // 2)
        self._lowest: PerPitch = np.zeros(PITCHES, np.float32)  # of the onset curve since then
        self._faded: npt.NDArray[np.int64] = np.zeros(PITCHES, np.int64)  # hops

    def step(self, estimate: Estimate) -> list[Decision]:
        """Take the estimate of the next hop; decide about the hop `lookahead` before it."""
        self._recent.append(estimate)
        self._curve[:-1] = self._curve[1:]
        self._curve[-1] = estimate.onset
        self._hop += 1
        now = self._recent[0]
        onsets = self._onsets()
        np.minimum(self._lowest, now.onset, out=self._lowest)

        self._faded += 1
        self._faded *= (now.frame < self.frame_threshold) | (self._faded <= 0)
        ends = self._faded >= self.release_hops
        ends |= (now.offset >= self.offset_threshold) & self._is_ready()
        ends &= self._sounding & ~onsets
        decisions = [Decision(self._hop, int(key), 0) for key in np.flatnonzero(ends)]
        self._sounding &= ~ends

        if onsets.any():
            decisions += self._strike(np.flatnonzero(onsets))
            decisions.sort(
                key=lambda decision: decision.hop
            )  # a key is let go before it is struck
        return decisions

    def skip(self) -> None:
        """Let a hop pass in which, as in those before it, nothing is believed to sound."""
        self._hop += 1

    @property
    def sounding(self) -> bool:
        """Whether any key is down."""
        return bool(self._sounding.any())

    def release(self) -> list[Decision]:
        """Let go of every key that is down, at the last hop that was decided about."""
        ends = [Decision(self._hop + 0.5, int(key), 0) for key in np.flatnonzero(self._sounding)]
        self._sounding[:] = False
        return ends

    def _strike(self, keys: npt.NDArray[np.int64]) -> list[Decision]:
        belief = self._curve[_BEFORE:, keys]
        loudness = np.array([estimate.velocity[keys] for estimate in self._recent])
        attack = np.sum(belief * loudness, axis=0) / np.sum(belief, axis=0)
        velocities = np.clip(np.rint(attack * 127), 1, 127).astype(int).tolist()
        hops = (self._hop + self._vertex(keys)).tolist()
        decisions = []
        for key, hop, velocity in zip(keys.tolist(), hops, velocities, strict=True):
            if self._sounding[key]:
                decisions.append(Decision(hop, key, 0))
            decisions.append(Decision(hop, key, velocity))
        self._sounding[keys] = True
        self._began[keys] = self._hop
        self._lowest[keys] = self._recent[0].onset[keys]
        self._faded[keys] = -2  # a note may take that long to swell
        return decisions

    def _is_ready(self) -> _Mask:
        ready: _Mask = self._hop - self._began >= self.refractory / self.hop_seconds
        return ready

    def _onsets(self) -> _Mask:
        now = self._curve[_BEFORE]
        # Of equal neighbours the first is the peak.
        onsets: _Mask = now > self._curve[:_BEFORE].max(axis=0)
        if self.lookahead:
            onsets &= now >= self._curve[_BEFORE + 1 :].max(axis=0)
        onsets &= now - self._lowest >= self.rise
        if not onsets.any():
            return onsets
        frame = np.max([estimate.frame for estimate in self._recent], axis=0)
        belief = now ** (1 - self.frame_share) * frame**self.frame_share
        onsets &= belief >= np.where(
            self._sounding,
            max(self.restrike_threshold, self.onset_threshold),
            self.onset_threshold,
        )
        onsets &= self._is_ready()
        return onsets

    def _vertex(self, keys: npt.NDArray[np.int64]) -> PerPitch:
        """Where the peak lies, in hops from the hop decided about: -0.5 to 0.5."""
        if not self.lookahead:
            return np.zeros(len(keys), np.float32)
        before, now, after = self._curve[_BEFORE - 1 : _BEFORE + 2, keys]
        slope = np.maximum(now - np.minimum(before, after), 1e-6)
        vertex: PerPitch = (after - before) / (2 * slope)
        return vertex


DECODING = tuple(name for name in signature(Decoder).parameters if name != 'hop_seconds')
"""What a decoder can be told, besides how long a hop is."""
