"""How surprised a network is by real performances, in nats: the lower, the better it knows them.

Figures are nats per note (all events' nats over the notes played) and nats per event, so that
networks with other vocabularies can be set beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from improv_ros.improvising.vocabulary import RELEASE, TIMES, VELOCITIES, WHATS

from .dataset import Dataset
from .windows import batches, quantise

if TYPE_CHECKING:
    from .streams import Streams

STEPS = 256


@dataclass(frozen=True)
class Surprise:
    """Nats over some performances, in all, and how many events and notes they hold."""

    time: float
    what: float
    velocity: float
    events: int
    notes: int

    @property
    def total(self) -> float:
        return self.time + self.what + self.velocity

    @property
    def per_event(self) -> float:
        return self.total / self.events

    @property
    def per_note(self) -> float:
        return self.total / self.notes

    def report(self, name: str) -> str:
        """Return the figures as one row of a Markdown table."""
        parts = ' | '.join(
            f'{part / self.notes:.3f}' for part in (self.time, self.what, self.velocity)
        )
        return f'| {name} | {self.per_note:.3f} | {parts} | {self.per_event:.3f} |'


HEADER = (
    '| model | nats per note | of it: when | what | how loud | nats per event |\n'
    '|---|---|---|---|---|---|'
)


def measure(model: Streams, dataset: Dataset, numbers: Sequence[int]) -> Surprise:
    """Return how surprised a network is by performances of a data set, as they were played.

    model: the network over as many performances at a time as suits the machine.
    """
    # Longest first: the streams then end at about the same time.
    numbers = sorted(numbers, key=lambda number: -len(dataset.performance(number)))
    pieces = (quantise(dataset.performance(number)) for number in numbers)
    nats, events, notes = np.zeros(3), 0, 0
    for batch in batches(pieces, model.streams, STEPS):
        surprise = np.asarray(model.predict_on_batch((batch.events, batch.fresh)))
        nats += (surprise * batch.real[..., None]).sum(axis=(0, 1), dtype=np.float64)
        events += int(batch.real.sum())
        notes += int(((batch.events[:, 1:, 1] < RELEASE) * batch.real).sum())
    time, what, velocity = nats.tolist()
    return Surprise(time, what, velocity, events, notes)


def unigram(dataset: Dataset, numbers: Sequence[int]) -> Surprise:
    """Return the surprise of the best model without memory: how often each thing occurs.

    It is counted on the very performances it is measured on, so no real unigram does better.
    """
    steps = np.concatenate([quantise(dataset.performance(number)) for number in numbers])
    time, what, velocity = (
        np.bincount(steps[:, factor], minlength=size)
        for factor, size in enumerate((TIMES, WHATS, VELOCITIES + 1))
    )
    notes = int(what[:RELEASE].sum())
    # Only a pressed key has a velocity to guess.
    return Surprise(_entropy(time), _entropy(what), _entropy(velocity[1:]), len(steps), notes)


def _entropy(counts: np.ndarray) -> float:
    """Return the nats it takes to tell all that was counted."""
    seen = counts[counts > 0]
    return float(-(seen * np.log(seen / seen.sum())).sum())
