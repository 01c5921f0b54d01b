"""Models without a network: how often each thing came after what was just before it.

An n-gram with back-off: what was seldom heard in a context gives way to what was heard in a
shorter one, by absolute discounting (Ney, Essen and Kneser 1994): p(x | h) = (max(count(h x) - d,
0) + d kinds(h) p(x | shorter h)) / count(h), where kinds(h) is how many different things came
after h, and d = n1 / (n1 + 2 n2) of how many things came after some h of that length once or
twice, or a half if none did. A context never heard gives way altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from improv_ros.improvising.vocabulary import TIMES, VELOCITIES, WHATS

from .dataset import Dataset
from .evaluation import Surprise
from .representations import PERFORMANCE_RNN, TOKENS, Representation, seconds

_ODD = np.uint64(0x9E3779B97F4A7C15)


class Question(NamedTuple):
    """One thing to guess in every step.

    answers: int (guesses,); context: arrays (guesses,) of what is known, the most telling
    first; outcomes: how many answers there are.
    """

    answers: np.ndarray
    context: list[np.ndarray]
    outcomes: int


class _Table(NamedTuple):
    """Counts of one length of context.

    pairs, times: contexts with an answer, and how often they came; contexts, heard, kinds: how
    often each came and before how many different answers; discount: what is taken off a count.
    """

    pairs: np.ndarray
    times: np.ndarray
    contexts: np.ndarray
    heard: np.ndarray
    kinds: np.ndarray
    discount: float


class BackOff:
    """What was counted for one question."""

    def __init__(self, outcomes: int) -> None:
        self._outcomes = outcomes
        self._tables: list[_Table] = []

    def learn(self, answers: np.ndarray, context: Sequence[np.ndarray]) -> None:
        """Count answers after all contexts, from none to the longest."""
        self._tables = []
        for known in _contexts(len(answers), context):
            pairs, place, times = np.unique(
                _mix(known, answers), return_index=True, return_counts=True
            )
            contexts, heard = np.unique(known, return_counts=True)
            # How many different answers a context had: in how many pairs it stands.
            kinds = np.bincount(np.searchsorted(contexts, known[place]), minlength=len(contexts))
            once, twice = (np.count_nonzero(times == number) for number in (1, 2))
            # Where everything came often, something new must still be possible.
            discount = once / (once + 2 * twice) if once else 0.5
            counts = (each.astype(np.int32) for each in (times, heard, kinds))
            times, heard, kinds = counts
            self._tables.append(_Table(pairs, times, contexts, heard, kinds, discount))

    def nats(self, answers: np.ndarray, context: Sequence[np.ndarray]) -> float:
        """Return how surprising answers are in all."""
        odds = np.full(len(answers), 1 / self._outcomes)
        tables = zip(_contexts(len(answers), context), self._tables, strict=True)
        for known, table in tables:
            came = _look_up(table.pairs, table.times, _mix(known, answers))
            count = _look_up(table.contexts, table.heard, known)
            kinds = _look_up(table.contexts, table.kinds, known)
            kept = np.maximum(came - table.discount, 0) + table.discount * kinds * odds
            odds = np.where(count > 0, kept / np.maximum(count, 1), odds)
        return float(-np.log(odds).sum())


def _contexts(length: int, context: Sequence[np.ndarray]) -> Iterable[np.ndarray]:
    known = np.zeros(length, np.uint64)
    yield known
    for more in context:
        known = _mix(known, more)
        yield known


def _mix(known: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Return one number for two, different ones for different pairs but for rare accidents."""
    mixed = (known ^ (known >> np.uint64(29))) * _ODD + more.astype(np.uint64) + np.uint64(1)
    return mixed * _ODD


def _look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def event_questions(steps: Sequence[np.ndarray], order: int) -> list[Question]:
    """Return when, what and how loud of every event, in the light of `order` - 1 before it."""
    before = [_before(steps, lag).astype(np.int64) for lag in range(1, order)]
    time, what, velocity = np.concatenate(steps).T[:3]
    nearest = [before[0][:, 1]] if before else []
    farther = [nearer[:, 0] + (TIMES + 1) * further[:, 1] for nearer, further in pairwise(before)]
    pressed = [each[each[:, 2] > 0, 2:3] for each in steps]
    louds = [_before(pressed, lag)[:, 0] for lag in range(1, order)]
    return [
        Question(time, [*nearest, *farther], TIMES),
        Question(what, [*nearest, *([time] if nearest else []), *farther], WHATS),
        Question(velocity[velocity > 0] - 1, louds, VELOCITIES),
    ]


def token_questions(tokens: Sequence[np.ndarray], order: int) -> list[Question]:
    """Return every token in the light of the `order` - 1 before it."""
    before = [_before(tokens, lag)[:, 0] for lag in range(1, order)]
    return [Question(np.concatenate(tokens)[:, 0], before, TOKENS)]


def _before(pieces: Sequence[np.ndarray], lag: int) -> np.ndarray:
    """Return what stood `lag` places before, in the same piece; -1 before its beginning."""
    shifted = []
    for piece in pieces:
        other = np.full_like(piece, -1)
        other[lag:] = piece[:-lag]
        shifted.append(other)
    return np.concatenate(shifted)


class NGram:
    """An n-gram over the steps of a representation."""

    def __init__(self, representation: Representation, order: int) -> None:
        self.representation, self.order = representation, order
        tokens = representation is PERFORMANCE_RNN
        self._questions: Callable[..., list[Question]] = (
            token_questions if tokens else event_questions
        )
        self._models: list[BackOff] = []

    def learn(self, dataset: Dataset, numbers: Iterable[int]) -> NGram:
        """Count in performances of a data set, as they were played."""
        steps = [self.representation.steps(dataset.performance(number)) for number in numbers]
        for question in self._questions(steps, self.order):
            model = BackOff(question.outcomes)
            model.learn(question.answers, question.context)
            self._models.append(model)
        return self

    def measure(self, dataset: Dataset, numbers: Sequence[int]) -> Surprise:
        """Return how surprised the n-gram is by performances."""
        steps = [self.representation.steps(dataset.performance(number)) for number in numbers]
        questions = self._questions(steps, self.order)
        nats = [
            model.nats(question.answers, question.context)
            for model, question in zip(self._models, questions, strict=True)
        ]
        when, what, loud = nats if len(nats) == 3 else (0.0, nats[0], 0.0)
        together = np.concatenate(steps)
        return Surprise(
            when + self.representation.exact(together),
            what,
            loud,
            len(together),
            int(self.representation.is_note(together).sum()),
            sum(seconds(dataset.performance(number)) for number in numbers),
        )
