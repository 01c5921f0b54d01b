# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A mixture of experts whose weights are learnt from event to event.

The mixture multiplies the probabilities that the experts give, each to the power of its weight
(a product of experts; in data compression: logistic mixing, Mahoney 2005). The weights follow the
gradient of the negative log-likelihood of what is heard, which is convex in them. So the mixture
is soon about as good as the best weights in hindsight, and thus as the best single expert.
"""

from __future__ import annotations

import numpy as np

from improv_ros.improvising.partner.output_heads import IMPOSSIBLE, log_softmax

LEAST = -20.0  # nats: the logarithm of the least probability of an expert
LARGEST_GRADIENT = 3.0


def mix(experts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return log-probabilities (outcomes,) of experts' (experts, outcomes) and their weights."""
    mixed = weights @ np.maximum(experts, LEAST)
    mixed[experts[0] < IMPOSSIBLE / 2] = IMPOSSIBLE
    return log_softmax(mixed)


def learn(
    experts: np.ndarray, weights: np.ndarray, outcome: int, rate: float
) -> tuple[np.ndarray, float]:
    """Return the weights after an outcome, and its negative log-likelihood before, in nats."""
    bounded = np.maximum(experts, LEAST)
    log_p = mix(experts, weights)
    slope = bounded @ np.exp(log_p) - bounded[:, outcome]
    slope = np.minimum(np.maximum(slope, -LARGEST_GRADIENT), LARGEST_GRADIENT)
    return weights - rate * slope, -float(log_p[outcome])
