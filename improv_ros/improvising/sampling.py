"""Drawing one choice from a network's logits."""

from typing import NamedTuple

import numpy as np

RULED_OUT = -1e8
"""A logit below this is of something that cannot happen."""


class Bias(NamedTuple):
    """Nats added to a network's logits: a leaning, where a rule would forbid.

    time: (TIMES,), what: (WHATS,), velocity: (VELOCITIES,); or a number for all alike.
    """

    time: np.ndarray | float = 0.0
    what: np.ndarray | float = 0.0
    velocity: np.ndarray | float = 0.0


UNBIASED = Bias()


def choose(
    logits: np.ndarray,
    random: np.random.Generator,
    temperature: float = 1.0,
    top_p: float = 1.0,
    allowed: np.ndarray | None = None,
) -> int | None:
    """Return the index of one choice drawn at random, or None if none is possible.

    temperature: below 1 keeps to what is likely, above 1 dares more. top_p: draws only from
    the likeliest choices that together have this probability (nucleus sampling, Holtzman et
    al. 2020). allowed: bool like logits, False for what must not be drawn.
    """
    possible = logits > RULED_OUT
    if allowed is not None:
        possible &= allowed
    if not possible.any():
        return None
    scaled = np.where(possible, logits / temperature, -np.inf).astype(np.float64)
    odds = np.exp(scaled - scaled.max())
    if top_p < 1:
        order = np.argsort(-odds)
        upto = np.cumsum(odds[order])
        odds[order[upto - odds[order] >= top_p * upto[-1]]] = 0
    upto = np.cumsum(odds)
    drawn = random.random() * upto[-1]
    return int(np.searchsorted(upto, min(drawn, np.nextafter(upto[-1], 0)), side='right'))
