"""Performances as what a network learns from: steps, varied, in windows side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import NamedTuple

import numpy as np

from improv_ros.improvising.vocabulary import KEYS, PEDAL_DOWN

from .dataset import Dataset
from .representations import AS_PLAYED, Representation, Variation, room_to_transpose


def draw_variation(performance: np.ndarray, random: np.random.Generator) -> Variation:
    """Return another key, tempo and loudness for a performance, drawn at random."""
    low, high = room_to_transpose(performance)
    return Variation(
        stretch=random.uniform(0.9, 1.1),
        transpose=int(random.integers(low, high + 1)),
        loudness=random.uniform(0.85, 1.15),
    )


def shaken(performance: np.ndarray, random: np.random.Generator, width: float) -> np.ndarray:
    """Return a performance whose pressed keys are each a little louder or softer at random.

    width: standard deviation in MIDI velocities. It gives the few degrees of loudness that a
    piano roll can tell the spread that a hand has.
    """
    if not width:
        return performance
    other = performance.copy()
    loud = other[:, 2] > 0
    moved = other[loud, 2] + random.normal(0, width, int(loud.sum()))
    other[loud, 2] = np.clip(np.round(moved), 1, 127)
    return other


def jittered(performance: np.ndarray, random: np.random.Generator, deviation: float) -> np.ndarray:
    """Return a performance whose events each come a little earlier or later at random.

    deviation: standard deviation in milliseconds. It gives chords that were sequenced, all of
    whose notes begin at once, the spread that a hand has, and that the ears add. Events of one
    key, and those of the pedal, keep their order.
    """
    if not deviation:
        return performance
    times = np.cumsum(performance[:, 0], dtype=np.int64)
    times = np.round(times + random.normal(0, deviation, len(times))).astype(np.int64)
    what = performance[:, 1].astype(np.int64)
    switch = np.where(what < PEDAL_DOWN, what % KEYS, KEYS)
    apart = switch * (int(np.ptp(times)) + 1)  # so that no switch's latest time reaches the next
    by_switch = np.argsort(switch, kind='stable')
    times[by_switch] = np.maximum.accumulate((times + apart)[by_switch]) - apart[by_switch]
    order = np.argsort(times, kind='stable')
    other = performance[order]
    other[:, 0] = np.clip(np.diff(times[order], prepend=times[order[:1]]), 0, 65535)
    return other


class Windows:
    """An endless supply of training batches: parallel streams of whole performances.

    Each of `streams` rows plays performance after performance, `steps` at a time; a row's
    next window goes on where its last ended. Order and variation follow from the seed alone,
    so a run that stopped can go on at the same batch. A performance whose number stands
    several times among `numbers` is heard as often. `shake`: see `shaken`; `jitter`: see
    `jittered`.
    """

    def __init__(
        self,
        dataset: Dataset,
        numbers: Sequence[int],
        streams: int,
        steps: int,
        seed: int,
        representation: Representation = AS_PLAYED,
        shake: float = 0.0,
        jitter: float = 0.0,
    ) -> None:
        self.dataset, self.numbers = dataset, list(numbers)
        self.streams, self.steps, self.seed = streams, steps, seed
        self.representation = representation
        self.shake, self.jitter = shake, jitter

    def __len__(self) -> int:
        """Return about how many batches it takes to play every performance once."""
        sample = self.numbers[:: max(1, len(self.numbers) // 50)]
        written = sum(len(self.representation.steps(self._performance(i))) for i in sample)
        moves = sum(len(self._performance(number)) for number in sample)
        in_all = sum(len(self._performance(number)) for number in self.numbers)
        return max(1, round(in_all * written / moves / (self.streams * self.steps)))

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Yield batches without end, beginning at batch number `start`."""
        supply = batches(self._pieces(), self.streams, self.steps, self.representation.first)
        return islice(supply, start, None)

    def _performance(self, number: int) -> np.ndarray:
        return self.dataset.performance(int(number))

    def _pieces(self) -> Iterator[np.ndarray]:
        for epoch in count():
            random = np.random.default_rng((self.seed, epoch))
            for number in random.permutation(self.numbers):
                performance = self._performance(number)
                variation = draw_variation(performance, random)
                performance = shaken(performance, random, self.shake)
                performance = jittered(performance, random, self.jitter)
                yield self.representation.steps(performance, variation)


class Batch(NamedTuple):
    """One window of every stream.

    events: int32 (streams, steps + 1, factors), the first of each row given, the others to be
    guessed; fresh: float32 (streams,), 1 where a new performance begins; real: float32
    (streams, steps), 0 where the row is filled up past a performance's end.
    """

    events: np.ndarray
    fresh: np.ndarray
    real: np.ndarray


def batches(
    pieces: Iterator[np.ndarray],
    streams: int,
    steps: int,
    first: tuple[int, ...] = AS_PLAYED.first,
) -> Iterator[Batch]:
    """Yield windows over pieces, each after the step `first`, in parallel until all are over."""
    rest: list[np.ndarray | None] = [None] * streams
    before = np.array(first, np.int32)
    while True:
        events = np.tile(before, (streams, steps + 1, 1))
        fresh = np.zeros(streams, np.float32)
        real = np.zeros((streams, steps), np.float32)
        for row in range(streams):
            current = rest[row]
            if current is None:
                fresh[row] = 1
                piece = next(pieces, None)
                if piece is None:
                    continue
                current = np.concatenate([before[None].astype(np.int16), piece])
            window = current[: steps + 1]
            events[row, : len(window)] = window
            real[row, : len(window) - 1] = 1
            rest[row] = current[steps:] if len(current) > steps + 1 else None
        if not real.any():
            return
        yield Batch(events, fresh, real)
