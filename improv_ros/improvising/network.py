"""The improviser's network: event in, LSTM, then when, what and how loud comes next.

    event  = time ⊕ what ⊕ velocity, each embedded, ⊕ the keys and pedal now down
    memory = LSTM layers over the events, each also given what the ones below it remember;
             the sum of what all remember
    time     | memory
    what     | memory, keys, time            (a key that is down cannot be pressed, and so on)
    velocity | memory, time, what

Which keys are down follows from the events alone, so it is part of the state: the network
need not spend its memory on it, and impossible events have probability zero.

The same layers run over whole windows in training (`read`) and one event at a time when
playing (`advance`).
"""

from typing import Any, NamedTuple

import keras
from keras import layers, ops
import numpy as np

from .vocabulary import KEYS, PEDAL_DOWN, PEDAL_UP, PRESS, RELEASE, TIMES, VELOCITIES, WHATS

IMPOSSIBLE = -1e9
"""Added to the logit of an event that the keys now down rule out."""

SWITCHES = KEYS + 1  # the keys and the pedal


def _moves() -> np.ndarray:
    """Return how each event, `START` included, moves each switch: +1, -1 or 0."""
    moves = np.zeros((WHATS + 1, SWITCHES), np.float32)
    keys = np.arange(KEYS)
    moves[PRESS + keys, keys] = 1
    moves[RELEASE + keys, keys] = -1
    moves[PEDAL_DOWN, KEYS], moves[PEDAL_UP, KEYS] = 1, -1
    return moves


MOVES = _moves()


class State(NamedTuple):
    """All that the network carries from event to event, for `batch` performances.

    h, c: (batch, layers, units), the LSTM's; keys: (batch, 89), 1 where a key or, last, the
    pedal is down.
    """

    h: Any
    c: Any
    keys: Any


@keras.saving.register_keras_serializable(package='improv_ros')
class EventNetwork(keras.Model):
    """A recurrent network over the events of a piano performance.

    units, depth: of the LSTM layers. dropout: how much of what goes up, not of what goes on in
    time, is left out while training (Zaremba et al. 2014).
    """

    def __init__(
        self, units: int = 384, depth: int = 1, dropout: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.depth, self.dropout = units, depth, dropout
        self.time = layers.Embedding(TIMES, 32)
        self.what = layers.Embedding(WHATS + 1, 96)
        self.velocity = layers.Embedding(VELOCITIES + 1, 16)
        self.memory = [
            layers.LSTM(units, return_sequences=True, return_state=True) for _ in range(depth)
        ]
        self.forget = layers.Dropout(dropout)
        self.time_head = _head(128, TIMES)
        self.what_head = _head(256, WHATS)
        self.velocity_head = _head(128, VELOCITIES)

    def get_config(self) -> dict[str, Any]:
        sizes = {'units': self.units, 'depth': self.depth, 'dropout': self.dropout}
        return {**super().get_config(), **sizes}

    @property
    def known(self) -> int:
        """How wide the memory is that the heads are given."""
        return self.units

    @property
    def read_width(self) -> int:
        """How wide the input of the first LSTM layer is."""
        return 32 + 96 + 16 + SWITCHES

    def build(self, input_shape: Any = None) -> None:
        for embedding in (self.time, self.what, self.velocity):
            embedding.build((None, None))
        for number, lstm in enumerate(self.memory):
            lstm.build((None, None, self.units if number else self.read_width))
        for head, inputs in (
            (self.time_head, self.known),
            (self.what_head, self.known + SWITCHES + 32),
            (self.velocity_head, self.known + 32 + 96),
        ):
            head[0].build((None, inputs))
            head[1].build((None, head[0].units))
        self.built = True

    def start(self, batch: int = 1) -> State:
        """Return the state before the first event."""
        memory = np.zeros((batch, self.depth, self.units), np.float32)
        return State(memory, memory, np.zeros((batch, SWITCHES), np.float32))

    def embed(self, events: Any, keys: Any) -> Any:
        """Return the LSTM's input for steps (..., 3) after which `keys` are down."""
        return ops.concatenate(
            [
                self.time(events[..., 0]),
                self.what(events[..., 1]),
                self.velocity(events[..., 2]),
                keys,
            ],
            axis=-1,
        )

    def read(self, events: Any, state: State, training: bool = False) -> tuple[Any, Any, State]:
        """Read a window of steps, int (batch, steps, 3).

        Returns the memory (batch, steps, units) and the keys (batch, steps, 89) after each
        step, and the state after the last.
        """
        keys = state.keys[:, None] + ops.cumsum(ops.take(MOVES, events[..., 1], axis=0), axis=1)
        below = self.embed(events, keys)
        h, c = [], []
        for number, lstm in enumerate(self.memory):
            above, last_h, last_c = lstm(
                self.forget(below, training=training),
                initial_state=[state.h[:, number], state.c[:, number]],
            )
            below = below + above if number else above
            h.append(last_h)
            c.append(last_c)
        memory = self.forget(below, training=training)
        return memory, keys, State(ops.stack(h, axis=1), ops.stack(c, axis=1), keys[:, -1])

    def advance(self, event: Any, state: State) -> State:
        """Read one step, int (batch, 3)."""
        keys = state.keys + ops.take(MOVES, event[:, 1], axis=0)
        below = self.embed(event, keys)
        h, c = [], []
        for number, lstm in enumerate(self.memory):
            above, (last_h, last_c) = lstm.cell(below, [state.h[:, number], state.c[:, number]])
            below = below + above if number else above
            h.append(last_h)
            c.append(last_c)
        return State(ops.stack(h, axis=1), ops.stack(c, axis=1), keys)

    def recall(self, h: Any) -> Any:
        """Return the memory (batch, units) of a state's `h`, as the heads take it."""
        return ops.sum(h, axis=1)

    def time_logits(self, memory: Any) -> Any:
        """Return logits (..., TIMES) of when the next event comes."""
        return _through(self.time_head, memory)

    def what_logits(self, memory: Any, keys: Any, time: Any) -> Any:
        """Return logits (..., WHATS) of what comes at time bin `time`."""
        given = ops.concatenate([memory, keys, self.time(time)], axis=-1)
        logits = _through(self.what_head, given)
        possible = ops.concatenate([1 - keys[..., :-1], keys[..., :-1]], axis=-1)
        pedal = ops.concatenate([1 - keys[..., -1:], keys[..., -1:]], axis=-1)
        return logits + IMPOSSIBLE * (1 - ops.concatenate([possible, pedal], axis=-1))

    def velocity_logits(self, memory: Any, time: Any, what: Any) -> Any:
        """Return logits (..., VELOCITIES) of how loud `what`, a pressed key, is."""
        given = ops.concatenate([memory, self.time(time), self.what(what)], axis=-1)
        return _through(self.velocity_head, given)

    def nats(self, events: Any, state: State, training: bool = False) -> tuple[Any, State]:
        """Return how surprising steps are, given the ones before.

        events: int (batch, steps + 1, 3); the first step of each row is given, not guessed.
        Returns nats, (batch, steps, 3), of time, what and velocity (0 where there is none),
        and the state before the last step.
        """
        memory, keys, state = self.read(events[:, :-1], state, training)
        time, what, velocity = (events[:, 1:, factor] for factor in range(3))
        surprise = [
            _nats(time, self.time_logits(memory)),
            _nats(ops.minimum(what, WHATS - 1), self.what_logits(memory, keys, time)),
            _nats(ops.maximum(velocity - 1, 0), self.velocity_logits(memory, time, what))
            * ops.cast(velocity > 0, 'float32'),
        ]
        return ops.stack(surprise, axis=-1), state


def _head(hidden: int, outputs: int) -> list[layers.Layer]:
    return [layers.Dense(hidden, activation='relu'), layers.Dense(outputs, dtype='float32')]


def _through(head: list[layers.Layer], given: Any) -> Any:
    for layer in head:
        given = layer(given)
    return given


def _nats(target: Any, logits: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(target, logits, from_logits=True)
