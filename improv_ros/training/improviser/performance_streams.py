# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A network that reads many performances side by side and carries its state between windows."""

from typing import Any

import keras
from keras import ops


class Streams(keras.Model):
    """A network for truncated back-propagation through time, over `streams` performances.

    Called with the (events, fresh) of a `Batch`, it returns the negative log-likelihood of every
    step in nats, float32 (streams, steps, 3), and keeps the state of each stream for its next
    window. The state is stored in variables that are not trained, which works with any Keras
    backend.

    network: has `start(streams)`, a named tuple of arrays whose first axis is the streams, and
    `negative_log_likelihood(events, state, training)`.
    """

    def __init__(self, network: Any, streams: int, **kwargs: Any) -> None:
        super().__init__(dtype='float32', **kwargs)  # also in mixed precision
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
        nats, state = self.network.negative_log_likelihood(events, state, training)
        for carried, value in zip(self.carried, state, strict=True):
            carried.assign(ops.cast(ops.stop_gradient(value), 'float32'))
        return nats


def nll_loss(real: Any, nats: Any) -> Any:
    """Return the loss in nats per step, 0 for padding.

    real: float (streams, steps, 1), 0 for padding; nats: float (streams, steps, 3).
    """
    return ops.sum(real * nats, axis=-1)
