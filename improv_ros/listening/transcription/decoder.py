# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Decodes posteriors, hop by hop, into notes."""

from __future__ import annotations

from collections import deque
from inspect import signature
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.listening.transcription.estimator import PITCHES, Estimate, PerKey

_BEFORE = 2  # hops before a peak that must all be lower

_Mask = npt.NDArray[np.bool_]

HOP_SETTINGS = ('lookahead', 'release_hops')
"""The arguments of Decoder that are whole numbers of hops."""


class Decision(NamedTuple):
    """A key goes down (velocity 1 to 127) or up (velocity 0).

    hop: when, in hops from the first estimate, with a fraction. key: 0 to 87.
    """

    hop: float
    key: int
    velocity: int


class Decoder:
    """Picks the peaks of the onset posterior, and follows the frame posterior until it is low.

    A peak is known `lookahead` hops later. Its place between hops is interpolated from its
    neighbours as if the onset posterior were a triangle (Kong et al., "High-resolution piano
    transcription with pedals by regressing onset and offset times", TASLP 2021). Decisions are
    returned in the order of time, and a key that is down goes up before it goes down again.

    These attributes may be changed between two steps:

    onset_threshold: minimum onset score of a note, 0 to 1. The score of a peak is
        onset ** (1 - frame_weight) * frame ** frame_weight.
    frame_weight: weight of the frame posterior in the onset score, 0 to 1.
    restrike_threshold: minimum onset score of a key that is down, if above onset_threshold.
    rise: minimum rise of the onset posterior, from its lowest value since the last onset of the
        key to the peak, 0 to 1.
    frame_threshold: a note ends when its frame posterior stays below this, 0 to 1.
    offset_threshold: a note ends where its offset posterior is at least this, 0 to 1.
    refractory: shortest time between two onsets of a key, in seconds.
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
        frame_weight: float = 0.5,
    ) -> None:
        """hop_seconds: seconds between two estimates. lookahead: hops after a peak that must not
        be higher. release_hops: hops for which the frame posterior must be low to end a note.
        """
        self.hop_seconds = hop_seconds
        self.onset_threshold = onset_threshold
        self.frame_weight = frame_weight
        self.restrike_threshold = restrike_threshold
        self.rise = rise
        self.frame_threshold = frame_threshold
        self.offset_threshold = offset_threshold
        self.refractory = refractory
        self.lookahead = lookahead
        self.release_hops = release_hops
        self.reset()

    def reset(self) -> None:
        """Return to the initial state. Keys that are down are not released; see `release`."""
        silence = Estimate(*(np.zeros(PITCHES, np.float32) for _ in range(3)))
        # The current hop, about which `step` decides, and the `lookahead` hops after it.
        self._recent = deque([silence] * (1 + self.lookahead), 1 + self.lookahead)
        self._curve: PerKey = np.zeros((_BEFORE + 1 + self.lookahead, PITCHES), np.float32)
        self._hop = -1 - self.lookahead
        self._sounding: _Mask = np.zeros(PITCHES, bool)
        self._began = np.full(PITCHES, np.iinfo(np.int64).min // 2)
        self._lowest: PerKey = np.zeros(PITCHES, np.float32)  # onset posterior since then
        self._faded: npt.NDArray[np.int64] = np.zeros(PITCHES, np.int64)  # hops

    def step(self, estimate: Estimate) -> list[Decision]:
        """Process the next estimate; return the decisions about the hop `lookahead` before it."""
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
        ends |= (now.offset >= self.offset_threshold) & self._refractory_over()
        ends &= self._sounding & ~onsets
        decisions = [Decision(self._hop, int(key), 0) for key in np.flatnonzero(ends)]
        self._sounding &= ~ends

        if onsets.any():
            decisions += self._start_notes(np.flatnonzero(onsets))
            # The sort is stable: a key goes up before it goes down again.
            decisions.sort(key=lambda decision: decision.hop)
        return decisions

    def skip(self) -> None:
        """Advance by one hop of silence, when no key is down and all posteriors are low."""
        self._hop += 1

    @property
    def sounding(self) -> bool:
        """Whether any key is down."""
        return bool(self._sounding.any())

    def release(self) -> list[Decision]:
        """Return a decision that ends each key that is down, at the current hop."""
        ends = [Decision(self._hop + 0.5, int(key), 0) for key in np.flatnonzero(self._sounding)]
        self._sounding[:] = False
        return ends

    def _start_notes(self, keys: npt.NDArray[np.int64]) -> list[Decision]:
        # The mean of the velocities from the peak on, weighted by the onset posterior.
        onset = self._curve[_BEFORE:, keys]
        velocity_outputs = np.array([estimate.velocity[keys] for estimate in self._recent])
        means = np.sum(onset * velocity_outputs, axis=0) / np.sum(onset, axis=0)
        velocities = np.clip(np.rint(means * 127), 1, 127).astype(int).tolist()
        hops = (self._hop + self._peak_offset(keys)).tolist()
        decisions = []
        for key, hop, velocity in zip(keys.tolist(), hops, velocities, strict=True):
            if self._sounding[key]:
                decisions.append(Decision(hop, key, 0))
            decisions.append(Decision(hop, key, velocity))
        self._sounding[keys] = True
        self._began[keys] = self._hop
        self._lowest[keys] = self._recent[0].onset[keys]
        self._faded[keys] = -2  # hops in which the frame posterior may still rise
        return decisions

    def _refractory_over(self) -> _Mask:
        ready: _Mask = self._hop - self._began >= self.refractory / self.hop_seconds
        return ready

    def _onsets(self) -> _Mask:
        now = self._curve[_BEFORE]
        # If neighbours are equal, the first one is the peak.
        onsets: _Mask = now > self._curve[:_BEFORE].max(axis=0)
        if self.lookahead:
            onsets &= now >= self._curve[_BEFORE + 1 :].max(axis=0)
        onsets &= now - self._lowest >= self.rise
        if not onsets.any():
            return onsets
        frame = np.max([estimate.frame for estimate in self._recent], axis=0)
        score = now ** (1 - self.frame_weight) * frame**self.frame_weight
        onsets &= score >= np.where(
            self._sounding,
            max(self.restrike_threshold, self.onset_threshold),
            self.onset_threshold,
        )
        onsets &= self._refractory_over()
        return onsets

    def _peak_offset(self, keys: npt.NDArray[np.int64]) -> PerKey:
        """Return the place of the peak in hops from the current hop, -0.5 to 0.5."""
        if not self.lookahead:
            return np.zeros(len(keys), np.float32)
        before, now, after = self._curve[_BEFORE - 1 : _BEFORE + 2, keys]
        slope = np.maximum(now - np.minimum(before, after), 1e-6)
        offset: PerKey = (after - before) / (2 * slope)
        return offset


DECODER_SETTINGS = tuple(name for name in signature(Decoder).parameters if name != 'hop_seconds')
"""The names of the settings of a decoder."""
