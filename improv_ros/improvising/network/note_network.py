# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The variant of the improviser's network whose LSTM takes one step per note.

A release or a pedal event is no step of the LSTM. Its effect is in the rest of the context: the
keys now down, the type of the last event and the time since the last press. So a note costs one
recurrent step instead of two, and a window of as many steps spans twice as much music.

    LSTM input  = the event as in `event_network.py` ⊕ the time since the press before, embedded
    context     = LSTM output ⊕ keys and pedal ⊕ time from the last press to the last event,
                  embedded ⊕ type of the last event, embedded
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops
import numpy as np

from improv_ros.improvising.network.event_network import (
    EVENT_TYPE_WIDTH,
    TIME_WIDTH,
    EventNetwork,
)
from improv_ros.improvising.network.vocabulary import (
    BIN_OF_TICKS,
    KEYS_AND_PEDAL,
    MAX_WAIT,
    RELEASE,
    TICKS_OF_BIN,
)

_TICKS, _BINS = (table.astype(np.int32) for table in (TICKS_OF_BIN, BIN_OF_TICKS))


class NoteState(NamedTuple):
    """The state of the network between two events, for `batch` performances.

    h, c, keys: as in `State`; last_event: (batch, 2), of the last event the ticks since the press
    before it, at most `MAX_WAIT`, and its event type.
    """

    h: Any
    c: Any
    keys: Any
    last_event: Any


@keras.saving.register_keras_serializable(package='improv_ros')
class NoteNetwork(EventNetwork):
    """An `EventNetwork` whose LSTM takes a step for each pressed key and for nothing else."""

    recurrence: ClassVar[str] = 'per_note'

    @property
    def context_width(self) -> int:
        return self.units + KEYS_AND_PEDAL + TIME_WIDTH + EVENT_TYPE_WIDTH

    @property
    def input_width(self) -> int:
        return super().input_width + TIME_WIDTH

    def start(self, batch: int = 1) -> Any:
        """Return the state before the first event, a `NoteState`."""
        h, c, keys = super().start(batch)
        return NoteState(h, c, keys, np.zeros((batch, 2), np.float32))

    def unroll(self, events: Any, state: Any, training: bool = False) -> tuple[Any, Any, Any]:
        event_type = events[..., 1]
        pressed = event_type < RELEASE
        waits = ops.take(_TICKS, events[..., 0], axis=0)
        carried = ops.where(state.last_event[:, 1] < RELEASE, 0.0, state.last_event[:, 0])
        elapsed = ops.cast(carried, 'int32')[:, None] + ops.cumsum(waits, axis=1)
        last_press = _shift(_cumulative_max(ops.where(pressed, elapsed, 0)), 1)
        since_press = elapsed - last_press
        keys = self.keys_after(events, state)
        inputs = self.lstm_input(events, keys, since_press)
        output, h, c = self.run_lstm_on_presses(inputs, pressed, state, training)
        context = self.context(output, keys, since_press, event_type)
        last = [ops.minimum(since_press[:, -1], MAX_WAIT), event_type[:, -1]]
        last_event = ops.cast(ops.stack(last, axis=1), 'float32')
        return context, keys, NoteState(h, c, keys[:, -1], last_event)

    def run_lstm_on_presses(
        self, inputs: Any, pressed: Any, state: Any, training: bool
    ) -> tuple[Any, Any, Any]:
        """Run the LSTM layers over the steps of a window in which a key is pressed.

        The presses are gathered into a shorter window, so that no time is spent on other steps.
        Returns the output (batch, steps, units) after every step of the original window, and h
        and c after the last.
        """
        steps = inputs.shape[1]
        number = ops.cumsum(ops.cast(pressed, 'int32'), axis=1)
        # Only TensorFlow lets a shape depend on values; elsewhere the unused steps are masked.
        dynamic = keras.backend.backend() == 'tensorflow'
        most = ops.maximum(ops.max(number), 1) if dynamic else steps
        place = ops.arange(steps)
        presses = ops.sort(ops.where(pressed, place, place + steps), axis=1)[:, :most] % steps
        mask = ops.arange(most) < number[:, -1:]
        gathered = ops.take_along_axis(inputs, presses[..., None], axis=1)
        outputs, h, c = self.run_lstm(gathered, state, training, mask)
        before = ops.cast(self.lstm_output(state.h)[:, None], outputs.dtype)
        output = ops.take_along_axis(
            ops.concatenate([before, outputs], axis=1), number[..., None], axis=1
        )
        return self.output_dropout(output, training=training), h, c

    def functions(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return the functions that a runtime calls, as in `EventNetwork`.

        advance: takes a press, after which `keys` and `last` are already updated, and returns h
        and c after it. In the format of the .tflite files, `last` is `NoteState.last_event`.
        """

        def context(h: Any, keys: Any, last: Any) -> Any:
            since_press, event_type = (ops.cast(last[:, column], 'int32') for column in range(2))
            return self.context(self.lstm_output(h), keys, since_press, event_type)

        def advance(event: Any, h: Any, c: Any, keys: Any, last: Any) -> dict[str, Any]:
            since_press = ops.cast(last[:, 0], 'int32')
            h, c = self.step_lstm(self.lstm_input(event, keys, since_press), h, c)
            return {'h': h, 'c': c}

        def time(h: Any, keys: Any, last: Any) -> dict[str, Any]:
            return {'logits': self.time_logits(context(h, keys, last))}

        def what(h: Any, keys: Any, last: Any, time: Any) -> dict[str, Any]:
            return {'logits': self.event_type_logits(context(h, keys, last), keys, time)}

        def velocity(h: Any, keys: Any, last: Any, time: Any, what: Any) -> dict[str, Any]:
            return {'logits': self.velocity_logits(context(h, keys, last), time, what)}

        return {'advance': advance, 'time': time, 'what': what, 'velocity': velocity}

    def lstm_input(self, events: Any, keys: Any, since_press: Any) -> Any:
        """Return the LSTM's input for steps, each with the ticks since the press before it."""
        since = self.time_embedding(_bins(since_press))
        return ops.concatenate([self.embed(events, keys), since], axis=-1)

    def context(self, output: Any, keys: Any, since_press: Any, event_type: Any) -> Any:
        """Return the context (..., context_width) after events of these types."""
        since, last_type = self.time_embedding(_bins(since_press)), self.type_embedding(event_type)
        return ops.concatenate([output, keys, since, last_type], axis=-1)


def _cumulative_max(numbers: Any) -> Any:
    """Return the maximum of 0 and all numbers up to each place of a row, (batch, steps)."""
    reach = 1
    while reach < numbers.shape[1]:
        numbers = ops.maximum(numbers, _shift(numbers, reach))
        reach *= 2
    return numbers


def _shift(numbers: Any, places: int) -> Any:
    return ops.pad(numbers[:, :-places], [[0, 0], [places, 0]])


def _bins(ticks: Any) -> Any:
    return ops.take(_BINS, ops.minimum(ticks, MAX_WAIT), axis=0)


NETWORKS = {network.recurrence: network for network in (EventNetwork, NoteNetwork)}
"""The networks of the improviser, by their recurrence."""
