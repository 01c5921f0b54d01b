"""A network over many performances at once, its state carried from window to window."""

from typing import Any

import keras
from keras import ops


class Streams(keras.Model):
    """Truncated back-propagation for a network: `streams` performances side by side.

    Called with a batch's (events, fresh), it gives the nats of every step, (streams, steps,
    3), and keeps each stream's state for its next window. The state lives in variables that
    are not trained, so any Keras backend carries it.

    network: has `start(streams)`, a named tuple of arrays that begin with the streams, and
    `nats(events, state, training)`.
    """

    def __init__(self, network: Any, streams: int, **kwargs: Any) -> None:
        super().__init__(dtype='float32', **kwargs)  # whatever its layers reckon in
        self.network, self.streams = network, streams
        start = network.start(streams)
        self._state = type(start)
        self.carried = [
            self.add_weight(
                name=name,
                shape=value.shape,
                initializer='zeros',
                trainable=False,
                dtype='float32',
            )
            for name, value in start._asdict().items()
        ]

    def call(self, batch: tuple[Any, Any], training: bool = False) -> Any:
        events, fresh = batch
        kept = 1 - fresh
        state = self._state(
            *(
                carried * ops.reshape(kept, (-1,) + (1,) * (len(carried.shape) - 1))
                for carried in self.carried
            )
        )
        nats, state = self.network.nats(events, state, training)
        for carried, value in zip(self.carried, state, strict=True):
            carried.assign(ops.cast(ops.stop_gradient(value), 'float32'))
        return nats


def surprise(real: Any, nats: Any) -> Any:
    """Return the loss: nats per step, nothing for what is filled up."""
    return ops.sum(real * nats, axis=-1)
