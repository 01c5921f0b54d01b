"""How surprised a network is by real performances, in nats: the lower, the better it knows them.

Figures are nats per note (all steps' nats over the notes played), per second of music and per
step, where a step is an event or a token. Nats per note and per second can be compared between
representations that tell the same music; docs/training.md says which do and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from improv_ros.improvising.vocabulary import Step

from .dataset import Dataset
from .representations import AS_PLAYED, Representation, seconds
from .windows import batches

if TYPE_CHECKING:
    from improv_ros.improvising.runtime import Runtime

    from .streams import Streams

STEPS = 256


@dataclass(frozen=True)
class Surprise:
    """Nats over some performances, in all, and how many steps, notes and seconds they hold.

    time: of when, to the exact tick; what: of which key or pedal; velocity: of how loud. steps:
    events or tokens; moves: how many of them move a network's memory, None: all.
    """

    time: float
    what: float
    velocity: float
    steps: int
    notes: int
    seconds: float
    moves: int | None = None

    @property
    def total(self) -> float:
        return self.time + self.what + self.velocity

    @property
    def per_step(self) -> float:
        return self.total / self.steps

    @property
    def per_note(self) -> float:
        return self.total / self.notes

    @property
    def per_second(self) -> float:
        return self.total / self.seconds

    @property
    def steps_per_note(self) -> float:
        """Return how often the memory of a network moves for a note."""
        return (self.steps if self.moves is None else self.moves) / self.notes

    def report(self, name: str) -> str:
        """Return the figures as one row of a Markdown table."""
        parts = (part / self.notes for part in (self.time, self.what, self.velocity))
        figures = (self.per_note, *parts, self.per_second, self.per_step, self.steps_per_note)
        return f'| {name} | {" | ".join(f"{figure:.3f}" for figure in figures)} |'


HEADER = (
    '| model | nats per note | of it: when | what | how loud | nats per second | '
    'nats per step | steps per note |\n|---|---|---|---|---|---|---|---|'
)


def measure(
    model: Streams,
    dataset: Dataset,
    numbers: Sequence[int],
    representation: Representation = AS_PLAYED,
) -> Surprise:
    """Return how surprised a network is by performances of a data set, as they were played.

    model: the network over as many performances at a time as suits the machine.
    """
    # Longest first: the streams then end at about the same time.
    numbers = sorted(numbers, key=lambda number: -len(dataset.performance(number)))
    pieces = (representation.steps(dataset.performance(number)) for number in numbers)
    nats, exact, steps, notes = np.zeros(3), 0.0, 0, 0
    for batch in batches(pieces, model.streams, STEPS, representation.first):
        surprise = np.asarray(model.predict_on_batch((batch.events, batch.fresh)))
        nats += (surprise * batch.real[..., None]).sum(axis=(0, 1), dtype=np.float64)
        real = batch.events[:, 1:][batch.real > 0]
        exact += representation.exact(real)
        steps += len(real)
        notes += int(representation.is_note(real).sum())
    time, what, velocity = nats.tolist()
    music = sum(seconds(dataset.performance(number)) for number in numbers)
    moves = notes if model.network.moved_by == 'notes' else None
    return Surprise(time + exact, what, velocity, steps, notes, music, moves)


def measure_runtime(runtime: Runtime, dataset: Dataset, numbers: Sequence[int]) -> Surprise:
    """Return how surprised a network is as a node runs it, one event at a time."""
    nats, steps = np.zeros(3), []
    for number in numbers:
        memory = runtime.advance(runtime.start(), Step(*AS_PLAYED.first))
        steps.append(AS_PLAYED.steps(dataset.performance(number)))
        for time, what, velocity in steps[-1].tolist():
            nats[0] += _nats(runtime.time_logits(memory), time)
            nats[1] += _nats(runtime.what_logits(memory, time), what)
            if velocity:
                nats[2] += _nats(runtime.velocity_logits(memory, time, what), velocity - 1)
            memory = runtime.advance(memory, Step(time, what, velocity))
    together = np.concatenate(steps)
    time, what, velocity = nats.tolist()
    notes = int(AS_PLAYED.is_note(together).sum())
    music = sum(seconds(dataset.performance(number)) for number in numbers)
    exact = time + AS_PLAYED.exact(together)
    moves = notes if runtime.moved_by == 'notes' else None
    return Surprise(exact, what, velocity, len(together), notes, music, moves)


def _nats(logits: np.ndarray, choice: int) -> float:
    shifted = logits.astype(np.float64) - logits.max()
    return float(np.log(np.exp(shifted).sum()) - shifted[choice])
