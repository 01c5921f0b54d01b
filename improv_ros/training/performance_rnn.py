"""Performance RNN, as published: the peer that the improviser's network is measured against.

Oore, Simon, Dieleman, Eck and Simonyan 2018, "This Time with Feeling": 388 tokens, one-hot, into
three LSTM layers of 512 and a softmax over the next token.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import keras
from keras import layers, ops
import numpy as np

from .representations import TIME_SHIFT, TOKENS, VELOCITY

# Which of an event's three parts (when, what, how loud) a token tells.
PARTS = np.eye(3, dtype=np.float32)[
    [
        0 if TIME_SHIFT <= token < VELOCITY else 2 if token >= VELOCITY else 1
        for token in range(TOKENS)
    ]
]


class State(NamedTuple):
    """What the network carries from token to token: h, c, each (batch, layers, units)."""

    h: Any
    c: Any


def _drawn(number: int) -> keras.initializers.Initializer:
    """Return how the weights into a layer are drawn.

    Wider than Keras would: a token is one 1 among 388 zeros, and by Keras's measure so little of
    it gets through three layers that hundreds of updates pass before it is noticed at all.
    """
    if number == 0:
        return keras.initializers.RandomNormal(stddev=0.7)
    return keras.initializers.VarianceScaling(scale=9.0, mode='fan_avg', distribution='uniform')


@keras.saving.register_keras_serializable(package='improv_ros')
class PerformanceRNN(keras.Model):
    """A recurrent network over the tokens of a piano performance."""

    moved_by: ClassVar[str] = 'events'
    """What its memory takes a step for; a model's description says so."""

    def __init__(self, units: int = 512, depth: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.depth = units, depth
        self.memory = [
            layers.LSTM(
                units, return_sequences=True, return_state=True, kernel_initializer=_drawn(number)
            )
            for number in range(depth)
        ]
        self.head = layers.Dense(TOKENS, dtype='float32')

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), 'units': self.units, 'depth': self.depth}

    def build(self, input_shape: Any = None) -> None:
        for number, lstm in enumerate(self.memory):
            lstm.build((None, None, self.units if number else TOKENS + 1))
        self.head.build((None, self.units))
        self.built = True

    def start(self, batch: int = 1) -> State:
        """Return the state before the first token."""
        memory = np.zeros((batch, self.depth, self.units), np.float32)
        return State(memory, memory)

    def nats(self, tokens: Any, state: State, training: bool = False) -> tuple[Any, State]:
        """Return how surprising tokens are, given the ones before.

        tokens: int (batch, steps + 1, 1); the first of each row is given, not guessed. Returns
        nats, (batch, steps, 3), each in the column of what its token tells, and the state
        before the last token.
        """
        memory = ops.one_hot(tokens[:, :-1, 0], TOKENS + 1)
        h, c = [], []
        for number, lstm in enumerate(self.memory):
            memory, last_h, last_c = lstm(
                memory, initial_state=[state.h[:, number], state.c[:, number]]
            )
            h.append(last_h)
            c.append(last_c)
        # Past a performance's end a row is filled with the first token, which has no logit.
        target = ops.minimum(tokens[:, 1:, 0], TOKENS - 1)
        nats = keras.losses.sparse_categorical_crossentropy(
            target, self.head(memory), from_logits=True
        )
        parts = ops.take(PARTS, target, axis=0)
        return nats[..., None] * parts, State(ops.stack(h, axis=1), ops.stack(c, axis=1))
