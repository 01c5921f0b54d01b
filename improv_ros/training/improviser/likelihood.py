# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The negative log-likelihood of real performances under a network, in nats; lower is better.

It is given per note (all steps divided by the notes), per second of music, and per step, where a
step is an event or a token. Per note and per second it can be compared between representations
of the same music; docs/training.md says which these are, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from improv_ros.improvising.network.vocabulary import Step
from improv_ros.training.improviser.dataset import Dataset
from improv_ros.training.improviser.representations import AS_PLAYED, Representation, seconds
from improv_ros.training.improviser.windows import batches

if TYPE_CHECKING:
    from improv_ros.improvising.network.improviser_runtime import Runtime
    from improv_ros.training.improviser.performance_streams import Streams

STEPS = 256


@dataclass(frozen=True)
class NegativeLogLikelihood:
    """Nats of some performances, in all.

    time: of the exact ticks; event_type: of the keys and the pedal; velocity: of the velocities.
    steps: events or tokens; notes: pressed keys; seconds: of music; recurrent_steps: of the LSTM,
    None: one per step.
    """

    time: float
    event_type: float
    velocity: float
    steps: int
    notes: int
    seconds: float
    recurrent_steps: int | None = None

    @property
    def total(self) -> float:
        return self.time + self.event_type + self.velocity

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
    def recurrent_steps_per_note(self) -> float:
        """Return how many steps the LSTM takes per note."""
        steps = self.steps if self.recurrent_steps is None else self.recurrent_steps
        return steps / self.notes

    def row(self, name: str) -> str:
        """Return the figures as one row of a Markdown table below `HEADER`."""
        parts = (part / self.notes for part in (self.time, self.event_type, self.velocity))
        figures = (
            self.per_note,
            *parts,
            self.per_second,
            self.per_step,
            self.steps / self.notes,
            self.recurrent_steps_per_note,
        )
        return f'| {name} | {" | ".join(f"{figure:.3f}" for figure in figures)} |'


HEADER = (
    '| model | nats per note | of which time | event type | velocity | nats per second | '
    'nats per step | steps per note | LSTM steps per note |\n|---|---|---|---|---|---|---|---|---|'
)


def evaluate(
    model: Streams,
    dataset: Dataset,
    numbers: Sequence[int],
    representation: Representation = AS_PLAYED,
) -> NegativeLogLikelihood:
    """Return the negative log-likelihood of performances of a data set, without augmentation.

    model: a network with as many streams as suit the machine; numbers: of the performances.
    """
    # Longest first: the streams then end at about the same time.
    numbers = sorted(numbers, key=lambda number: -len(dataset.performance(number)))
    sequences = (representation.steps(dataset.performance(number)) for number in numbers)
    nats, exact, steps, notes = np.zeros(3), 0.0, 0, 0
    for batch in batches(sequences, model.streams, STEPS, representation.first):
        of_steps = np.asarray(model.predict_on_batch((batch.events, batch.fresh)))
        nats += (of_steps * batch.real[..., None]).sum(axis=(0, 1), dtype=np.float64)
        real = batch.events[:, 1:][batch.real > 0]
        exact += representation.exact(real)
        steps += len(real)
        notes += int(representation.is_note(real).sum())
    time, event_type, velocity = nats.tolist()
    music = sum(seconds(dataset.performance(number)) for number in numbers)
    recurrent_steps = notes if model.network.recurrence == 'per_note' else None
    return NegativeLogLikelihood(
        time + exact, event_type, velocity, steps, notes, music, recurrent_steps
    )


def evaluate_runtime(
    runtime: Runtime, dataset: Dataset, numbers: Sequence[int]
) -> NegativeLogLikelihood:
    """Return the same of a network as the node runs it, one event at a time."""
    nats, sequences = np.zeros(3), []
    for number in numbers:
        state = runtime.advance(runtime.start(), Step(*AS_PLAYED.first))
        sequences.append(AS_PLAYED.steps(dataset.performance(number)))
        for time, event_type, velocity in sequences[-1].tolist():
            nats[0] += _nats(runtime.time_logits(state), time)
            nats[1] += _nats(runtime.event_type_logits(state, time), event_type)
            if velocity:
                nats[2] += _nats(runtime.velocity_logits(state, time, event_type), velocity - 1)
            state = runtime.advance(state, Step(time, event_type, velocity))
    steps = np.concatenate(sequences)
    time, event_type, velocity = nats.tolist()
    notes = int(AS_PLAYED.is_note(steps).sum())
    music = sum(seconds(dataset.performance(number)) for number in numbers)
    return NegativeLogLikelihood(
        time + AS_PLAYED.exact(steps),
        event_type,
        velocity,
        len(steps),
        notes,
        music,
        notes if runtime.recurrence == 'per_note' else None,
    )


def _nats(logits: np.ndarray, choice: int) -> float:
    shifted = logits.astype(np.float64) - logits.max()
    return float(np.log(np.exp(shifted).sum()) - shifted[choice])
