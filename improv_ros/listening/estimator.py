"""What the streaming frame asks of anything that hears notes in sound."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

LOWEST_PITCH = 21
PITCHES = 88

PerPitch = npt.NDArray[np.float32]

BELIEFS = ('onset', 'frame', 'offset', 'velocity')
"""What a network believes about each key, in this order."""

_NEVER: PerPitch = np.zeros(PITCHES, np.float32)


class Estimate(NamedTuple):
    """What is believed about each of the 88 piano keys at one hop; arrays of shape (88,)."""

    onset: PerPitch  # 0 to 1: that a note begins
    frame: PerPitch  # 0 to 1: that a note sounds
    velocity: PerPitch  # 0 to 1: MIDI velocity / 127 of a note that begins
    offset: PerPitch = _NEVER  # 0 to 1: that a note ends


class Estimator(Protocol):
    """Hears notes one hop at a time and keeps its own state, as a recurrent network does.

    sample_rate: Hz. hop: samples a step. latency_hops: the estimate that a step returns is about
    the sound that many hops before the hop it was given. onset_bias: seconds by which the peaks
    of its onset curve come late besides, on the average. decoding: the arguments of Decoder that
    do best with its beliefs.
    """

    sample_rate: int
    hop: int
    latency_hops: int
    onset_bias: float = 0.0
    decoding: Mapping[str, float] = MappingProxyType({})

    def reset(self) -> None:
        """Forget all that was heard."""

    def step(self, samples: PerPitch) -> Estimate:
        """Hear `hop` more samples, float32 in [-1, 1)."""
        ...
