"""Performances as what the network learns from: steps, varied, in windows side by side."""

from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import NamedTuple

import numpy as np

from improv_ros.improvising.vocabulary import (
    FIRST_STEP,
    KEYS,
    PEDAL_DOWN,
    PRESS,
    RELEASE,
    TICK,
    time_bins,
)

from .dataset import MILLISECOND, Dataset

TICK_MS = TICK // MILLISECOND


def quantise(
    performance: np.ndarray, stretch: float = 1.0, transpose: int = 0, loudness: float = 1.0
) -> np.ndarray:
    """Return a performance as the vocabulary's steps, int16 (moves, 3), after varying it.

    stretch: factor on all times; transpose: semitones, which must stay on the piano (see
    `room_to_transpose`); loudness: factor on all velocities.
    """
    times = np.cumsum(performance[:, 0], dtype=np.int64)
    ticks = np.round(times * (stretch / TICK_MS)).astype(np.int64)
    what = performance[:, 1].astype(np.int64)
    velocity = performance[:, 2].astype(np.int64)
    loud = np.clip(np.round(velocity * loudness), 1, 127).astype(np.int64) // 4 + 1
    steps = np.empty(performance.shape, np.int16)
    steps[:, 0] = time_bins(np.diff(ticks, prepend=ticks[:1]))
    steps[:, 1] = np.where(what < PEDAL_DOWN, what + transpose, what)
    steps[:, 2] = np.where(velocity > 0, loud, 0)
    return steps


def room_to_transpose(performance: np.ndarray, down: int = 6, up: int = 5) -> tuple[int, int]:
    """Return the lowest and highest transposition that keeps all keys on the piano."""
    keys = performance[performance[:, 1] < RELEASE, 1].astype(int) - PRESS
    if not len(keys):
        return 0, 0
    return max(-down, -int(keys.min())), min(up, KEYS - 1 - int(keys.max()))


def vary(performance: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the steps of a performance in another key, tempo and loudness, drawn at random."""
    low, high = room_to_transpose(performance)
    return quantise(
        performance,
        stretch=random.uniform(0.9, 1.1),
        transpose=int(random.integers(low, high + 1)),
        loudness=random.uniform(0.85, 1.15),
    )


class Windows:
    """An endless supply of training batches: parallel streams of whole performances.

    Each of `streams` rows plays performance after performance, `steps` at a time; a row's
    next window goes on where its last ended. Order and variation follow from the seed alone,
    so a run that stopped can go on at the same batch.
    """

    def __init__(
        self, dataset: Dataset, numbers: Sequence[int], streams: int, steps: int, seed: int
    ) -> None:
        self.dataset, self.numbers = dataset, list(numbers)
        self.streams, self.steps, self.seed = streams, steps, seed

    def __len__(self) -> int:
        """Return about how many batches it takes to play every performance once."""
        events = sum(len(self.dataset.performance(number)) for number in self.numbers)
        return max(1, round(events / (self.streams * self.steps)))

    def batches(self, start: int = 0) -> Iterator['Batch']:
        """Yield batches without end, beginning at batch number `start`."""
        return islice(batches(self._pieces(), self.streams, self.steps), start, None)

    def _pieces(self) -> Iterator[np.ndarray]:
        for epoch in count():
            random = np.random.default_rng((self.seed, epoch))
            for number in random.permutation(self.numbers):
                yield vary(self.dataset.performance(int(number)), random)


class Batch(NamedTuple):
    """One window of every stream.

    events: int32 (streams, steps + 1, 3), the first of each row given, the others to be
    guessed; fresh: float32 (streams,), 1 where a new performance begins; real: float32
    (streams, steps), 0 where the row is filled up past a performance's end.
    """

    events: np.ndarray
    fresh: np.ndarray
    real: np.ndarray


def batches(pieces: Iterator[np.ndarray], streams: int, steps: int) -> Iterator[Batch]:
    """Yield windows over pieces played in parallel until all are over."""
    rest: list[np.ndarray | None] = [None] * streams
    while True:
        events = np.tile(np.array(FIRST_STEP, np.int32), (streams, steps + 1, 1))
        fresh = np.zeros(streams, np.float32)
        real = np.zeros((streams, steps), np.float32)
        for row in range(streams):
            current = rest[row]
            if current is None:
                fresh[row] = 1
                piece = next(pieces, None)
                if piece is None:
                    continue
                current = np.concatenate([np.array([FIRST_STEP], np.int16), piece])
            window = current[: steps + 1]
            events[row, : len(window)] = window
            real[row, : len(window) - 1] = 1
            rest[row] = current[steps:] if len(current) > steps + 1 else None
        if not real.any():
            return
        yield Batch(events, fresh, real)
