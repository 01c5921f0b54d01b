# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""N-gram baselines, with back-off to shorter contexts by absolute discounting.

After Ney, Essen and Kneser, "On structuring probabilistic dependences in stochastic language
modelling", 1994: p(x | h) = (max(count(h x) - d, 0) + d kinds(h) p(x | shorter h)) / count(h),
where kinds(h) is the number of different outcomes after the context h, and d = n1 / (n1 + 2 n2),
n1 and n2 being the number of pairs (h, x) with contexts of that length that were counted once and
twice; d = 0.5 if n1 is 0. For a context that was never counted, p(x | h) = p(x | shorter h).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from improv_ros.improvising.network.vocabulary import EVENT_TYPES, TIME_BINS, VELOCITY_BINS
from improv_ros.training.improviser.dataset import Dataset
from improv_ros.training.improviser.likelihood import NegativeLogLikelihood
from improv_ros.training.improviser.representations import (
    PERFORMANCE_RNN,
    TOKENS,
    Representation,
    seconds,
)

_ODD = np.uint64(0x9E3779B97F4A7C15)


class Variable(NamedTuple):
    """One variable to predict in every step.

    values: int (steps,), what it was; context: arrays (steps,) of the variables that are known,
    the most informative first; outcomes: number of possible values.
    """

    values: np.ndarray
    context: list[np.ndarray]
    outcomes: int


class _Table(NamedTuple):
    """Counts for one length of context; contexts and pairs are hashed and sorted.

    pairs, pair_counts: each context with a value; contexts, context_counts: each context;
    kinds: number of different values after each context; discount: d of the formula.
    """

    pairs: np.ndarray
    pair_counts: np.ndarray
    contexts: np.ndarray
    context_counts: np.ndarray
    kinds: np.ndarray
    discount: float


class BackOff:
    """The n-gram of one variable."""

    def __init__(self, outcomes: int) -> None:
        self._outcomes = outcomes
        self._tables: list[_Table] = []

    def count(self, values: np.ndarray, context: Sequence[np.ndarray]) -> None:
        """Count values after contexts of every length, from none to the longest."""
        self._tables = []
        for known in _contexts(len(values), context):
            pairs, place, pair_counts = np.unique(
                _hash(known, values), return_index=True, return_counts=True
            )
            contexts, context_counts = np.unique(known, return_counts=True)
            # The number of different values after a context is the number of its pairs.
            kinds = np.bincount(np.searchsorted(contexts, known[place]), minlength=len(contexts))
            once, twice = (np.count_nonzero(pair_counts == number) for number in (1, 2))
            discount = once / (once + 2 * twice) if once else 0.5
            self._tables.append(
                _Table(
                    pairs,
                    pair_counts.astype(np.int32),
                    contexts,
                    context_counts.astype(np.int32),
                    kinds.astype(np.int32),
                    discount,
                )
            )

    def nats(self, values: np.ndarray, context: Sequence[np.ndarray]) -> float:
        """Return the negative log-likelihood of values, in all."""
        odds: np.ndarray = np.full(len(values), 1 / self._outcomes)
        tables = zip(_contexts(len(values), context), self._tables, strict=True)
        for known, table in tables:
            pair_count = _look_up(table.pairs, table.pair_counts, _hash(known, values))
            count = _look_up(table.contexts, table.context_counts, known)
            kinds = _look_up(table.contexts, table.kinds, known)
            mass = np.maximum(pair_count - table.discount, 0) + table.discount * kinds * odds
            odds = np.where(count > 0, mass / np.maximum(count, 1), odds)
        return float(-np.log(odds).sum())


def _contexts(length: int, context: Sequence[np.ndarray]) -> Iterable[np.ndarray]:
    known = np.zeros(length, np.uint64)
    yield known
    for more in context:
        known = _hash(known, more)
        yield known


def _hash(known: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Return one number for two; collisions are rare."""
    mixed = (known ^ (known >> np.uint64(29))) * _ODD + more.astype(np.uint64) + np.uint64(1)
    return mixed * _ODD


def _look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def event_variables(steps: Sequence[np.ndarray], order: int) -> list[Variable]:
    """Return time, event type and velocity of every event, given the `order` - 1 events before.

    The context of time and event type is event type and time of the events before, the nearest
    first, and for the event type also its own time; that of the velocity is the velocities before.
    """
    before = [_before(steps, lag).astype(np.int64) for lag in range(1, order)]
    time, event_type, velocity = np.concatenate(steps).T[:3]
    nearest = [before[0][:, 1]] if before else []
    farther = [
        nearer[:, 0] + (TIME_BINS + 1) * further[:, 1] for nearer, further in pairwise(before)
    ]
    pressed = [each[each[:, 2] > 0, 2:3] for each in steps]
    velocities = [_before(pressed, lag)[:, 0] for lag in range(1, order)]
    return [
        Variable(time, [*nearest, *farther], TIME_BINS),
        Variable(event_type, [*nearest, *([time] if nearest else []), *farther], EVENT_TYPES),
        Variable(velocity[velocity > 0] - 1, velocities, VELOCITY_BINS),
    ]


def token_variables(tokens: Sequence[np.ndarray], order: int) -> list[Variable]:
    """Return every token, given the `order` - 1 tokens before."""
    before = [_before(tokens, lag)[:, 0] for lag in range(1, order)]
    return [Variable(np.concatenate(tokens)[:, 0], before, TOKENS)]


def _before(sequences: Sequence[np.ndarray], lag: int) -> np.ndarray:
    """Return the element `lag` places before each, in the same sequence; -1 before its begin."""
    shifted = []
    for sequence in sequences:
        other = np.full_like(sequence, -1)
        other[lag:] = sequence[:-lag]
        shifted.append(other)
    return np.concatenate(shifted)


class NGram:
    """An n-gram over the steps of a representation; order: n."""

    def __init__(self, representation: Representation, order: int) -> None:
        self.representation, self.order = representation, order
        tokens = representation is PERFORMANCE_RNN
        self._variables: Callable[..., list[Variable]] = (
            token_variables if tokens else event_variables
        )
        self._models: list[BackOff] = []

    def count(self, dataset: Dataset, numbers: Iterable[int]) -> NGram:
        """Count in performances of a data set, without augmentation; return the n-gram."""
        steps = [self.representation.steps(dataset.performance(number)) for number in numbers]
        for variable in self._variables(steps, self.order):
            model = BackOff(variable.outcomes)
            model.count(variable.values, variable.context)
            self._models.append(model)
        return self

    def evaluate(self, dataset: Dataset, numbers: Sequence[int]) -> NegativeLogLikelihood:
        """Return the negative log-likelihood of performances of a data set."""
        steps = [self.representation.steps(dataset.performance(number)) for number in numbers]
        variables = self._variables(steps, self.order)
        nats = [
            model.nats(variable.values, variable.context)
            for model, variable in zip(self._models, variables, strict=True)
        ]
        time, event_type, velocity = nats if len(nats) == 3 else (0.0, nats[0], 0.0)
        together = np.concatenate(steps)
        return NegativeLogLikelihood(
            time + self.representation.exact(together),
            event_type,
            velocity,
            len(together),
            int(self.representation.is_note(together).sum()),
            sum(seconds(dataset.performance(number)) for number in numbers),
        )
