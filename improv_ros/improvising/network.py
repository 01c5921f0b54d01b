"""The improviser's network: event in, LSTM, then when, what and how loud comes next.

    event  = time ⊕ what ⊕ velocity, each embedded, ⊕ the keys and pedal now down
    memory = LSTM layers over the events, each also given what the ones below it remember;
             the sum of what all remember
    time     | memory
    what     | memory, keys, time            (a key that is down cannot be pressed, and so on)
    velocity | memory, time, what

Which keys are down follows from the events alone, so it is part of the state: the network
need not spend its memory on it, and impossible events have probability zero. In the variant of
`note_network.py` the memory moves once a note.

The same layers run over whole windows in training (`read`) and one event at a time when
playing (`functions`).
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import keras
from keras import layers, ops
import numpy as np

from .vocabulary import MOVES, SWITCHES, TIMES, VELOCITIES, WHATS

IMPOSSIBLE = -3e4
"""Added to the logit of an event that the keys now down rule out; 16 bits can hold it, too."""


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

    moved_by: ClassVar[str] = 'events'
    """What its memory takes a step for; a model's description says so."""

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

    def start(self, batch: int = 1) -> Any:
        """Return the state before the first event, a `State`."""
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

    def read(self, events: Any, state: Any, training: bool = False) -> tuple[Any, Any, Any]:
        """Read a window of steps, int (batch, steps, 3).

        Returns the memory (batch, steps, units) and the keys (batch, steps, 89) after each
        step, and the state after the last.
        """
        keys = self.down(events, state)
        memory, h, c = self.remember(self.embed(events, keys), state, training)
        return memory, keys, State(h, c, keys[:, -1])

    def recall(self, h: Any) -> Any:
        """Return the memory (batch, units) of a state's `h`, as the heads take it."""
        return ops.sum(h, axis=1)

    def functions(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return what a runtime calls: functions of named arrays, by name.

        advance: reads one step, int (batch, 3), and returns the state's arrays after it. time,
        what, velocity: return the `logits` of the next step's factors.
        """

        def advance(event: Any, h: Any, c: Any, keys: Any) -> dict[str, Any]:
            keys = keys + ops.take(MOVES, event[:, 1], axis=0)
            h, c = self.move(self.embed(event, keys), h, c)
            return {'h': h, 'c': c, 'keys': keys}

        def time(h: Any) -> dict[str, Any]:
            return {'logits': self.time_logits(self.recall(h))}

        def what(h: Any, keys: Any, time: Any) -> dict[str, Any]:
            return {'logits': self.what_logits(self.recall(h), keys, time)}

        def velocity(h: Any, time: Any, what: Any) -> dict[str, Any]:
            return {'logits': self.velocity_logits(self.recall(h), time, what)}

        return {'advance': advance, 'time': time, 'what': what, 'velocity': velocity}

    def down(self, events: Any, state: Any) -> Any:
        """Return which switches are down after each step of a window, (batch, steps, 89)."""
        return state.keys[:, None] + ops.cumsum(ops.take(MOVES, events[..., 1], axis=0), axis=1)

    def remember(self, read: Any, state: Any, training: bool) -> tuple[Any, Any, Any]:
        """Take the LSTM through a window of its inputs, (batch, steps, read_width).

        Returns the memory (batch, steps, units) after each, and h and c after the last.
        """
        memory, h, c = self.climb(read, state, training)
        return self.forget(memory, training=training), h, c

    def climb(
        self, read: Any, state: Any, training: bool, real: Any = None
    ) -> tuple[Any, Any, Any]:
        """Take the layers of the LSTM, one upon the other, through a window.

        real: bool (batch, steps), False where there is no step and the state stays; None: all
        are. Returns the sum of what the layers say, which is anything where there is no step,
        and h and c.
        """
        below, h, c = read, [], []
        for number, lstm in enumerate(self.memory):
            above, last_h, last_c = lstm(
                self.forget(below, training=training),
                initial_state=[state.h[:, number], state.c[:, number]],
                mask=real,
            )
            below = below + above if number else above
            h.append(last_h)
            c.append(last_c)
        return below, ops.stack(h, axis=1), ops.stack(c, axis=1)

    def move(self, read: Any, h: Any, c: Any) -> tuple[Any, Any]:
        """Take the LSTM one step, for an input (batch, read_width); return h and c after it."""
        below, after = read, []
        for number, lstm in enumerate(self.memory):
            above, both = lstm.cell(below, [h[:, number], c[:, number]])
            below = below + above if number else above
            after.append(both)
        h, c = (ops.stack(layers, axis=1) for layers in zip(*after, strict=True))
        return h, c

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

    def nats(self, events: Any, state: Any, training: bool = False) -> tuple[Any, Any]:
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
