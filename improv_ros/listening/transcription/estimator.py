# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The interface of an estimator: audio in, one hop at a time; posteriors of the 88 keys out."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

LOWEST_PITCH = 21  # MIDI pitch of key 0
PITCHES = 88

Samples = npt.NDArray[np.float32]
"""Mono audio, float32 in [-1, 1), shape (samples,)."""

PerKey = npt.NDArray[np.float32]
"""One value for each key from A0 (MIDI pitch 21) to C8, float32, shape (88,)."""

OUTPUTS = ('onset', 'frame', 'offset', 'velocity')
"""The outputs of the network for each key, in this order."""

_NEVER: PerKey = np.zeros(PITCHES, np.float32)


class Estimate(NamedTuple):
    """The posteriors of the 88 keys at one hop; arrays of shape (88,)."""

    onset: PerKey  # probability that a note begins, 0 to 1
    frame: PerKey  # probability that a note sounds, 0 to 1
    velocity: PerKey  # MIDI velocity / 127 of a note that begins, 0 to 1
    offset: PerKey = _NEVER  # probability that a note ends, 0 to 1


class Confirmation(NamedTuple):
    """How the posteriors of a longer delay are decoded into confirmed notes.

    The fields are those of `Estimator`.
    """

    latency_hops: int
    onset_bias: float = 0.0
    offset_bias: float = 0.0
    decoding: Mapping[str, float] = MappingProxyType({})


class Estimator(Protocol):
    """Estimates posteriors hop by hop and carries its own state, as a recurrent network does.

    sample_rate: Hz.
    hop: samples of a step.
    latency_hops: by how many hops the output lags the input.
    onset_bias: mean error of the onset times, in seconds; positive: they are late.
    offset_bias: mean error of the offset times, likewise.
    decoding: the arguments of Decoder that are tuned for this estimator.
    confirmation: how the posteriors of its longer delay are decoded; None: it has one delay.
    """

    sample_rate: int
    hop: int
    latency_hops: int
    onset_bias: float = 0.0
    offset_bias: float = 0.0
    decoding: Mapping[str, float] = MappingProxyType({})
    confirmation: Confirmation | None = None

    def reset(self) -> None:
        """Return to the initial state, as after long silence."""

    def step(self, samples: Samples) -> Estimate:
        """Process the next hop, `hop` samples; return the posteriors."""
        ...

    def step_both(self, samples: Samples) -> tuple[Estimate, Estimate]:
        """Process the next hop like `step`; return also the posteriors of the longer delay."""
        estimate = self.step(samples)  # here there is one delay
        return estimate, estimate
