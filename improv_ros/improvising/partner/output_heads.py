# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The output heads of a `NoteNetwork` in NumPy: logits, and the gradient of the weights.

The heads are the dense layers from the context to the logits of time, event type and velocity
(`note_network.py`). They have an eighth of the weights. In NumPy they can change while the robot
plays, without TensorFlow; the runtime still takes the steps of the LSTM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from improv_ros.improvising.network.improviser_runtime import NetworkState
from improv_ros.improvising.network.vocabulary import (
    BIN_OF_TICKS,
    MAX_WAIT,
)

IMPOSSIBLE = np.float32(-3e4)
"""Added to the logit of an event that the keys now down rule out, as in `event_network.py`."""

HEADS = ('time', 'event_type', 'velocity')


class Head(NamedTuple):
    """One head: two dense layers, float32; inputs @ hidden + hidden_bias, and so on."""

    hidden: np.ndarray
    hidden_bias: np.ndarray
    output: np.ndarray
    output_bias: np.ndarray

    def activations(self, inputs: np.ndarray) -> np.ndarray:
        """Return the outputs (events, units) of the hidden layer."""
        return np.maximum(inputs @ self.hidden + self.hidden_bias, 0)

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Return the logits (events, outcomes)."""
        return self.activations(inputs) @ self.output + self.output_bias


class Heads(NamedTuple):
    """The weights of the three heads. They are replaced, never changed in place."""

    time: Head
    event_type: Head
    velocity: Head

    @property
    def arrays(self) -> list[np.ndarray]:
        """All weights, in order."""
        return [array for head in self for array in head]

    @classmethod
    def of_arrays(cls, arrays: Sequence[np.ndarray]) -> Heads:
        """Return the heads that have these weights, in the order of `arrays`."""
        return cls(*(Head(*arrays[first : first + 4]) for first in range(0, 12, 4)))


class Embeddings(NamedTuple):
    """The embeddings that the heads read: a row for each time bin and for each event type."""

    time: np.ndarray
    event_type: np.ndarray


class Inputs(NamedTuple):
    """What the heads read before some events, and the events: one row each.

    time, event_type, velocity: the inputs of the heads; impossible: (events, EVENT_TYPES), added
    to the logits of the event type; steps: int (events, 3).
    """

    time: np.ndarray
    event_type: np.ndarray
    velocity: np.ndarray
    impossible: np.ndarray
    steps: np.ndarray


class OutputHeads:
    """The shipped heads, and the functions that apply these or others.

    rms: the root mean square of the gradient of each weight in training, relative to the mean of
    all weights, in the order of `Heads.arrays`. checksum: of the file that they were read from.
    """

    def __init__(
        self, heads: Heads, embeddings: Embeddings, rms: Sequence[np.ndarray], checksum: str = ''
    ) -> None:
        self.heads, self.rms, self.checksum = heads, list(rms), checksum
        self.embeddings = embeddings

    def context(self, state: NetworkState) -> np.ndarray:
        """Return the context (width,) of the network in a state."""
        since_press, event_type = state.last_event[0].astype(np.int64).tolist()
        since = int(BIN_OF_TICKS[min(since_press, MAX_WAIT)])
        embeddings = self.embeddings
        return np.concatenate(
            [
                state.h[0].sum(axis=0),
                state.keys[0],
                embeddings.time[since],
                embeddings.event_type[event_type],
            ]
        )

    def event_type_inputs(self, state: NetworkState, time: int) -> np.ndarray:
        """Return the inputs of the head of the event type, in that time bin."""
        return np.concatenate([self.context(state), state.keys[0], self.embeddings.time[time]])

    def velocity_inputs(self, state: NetworkState, time: int, event_type: int) -> np.ndarray:
        """Return the inputs of the head of the velocity, of that pressed key."""
        embeddings = self.embeddings.time[time], self.embeddings.event_type[event_type]
        return np.concatenate([self.context(state), *embeddings])

    def time_logits(self, heads: Heads, state: NetworkState) -> np.ndarray:
        """Return the logits of the next event's time bin, (TIME_BINS,)."""
        return heads.time.logits(self.context(state))

    def event_type_logits(self, heads: Heads, state: NetworkState, time: int) -> np.ndarray:
        """Return the logits of the event type in that time bin, (EVENT_TYPES,)."""
        logits = heads.event_type.logits(self.event_type_inputs(state, time))
        return logits + impossible(state.keys)[0]

    def velocity_logits(
        self, heads: Heads, state: NetworkState, time: int, event_type: int
    ) -> np.ndarray:
        """Return the logits of the velocity of that pressed key, (VELOCITY_BINS,)."""
        return heads.velocity.logits(self.velocity_inputs(state, time, event_type))

    def inputs(self, states: Sequence[NetworkState], steps: np.ndarray) -> Inputs:
        """Return what the heads read before each event: the state before it, and its step."""
        context = np.stack([self.context(state) for state in states])
        keys = np.concatenate([state.keys for state in states])
        time = self.embeddings.time[steps[:, 0]]
        event_type = self.embeddings.event_type[steps[:, 1]]
        return Inputs(
            context,
            np.concatenate([context, keys, time], axis=1),
            np.concatenate([context, time, event_type], axis=1),
            impossible(keys),
            steps,
        )


def impossible(keys: np.ndarray) -> np.ndarray:
    """Return what is added to the logits of event types when `keys` (events, 89) are down."""
    down, pedal = keys[:, :-1], keys[:, -1:]
    return IMPOSSIBLE * np.concatenate([down, 1 - down, pedal, 1 - pedal], axis=1)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithms of the probabilities, along the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_probabilities(heads: Heads, inputs: Inputs) -> list[np.ndarray]:
    """Return the log-probabilities (events, outcomes) of time, event type and velocity."""
    return [
        log_softmax(heads.time.logits(inputs.time)),
        log_softmax(heads.event_type.logits(inputs.event_type) + inputs.impossible),
        log_softmax(heads.velocity.logits(inputs.velocity)),
    ]


def gradient(heads: Heads, inputs: Inputs, squared: bool = False) -> list[np.ndarray]:
    """Return the gradient of the events' negative log-likelihood, summed over the events.

    squared: return the sum of the squares of the gradient of each event instead. The arrays are
    in the order of `Heads.arrays`.
    """
    pressed = inputs.steps[:, 2] > 0
    velocity = inputs.steps[:, 2] - 1
    rows: list[tuple[Head, np.ndarray, Any, np.ndarray]] = [
        (heads.time, inputs.time, 0.0, inputs.steps[:, 0]),
        (heads.event_type, inputs.event_type, inputs.impossible, inputs.steps[:, 1]),
        (heads.velocity, inputs.velocity[pressed], 0.0, velocity[pressed]),
    ]
    gradients = []
    for head, read, mask, outcomes in rows:
        active = head.activations(read)
        error = np.exp(log_softmax(active @ head.output + head.output_bias + mask))
        error[np.arange(len(outcomes)), outcomes] -= 1
        back = (error @ head.output.T) * (active > 0)
        if squared:
            read, active, back, error = read**2, active**2, back**2, error**2
        gradients += [read.T @ back, back.sum(axis=0), active.T @ error, error.sum(axis=0)]
    return gradients
