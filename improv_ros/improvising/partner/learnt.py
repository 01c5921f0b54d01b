# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What is learnt of one person, apart from the memory of motifs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from improv_ros.improvising.partner.motif_memory import ORDERS
from improv_ros.improvising.partner.output_heads import HEADS, Heads, OutputHeads

SHIPPED, ADAPTED, MEMORY = range(3)
"""The experts of the mixture: the shipped heads, the adapted ones, and the memory of motifs."""

_FIRST_WEIGHTS = (0.1, 0.6, 0.3)


class Learnt(NamedTuple):
    """What is learnt of one person. It is replaced, never changed in place.

    heads: the adapted heads. weights: (factors, orders + 1, experts), of the mixtures of time,
    event type and velocity, by the number of orders that the memory found. gain: the nats per
    note by which the latest heard notes were more likely than under the shipped network, all
    computed before learning from them. notes: how many notes were learnt from.
    """

    heads: Heads
    weights: np.ndarray
    gain: float = 0.0
    notes: int = 0

    @classmethod
    def nothing(cls, shipped: OutputHeads) -> Learnt:
        """Return what is known before anything is heard."""
        weights = np.tile(np.array(_FIRST_WEIGHTS), (len(HEADS), len(ORDERS) + 1, 1))
        return cls(shipped.heads, weights)

    def pack(self) -> np.ndarray:
        """Return everything as one vector, float32."""
        figures = np.array([self.gain, self.notes])
        parts = [*self.heads.arrays, self.weights, figures]
        return np.concatenate([part.ravel() for part in parts]).astype(np.float32)

    def unpack(self, vector: np.ndarray) -> Learnt:
        """Return what a vector of `pack` holds, with the shapes of this one."""
        arrays, first = [], 0
        for like in (*self.heads.arrays, self.weights):
            arrays.append(vector[first : first + like.size].reshape(like.shape))
            first += like.size
        gain, notes = vector[first:].tolist()
        return Learnt(
            Heads.of_arrays(arrays[:12]), arrays[12].astype(np.float64), gain, round(notes)
        )
