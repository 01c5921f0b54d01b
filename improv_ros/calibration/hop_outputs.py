# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the network says of a recording, hop by hop, kept so that fits can decode it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.listening.transcription.decoder import Decoder
from improv_ros.listening.transcription.estimator import (
    LOWEST_PITCH,
    PITCHES,
    Estimate,
    PerKey,
    Samples,
)
from improv_ros.listening.transcription.streaming_transcriber import DCBlocker
from improv_ros.listening.transcription.transcription_runtime import (
    NetworkEstimator,
    velocity_estimator_for,
)
from improv_ros.listening.transcription.velocity_estimation import VelocityEstimator, features
from improv_ros.listening.transcription.velocity_scale import VelocityScale

Floats = npt.NDArray[np.float64]
Curves = npt.NDArray[np.float16]
"""In half precision: a program of two minutes takes 13 MB."""

VELOCITY_HOPS = 2  # the decoder averages velocities over the peak and the hop after it


class HeardNote(NamedTuple):
    """A note as decoded. onset, offset: seconds since the first sample, without any bias taken
    off. hop: of the peak, in the arrays of HopOutputs."""

    onset: float
    offset: float
    pitch: int
    velocity: int
    hop: int


class HopOutputs(NamedTuple):
    """The outputs of a network over a recording, at one of its delays.

    onset, frame, offset: probabilities, (hops, 88). velocity: as estimated without a
    calibration, 0 to 1, (hops, 88). power: common logarithms of `velocity_estimation.powers`, of
    the loudest of the last hops, (hops, 89). logit: of the network's own velocity, (hops, 88).
    latency_hops: by how many hops the outputs lag the sound.
    """

    onset: Curves
    frame: Curves
    offset: Curves
    velocity: Curves
    power: Curves
    logit: Curves
    hop_seconds: float
    latency_hops: int

    def features(self, hops: npt.NDArray[np.int64], keys: npt.NDArray[np.int64]) -> Floats:
        """Return the features of velocity estimation of notes, (notes, features)."""
        rows = []
        for hop, key in zip(hops.tolist(), keys.tolist(), strict=True):
            near = range(hop, min(hop + VELOCITY_HOPS, len(self.onset)))
            weights: Floats = np.array([float(self.onset[each, key]) for each in near]) + 1e-6
            found = np.array([self._features_at(each)[:, key] for each in near])
            rows.append(weights @ found / weights.sum())
        return np.array(rows).reshape(len(hops), -1)

    def _features_at(self, hop: int) -> Floats:
        logit = self.logit[hop].astype(np.float64)
        return np.asarray(
            features(10 ** self.power[hop].astype(np.float64), 1 / (1 + np.exp(-logit))),
            np.float64,
        )

    def decode(
        self, decoding: Mapping[str, Any], scale: VelocityScale | None = None
    ) -> list[HeardNote]:
        """Return the notes that a decoder with these settings finds, in the order of onsets."""
        decoder = Decoder(self.hop_seconds, **decoding)
        notes: list[HeardNote] = []
        sounding: dict[int, tuple[float, int, int]] = {}
        decisions = [
            decision
            for row in zip(
                self.onset.astype(np.float32),
                self.frame.astype(np.float32),
                self.velocity.astype(np.float32),
                self.offset.astype(np.float32),
                strict=True,
            )
            for decision in decoder.step(Estimate(*row))
        ]
        for hop, key, velocity in decisions + decoder.release():
            seconds = (hop - self.latency_hops) * self.hop_seconds
            if velocity:
                sounding[key] = seconds, velocity, round(hop)
            else:
                onset, onset_velocity, peak = sounding.pop(key)
                notes.append(HeardNote(onset, seconds, key + LOWEST_PITCH, onset_velocity, peak))
        return sorted(notes if scale is None else self.rescaled(notes, scale))

    def rescaled(self, notes: list[HeardNote], scale: VelocityScale) -> list[HeardNote]:
        """Return the notes with the velocities of a scale."""
        if not notes:
            return []
        keys = np.array([note.pitch - LOWEST_PITCH for note in notes])
        found = self.features(np.array([note.hop for note in notes]), keys)
        velocities = np.rint(scale.of(found @ scale.weights, keys)).astype(int).tolist()
        return [n._replace(velocity=v) for n, v in zip(notes, velocities, strict=True)]

    def save(self, path: Path) -> None:
        """Write an .npz file."""
        values: dict[str, Any] = self._asdict()
        with path.open('wb') as file:
            np.savez_compressed(file, **values)

    @classmethod
    def load(cls, path: Path) -> HopOutputs:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            stored = {name: file[name] for name in cls._fields}
        return cls(**{name: v if v.ndim else v.item() for name, v in stored.items()})


class _FeatureKeeper(VelocityEstimator):
    """Estimates velocities as usual, and keeps what they were estimated from."""

    def __init__(self, delay: int) -> None:
        super().__init__(velocity_estimator_for(delay).hops)
        self.kept: list[tuple[PerKey, PerKey]] = []

    def step_powers(
        self, power: npt.NDArray[np.floating], onset: PerKey, network_velocity: PerKey
    ) -> PerKey:
        velocity = super().step_powers(power, onset, network_velocity)
        loudest = np.log10(np.max(self._powers, axis=0) + 1e-10)
        probability = np.clip(network_velocity, 0.01, 0.99)
        self.kept.append(
            (
                loudest.astype(np.float16),
                np.log(probability / (1 - probability)).astype(np.float16),
            )
        )
        return velocity


class OutputRecorder:
    """Runs a network over a recording that comes in blocks, and keeps all its outputs.

    It replaces the velocity estimators of the network, which is then its own.
    """

    def __init__(self, estimator: NetworkEstimator) -> None:
        self._estimator = estimator
        self._keepers = {delay: _FeatureKeeper(delay) for delay in estimator.velocity_estimators}
        estimator.velocity_estimators.update(self._keepers)
        estimator.reset()
        self._hop_seconds = estimator.hop / estimator.sample_rate
        self._dc_blocker = DCBlocker(self._hop_seconds)
        self._pending: Samples = np.zeros(0, np.float32)
        self._rows: dict[int, list[Curves]] = {delay: [] for delay in self._keepers}

    def feed(self, samples: Samples) -> None:
        """Process samples at the sample rate of the network."""
        hop = self._estimator.hop
        pending = np.concatenate((self._pending, samples), dtype=np.float32)
        whole = len(pending) - len(pending) % hop
        self._pending = pending[whole:]
        for block in pending[:whole].reshape(-1, hop):
            for delay, estimate in self._estimator.outputs(
                self._dc_blocker.process(block)
            ).items():
                self._rows[delay].append(np.array(estimate, np.float16))

    def finish(self) -> dict[int, HopOutputs]:
        """Return the outputs by delay, in hops, after silence for the longest delay."""
        tail = (max(self._rows) + 2) * self._estimator.hop
        self.feed(np.zeros(tail + self._estimator.hop - len(self._pending), np.float32))
        return {delay: self._outputs(delay) for delay in self._rows}

    def _outputs(self, delay: int) -> HopOutputs:
        rows = np.array(self._rows[delay]).reshape(-1, len(Estimate._fields), PITCHES)
        named = dict(zip(Estimate._fields, rows.transpose(1, 0, 2), strict=True))
        power, logit = zip(*self._keepers[delay].kept, strict=True)
        return HopOutputs(
            named['onset'],
            named['frame'],
            named['offset'],
            named['velocity'],
            np.array(power, np.float16),
            np.array(logit, np.float16),
            self._hop_seconds,
            delay,
        )


def outputs_of(estimator: NetworkEstimator, blocks: Iterable[Samples]) -> dict[int, HopOutputs]:
    """Return the outputs of a network for a recording, by delay."""
    recorder = OutputRecorder(estimator)
    for block in blocks:
        recorder.feed(block)
    return recorder.finish()
