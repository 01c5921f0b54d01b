# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The improviser's network: an LSTM over events, and heads for the three factors of the next one.

    event        = time ⊕ event type ⊕ velocity, each embedded, ⊕ the keys and the pedal now down
    context      = LSTM layers over the events with residual connections: each layer also gets
                   the outputs of the layers below, and the context is the sum of all outputs
    p(time)      | context
    p(event type)| context, keys, time           (a key that is down cannot be pressed, and so on)
    p(velocity)  | context, time, event type

Which keys are down follows from the events, so it is kept as part of the state: the LSTM need not
learn it, and impossible events have probability zero. In the variant of `note_network.py` the
LSTM takes one step per note.

The same layers run over whole windows in training (`unroll`) and one event at a time when
playing (`functions`).
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import keras
from keras import layers, ops
import numpy as np

from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    KEY_CHANGES,
    KEYS_AND_PEDAL,
    TIME_BINS,
    VELOCITY_BINS,
)

IMPOSSIBLE = -3e4
"""Added to the logit of an event that the keys now down rule out; float16 can represent it."""

TIME_WIDTH, EVENT_TYPE_WIDTH, VELOCITY_WIDTH = 32, 96, 16  # of the embeddings


class State(NamedTuple):
    """The state of the network between two events, for `batch` performances.

    h, c: (batch, layers, units), of the LSTM layers; keys: (batch, 89), 1 for a key that is down,
    and last for the pedal.
    """

    h: Any
    c: Any
    keys: Any


@keras.saving.register_keras_serializable(package='improv_ros')
class EventNetwork(keras.Model):
    """A recurrent network over the events of a piano performance.

    units, depth: size and number of the LSTM layers. dropout: rate, in training, on the outputs
    of the layers and not on the recurrent connections (Zaremba et al. 2014).
    """

    recurrence: ClassVar[str] = 'per_event'
    """What the LSTM takes a step for; it is written in the description of a model file."""

    def __init__(
        self, units: int = 384, depth: int = 1, dropout: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.depth, self.dropout = units, depth, dropout
        # A .keras file has these layers under `layers/`, in the order of assignment, because
        # their names sort after "layers": keep both to read the existing files.
        self.time_embedding = layers.Embedding(TIME_BINS, TIME_WIDTH)
        self.type_embedding = layers.Embedding(EVENT_TYPES + 1, EVENT_TYPE_WIDTH)
        self.velocity_embedding = layers.Embedding(VELOCITY_BINS + 1, VELOCITY_WIDTH)
        self.lstm_layers = [
            layers.LSTM(units, return_sequences=True, return_state=True) for _ in range(depth)
        ]
        self.output_dropout = layers.Dropout(dropout)
        self.time_head = _head(128, TIME_BINS)
        self.type_head = _head(256, EVENT_TYPES)
        self.velocity_head = _head(128, VELOCITY_BINS)

    def get_config(self) -> dict[str, Any]:
        sizes = {'units': self.units, 'depth': self.depth, 'dropout': self.dropout}
        return {**super().get_config(), **sizes}

    @property
    def context_width(self) -> int:
        """The width of the context, the input that all heads share."""
        return self.units

    @property
    def input_width(self) -> int:
        """The width of the input of the first LSTM layer."""
        return TIME_WIDTH + EVENT_TYPE_WIDTH + VELOCITY_WIDTH + KEYS_AND_PEDAL

    def build(self, input_shape: Any = None) -> None:
        for embedding in (self.time_embedding, self.type_embedding, self.velocity_embedding):
            embedding.build((None, None))
        for number, lstm in enumerate(self.lstm_layers):
            lstm.build((None, None, self.units if number else self.input_width))
        for head, width in (
            (self.time_head, self.context_width),
            (self.type_head, self.context_width + KEYS_AND_PEDAL + TIME_WIDTH),
            (self.velocity_head, self.context_width + TIME_WIDTH + EVENT_TYPE_WIDTH),
        ):
            head[0].build((None, width))
            head[1].build((None, head[0].units))
        self.built = True

    def call(self, events: Any, training: bool = False) -> dict[str, Any]:
        """Return the logits of every step but the first, each given all steps before it.

        events: int (batch, steps + 1, 3), from the first step of a performance. The logits are
        those of `logits`.
        """
        return self.logits(events, self.start(events.shape[0]), training)[0]

    def logits(
        self, events: Any, state: Any, training: bool = False
    ) -> tuple[dict[str, Any], Any]:
        """Return the logits of every step but the first, and the state before the last step.

        events: int (batch, steps + 1, 3), which follow `state`. Logits: `time` (batch, steps,
        TIME_BINS), `event_type` (batch, steps, EVENT_TYPES) and `velocity` (batch, steps,
        VELOCITY_BINS), each given the factors of the step before it, too.
        """
        context, keys, state = self.unroll(events[:, :-1], state, training)
        time, event_type = events[:, 1:, 0], events[:, 1:, 1]
        logits = {
            'time': self.time_logits(context),
            'event_type': self.event_type_logits(context, keys, time),
            'velocity': self.velocity_logits(context, time, event_type),
        }
        return logits, state

    def negative_log_likelihood(
        self, events: Any, state: Any, training: bool = False
    ) -> tuple[Any, Any]:
        """Return the negative log-likelihood of every step but the first, given those before.

        events: int (batch, steps + 1, 3). Returns nats, (batch, steps, 3), of time, event type
        and velocity (0 where there is none), and the state before the last step.
        """
        logits, state = self.logits(events, state, training)
        time, event_type, velocity = (events[:, 1:, factor] for factor in range(3))
        nats = [
            _cross_entropy(time, logits['time']),
            _cross_entropy(ops.minimum(event_type, EVENT_TYPES - 1), logits['event_type']),
            _cross_entropy(ops.maximum(velocity - 1, 0), logits['velocity'])
            * ops.cast(velocity > 0, 'float32'),
        ]
        return ops.stack(nats, axis=-1), state

    def start(self, batch: int = 1) -> Any:
        """Return the state before the first event, a `State`."""
        zeros = np.zeros((batch, self.depth, self.units), np.float32)
        return State(zeros, zeros, np.zeros((batch, KEYS_AND_PEDAL), np.float32))

    def unroll(self, events: Any, state: Any, training: bool = False) -> tuple[Any, Any, Any]:
        """Run the network over a window of steps, int (batch, steps, 3).

        Returns the context (batch, steps, context_width) and the keys (batch, steps, 89) after
        each step, and the state after the last.
        """
        keys = self.keys_after(events, state)
        context, h, c = self.run_lstm(self.embed(events, keys), state, training)
        return self.output_dropout(context, training=training), keys, State(h, c, keys[:, -1])

    def functions(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return the functions that a runtime calls, by name; they take and return named arrays.

        advance: takes one step, int (batch, 3), and returns the arrays of the state after it.
        time, what, velocity: return the `logits` of the next step's time, event type and
        velocity. The names of the functions and of their parameters are part of the format of
        the .tflite files: there `what` is the event type.
        """

        def advance(event: Any, h: Any, c: Any, keys: Any) -> dict[str, Any]:
            keys = keys + ops.take(KEY_CHANGES, event[:, 1], axis=0)
            h, c = self.step_lstm(self.embed(event, keys), h, c)
            return {'h': h, 'c': c, 'keys': keys}

        def time(h: Any) -> dict[str, Any]:
            return {'logits': self.time_logits(self.lstm_output(h))}

        def what(h: Any, keys: Any, time: Any) -> dict[str, Any]:
            return {'logits': self.event_type_logits(self.lstm_output(h), keys, time)}

        def velocity(h: Any, time: Any, what: Any) -> dict[str, Any]:
            return {'logits': self.velocity_logits(self.lstm_output(h), time, what)}

        return {'advance': advance, 'time': time, 'what': what, 'velocity': velocity}

    def keys_after(self, events: Any, state: Any) -> Any:
        """Return what is down after each step of a window, (batch, steps, 89)."""
        changes = ops.take(KEY_CHANGES, events[..., 1], axis=0)
        return state.keys[:, None] + ops.cumsum(changes, axis=1)

    def embed(self, events: Any, keys: Any) -> Any:
        """Return the embedding of steps (..., 3), with the `keys` down after each."""
        return ops.concatenate(
            [
                self.time_embedding(events[..., 0]),
                self.type_embedding(events[..., 1]),
                self.velocity_embedding(events[..., 2]),
                keys,
            ],
            axis=-1,
        )

    def run_lstm(
        self, inputs: Any, state: Any, training: bool, mask: Any = None
    ) -> tuple[Any, Any, Any]:
        """Run the LSTM layers over a window of inputs, (batch, steps, input_width).

        mask: bool (batch, steps), False for a step that is skipped, whose output is undefined;
        None: no step is. Returns the outputs (batch, steps, units), and h and c after the last.
        """
        below, h, c = inputs, [], []
        for number, lstm in enumerate(self.lstm_layers):
            output, last_h, last_c = lstm(
                self.output_dropout(below, training=training),
                initial_state=[state.h[:, number], state.c[:, number]],
                mask=mask,
            )
            below = below + output if number else output
            h.append(last_h)
            c.append(last_c)
        return below, ops.stack(h, axis=1), ops.stack(c, axis=1)

    def step_lstm(self, inputs: Any, h: Any, c: Any) -> tuple[Any, Any]:
        """Run the LSTM layers for one step, (batch, input_width); return h and c after it."""
        below, after = inputs, []
        for number, lstm in enumerate(self.lstm_layers):
            output, both = lstm.cell(below, [h[:, number], c[:, number]])
            below = below + output if number else output
            after.append(both)
        h, c = (ops.stack(states, axis=1) for states in zip(*after, strict=True))
        return h, c

    def lstm_output(self, h: Any) -> Any:
        """Return the output (batch, units) of the LSTM layers from the `h` of their state."""
        return ops.sum(h, axis=1)

    def time_logits(self, context: Any) -> Any:
        """Return the logits (..., TIME_BINS) of the next event's time."""
        return _apply(self.time_head, context)

    def event_type_logits(self, context: Any, keys: Any, time: Any) -> Any:
        """Return the logits (..., EVENT_TYPES) of the event type in time bin `time`."""
        inputs = ops.concatenate([context, keys, self.time_embedding(time)], axis=-1)
        possible_keys = ops.concatenate([1 - keys[..., :-1], keys[..., :-1]], axis=-1)
        possible_pedal = ops.concatenate([1 - keys[..., -1:], keys[..., -1:]], axis=-1)
        possible = ops.concatenate([possible_keys, possible_pedal], axis=-1)
        return _apply(self.type_head, inputs) + IMPOSSIBLE * (1 - possible)

    def velocity_logits(self, context: Any, time: Any, event_type: Any) -> Any:
        """Return the logits (..., VELOCITY_BINS) of the velocity of a press, `event_type`."""
        inputs = [context, self.time_embedding(time), self.type_embedding(event_type)]
        return _apply(self.velocity_head, ops.concatenate(inputs, axis=-1))


def _head(hidden: int, outputs: int) -> list[layers.Layer]:
    return [layers.Dense(hidden, activation='relu'), layers.Dense(outputs, dtype='float32')]


def _apply(head: list[layers.Layer], inputs: Any) -> Any:
    for layer in head:
        inputs = layer(inputs)
    return inputs


def _cross_entropy(target: Any, logits: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(target, logits, from_logits=True)
