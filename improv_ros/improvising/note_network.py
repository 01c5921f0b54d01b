"""The improviser's network with a memory that moves once a note.

A key that goes up, or the pedal, takes no step of the LSTM: what is down now, which event came
last and how long after a press stand beside the memory, and the heads read them there. So a note
costs one recurrent step instead of two, and the memory reaches twice as far.

    memory   = LSTM layers over the presses: each event as in `network.py`, and since
    since    = time from the press before the last event to it
    known    = memory, keys, since, what came last        (what every head is given as memory)
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops
import numpy as np

from .network import EventNetwork
from .vocabulary import LONGEST_WAIT, NEAREST_BIN, RELEASE, SWITCHES, TIME_VALUES

TICKS, BINS = (table.astype(np.int32) for table in (TIME_VALUES, NEAREST_BIN))


class NoteState(NamedTuple):
    """All that the network carries from event to event, for `batch` performances.

    h, c, keys: as in `State`; last: (batch, 2), of the event that came last the ticks since the
    press before it, at most `LONGEST_WAIT`, and what it was.
    """

    h: Any
    c: Any
    keys: Any
    last: Any


@keras.saving.register_keras_serializable(package='improv_ros')
class NoteNetwork(EventNetwork):
    """An `EventNetwork` whose LSTM takes a step for each pressed key, and for nothing else."""

    moved_by: ClassVar[str] = 'notes'

    @property
    def known(self) -> int:
        return self.units + SWITCHES + 32 + 96

    @property
    def read_width(self) -> int:
        return super().read_width + 32

    def start(self, batch: int = 1) -> Any:
        """Return the state before the first event, a `NoteState`."""
        h, c, keys = super().start(batch)
        return NoteState(h, c, keys, np.zeros((batch, 2), np.float32))

    def read(self, events: Any, state: Any, training: bool = False) -> tuple[Any, Any, Any]:
        """Read a window of steps, int (batch, steps, 3).

        Returns what is known (batch, steps, known) and the keys (batch, steps, 89) after each
        step, and the state after the last.
        """
        what = events[..., 1]
        pressed = what < RELEASE
        waits = ops.take(TICKS, events[..., 0], axis=0)
        carried = ops.where(state.last[:, 1] < RELEASE, 0.0, state.last[:, 0])
        elapsed = ops.cast(carried, 'int32')[:, None] + ops.cumsum(waits, axis=1)
        since = elapsed - _later(_highest_so_far(ops.where(pressed, elapsed, 0)), 1)
        keys = self.down(events, state)
        heard = self.hear(events, keys, since)
        memory, h, c = self.remember_presses(heard, pressed, state, training)
        known = self.beside(memory, keys, since, what)
        last = ops.stack([ops.minimum(since[:, -1], LONGEST_WAIT), what[:, -1]], axis=1)
        return known, keys, NoteState(h, c, keys[:, -1], ops.cast(last, 'float32'))

    def remember_presses(
        self, heard: Any, pressed: Any, state: Any, training: bool
    ) -> tuple[Any, Any, Any]:
        """Take the LSTM through the steps of a window in which a key is pressed.

        The presses are moved together, so that the LSTM takes no step for what is none. Returns
        the memory (batch, steps, units) after every step, and h and c after the last.
        """
        steps = heard.shape[1]
        number = ops.cumsum(ops.cast(pressed, 'int32'), axis=1)
        # Only TensorFlow lets a shape depend on values; elsewhere the steps left over are masked.
        any_size = keras.backend.backend() == 'tensorflow'
        most = ops.maximum(ops.max(number), 1) if any_size else steps
        place = ops.arange(steps)
        presses = ops.sort(ops.where(pressed, place, place + steps), axis=1)[:, :most] % steps
        real = ops.arange(most) < number[:, -1:]
        read = ops.take_along_axis(heard, presses[..., None], axis=1)
        told, h, c = self.climb(read, state, training, real)
        before = ops.cast(self.recall(state.h)[:, None], told.dtype)
        memory = ops.take_along_axis(
            ops.concatenate([before, told], axis=1), number[..., None], axis=1
        )
        return self.forget(memory, training=training), h, c

    def functions(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return what a runtime calls, as in `EventNetwork`.

        advance: reads a pressed key, of which `keys` and `last` tell already, and returns h and
        c after it.
        """

        def known(h: Any, keys: Any, last: Any) -> Any:
            since, what = (ops.cast(last[:, column], 'int32') for column in range(2))
            return self.beside(self.recall(h), keys, since, what)

        def advance(event: Any, h: Any, c: Any, keys: Any, last: Any) -> dict[str, Any]:
            since = ops.cast(last[:, 0], 'int32')
            h, c = self.move(self.hear(event, keys, since), h, c)
            return {'h': h, 'c': c}

        def time(h: Any, keys: Any, last: Any) -> dict[str, Any]:
            return {'logits': self.time_logits(known(h, keys, last))}

        def what(h: Any, keys: Any, last: Any, time: Any) -> dict[str, Any]:
            return {'logits': self.what_logits(known(h, keys, last), keys, time)}

        def velocity(h: Any, keys: Any, last: Any, time: Any, what: Any) -> dict[str, Any]:
            return {'logits': self.velocity_logits(known(h, keys, last), time, what)}

        return {'advance': advance, 'time': time, 'what': what, 'velocity': velocity}

    def hear(self, events: Any, keys: Any, since: Any) -> Any:
        """Return the LSTM's input for steps so many ticks since the press before each."""
        return ops.concatenate([self.embed(events, keys), self.time(_bins(since))], axis=-1)

    def beside(self, memory: Any, keys: Any, since: Any, what: Any) -> Any:
        """Return the memory and what stands beside it after events, (..., known)."""
        return ops.concatenate([memory, keys, self.time(_bins(since)), self.what(what)], axis=-1)


def _highest_so_far(numbers: Any) -> Any:
    """Return at each place of rows, (batch, steps), the highest number up to there, or 0."""
    reach = 1
    while reach < numbers.shape[1]:
        numbers = ops.maximum(numbers, _later(numbers, reach))
        reach *= 2
    return numbers


def _later(numbers: Any, places: int) -> Any:
    return ops.pad(numbers[:, :-places], [[0, 0], [places, 0]])


def _bins(ticks: Any) -> Any:
    return ops.take(BINS, ops.minimum(ticks, LONGEST_WAIT), axis=0)


NETWORKS = {network.moved_by: network for network in (EventNetwork, NoteNetwork)}
"""The networks of the improviser, by what moves their memory."""
