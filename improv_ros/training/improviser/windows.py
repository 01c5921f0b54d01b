# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Training batches: performances, augmented, as windows of parallel streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import NamedTuple

import numpy as np

from improv_ros.improvising.network.vocabulary import KEYS, PEDAL_DOWN
from improv_ros.training.improviser.dataset import Dataset
from improv_ros.training.improviser.representations import (
    AS_PLAYED,
    Representation,
    Variation,
    room_to_transpose,
)


def draw_variation(performance: np.ndarray, random: np.random.Generator) -> Variation:
    """Return a random transposition, tempo and loudness for a performance."""
    low, high = room_to_transpose(performance)
    return Variation(
        stretch=random.uniform(0.9, 1.1),
        transpose=int(random.integers(low, high + 1)),
        loudness=random.uniform(0.85, 1.15),
    )


def add_velocity_noise(
    performance: np.ndarray, random: np.random.Generator, deviation: float
) -> np.ndarray:
    """Return a performance with Gaussian noise added to the velocity of each note.

    deviation: standard deviation in MIDI velocities. Piano rolls have few distinct velocities;
    the noise spreads them like those of a human player.
    """
    if not deviation:
        return performance
    other = performance.copy()
    loud = other[:, 2] > 0
    moved = other[loud, 2] + random.normal(0, deviation, int(loud.sum()))
    other[loud, 2] = np.clip(np.round(moved), 1, 127)
    return other


def add_timing_noise(
    performance: np.ndarray, random: np.random.Generator, deviation: float
) -> np.ndarray:
    """Return a performance with Gaussian noise added to the time of each event.

    deviation: standard deviation in milliseconds. The notes of a sequenced chord begin at the
    same time; the noise spreads them like those of a human player and of the transcriber. The
    events of each key, and those of the pedal, keep their order.
    """
    if not deviation:
        return performance
    times = np.cumsum(performance[:, 0], dtype=np.int64)
    times = np.round(times + random.normal(0, deviation, len(times))).astype(np.int64)
    event_type = performance[:, 1].astype(np.int64)
    switch = np.where(event_type < PEDAL_DOWN, event_type % KEYS, KEYS)  # a key or the pedal
    apart = switch * (int(np.ptp(times)) + 1)  # separates the times of different switches
    by_switch = np.argsort(switch, kind='stable')
    times[by_switch] = np.maximum.accumulate((times + apart)[by_switch]) - apart[by_switch]
    order = np.argsort(times, kind='stable')
    other = performance[order]
    other[:, 0] = np.clip(np.diff(times[order], prepend=times[order[:1]]), 0, 65535)
    return other


class Windows:
    """An endless sequence of training batches: parallel streams of whole performances.

    Each of `streams` rows holds one performance after the other, `steps` per batch; the next
    window of a row continues where its last one ended. Order and augmentation depend on the seed
    alone, so a run can resume at any batch. numbers: of the performances, one that occurs twice
    is used twice per epoch. velocity_noise: standard deviation in MIDI velocities;
    timing_noise_ms: in milliseconds.
    """

    def __init__(
        self,
        dataset: Dataset,
        numbers: Sequence[int],
        streams: int,
        steps: int,
        seed: int,
        representation: Representation = AS_PLAYED,
        velocity_noise: float = 0.0,
        timing_noise_ms: float = 0.0,
    ) -> None:
        self.dataset, self.numbers = dataset, list(numbers)
        self.streams, self.steps, self.seed = streams, steps, seed
        self.representation = representation
        self.velocity_noise, self.timing_noise_ms = velocity_noise, timing_noise_ms

    def __len__(self) -> int:
        """Return the approximate number of batches in an epoch, from a sample of performances."""
        sample = self.numbers[:: max(1, len(self.numbers) // 50)]
        steps = sum(len(self.representation.steps(self._performance(i))) for i in sample)
        events = sum(len(self._performance(number)) for number in sample)
        all_events = sum(len(self._performance(number)) for number in self.numbers)
        return max(1, round(all_events * steps / events / (self.streams * self.steps)))

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Yield batches without end, from batch number `start` on."""
        endless = batches(self._sequences(), self.streams, self.steps, self.representation.first)
        return islice(endless, start, None)

    def _performance(self, number: int) -> np.ndarray:
        return self.dataset.performance(int(number))

    def _sequences(self) -> Iterator[np.ndarray]:
        for epoch in count():
            random = np.random.default_rng((self.seed, epoch))
            for number in random.permutation(self.numbers):
                performance = self._performance(number)
                variation = draw_variation(performance, random)
                performance = add_velocity_noise(performance, random, self.velocity_noise)
                performance = add_timing_noise(performance, random, self.timing_noise_ms)
                yield self.representation.steps(performance, variation)


class Batch(NamedTuple):
    """One window of every stream.

    events: int32 (streams, steps + 1, factors), the first of each row is input only, the others
    are predicted; fresh: float32 (streams,), 1 where a performance begins; real: float32
    (streams, steps), 0 for the padding after the end of a performance.
    """

    events: np.ndarray
    fresh: np.ndarray
    real: np.ndarray


def batches(
    sequences: Iterator[np.ndarray],
    streams: int,
    steps: int,
    first: tuple[int, ...] = AS_PLAYED.first,
) -> Iterator[Batch]:
    """Yield windows over sequences of steps, each preceded by the step `first`, until all end."""
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
                sequence = next(sequences, None)
                if sequence is None:
                    continue
                current = np.concatenate([before[None].astype(np.int16), sequence])
            window = current[: steps + 1]
            events[row, : len(window)] = window
            real[row, : len(window) - 1] = 1
            rest[row] = current[steps:] if len(current) > steps + 1 else None
        if not real.any():
            return
        yield Batch(events, fresh, real)
