"""The improviser's network with a memory that moves once a note.

A key that goes up, or the pedal, takes no step of the LSTM: what is down now, which event came
last and how long ago the note before was struck stand beside the memory, and the heads read them
there. So a note costs one recurrent step instead of two and the memory reaches twice as far. It
is trained and measured here; no node plays it yet.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from improv_ros.improvising.network import MOVES, SWITCHES, EventNetwork, State
from improv_ros.improvising.vocabulary import RELEASE

SINCE = 3  # the column of a step with the time bin of the wait since the press before it


@keras.saving.register_keras_serializable(package='improv_ros')
class NoteNetwork(EventNetwork):
    """An `EventNetwork` whose LSTM reads pressed keys alone."""

    @property
    def known(self) -> int:
        return self.units + SWITCHES + 32 + 96

    @property
    def read_width(self) -> int:
        return super().read_width + 32

    def read(self, events: Any, state: State, training: bool = False) -> tuple[Any, Any, State]:
        """Read a window of steps, int (batch, steps, 4); returns as in `EventNetwork`.

        The memory holds the LSTM's, what is down, the last event and the wait since a press.
        """
        pressed = events[..., 1] < RELEASE
        heard = ops.expand_dims(ops.cumsum(ops.cast(pressed, 'int32'), axis=1) > 0, -1)
        keys = state.keys[:, None] + ops.cumsum(ops.take(MOVES, events[..., 1], axis=0), axis=1)
        since = self.time(events[..., SINCE])
        below = ops.concatenate([self.embed(events, keys), since], axis=-1)
        h, c = [], []
        for number, lstm in enumerate(self.memory):
            before = state.h[:, number]
            above, last_h, last_c = lstm(
                self.forget(below, training=training),
                initial_state=[before, state.c[:, number]],
                mask=pressed,
            )
            # Up to a window's first press Keras gives zeros, not what was remembered.
            above = ops.where(heard, above, ops.cast(before[:, None], above.dtype))
            below = below + above if number else above
            h.append(last_h)
            c.append(last_c)
        memory = self.forget(below, training=training)
        known = ops.concatenate([memory, keys, since, self.what(events[..., 1])], axis=-1)
        return known, keys, State(ops.stack(h, axis=1), ops.stack(c, axis=1), keys[:, -1])

    def advance(self, event: Any, state: State) -> State:
        """Refuse: no node plays this network yet."""
        raise NotImplementedError('a network that moves by notes cannot be played yet')
