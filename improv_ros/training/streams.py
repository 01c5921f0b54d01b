"""The network over many performances at once, its state carried from window to window."""

from typing import Any

import keras
from keras import ops

from improv_ros.improvising.network import EventNetwork, State


class Streams(keras.Model):
    """Truncated back-propagation for a network: `streams` performances side by side.

    Called with a batch's (events, fresh), it gives the nats of every event, (streams, steps,
    3), and keeps each stream's state for its next window. The state lives in variables that
    are not trained, so any Keras backend carries it.
    """

    def __init__(self, network: EventNetwork, streams: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network, self.streams = network, streams
        self.carried = [
            self.add_weight(name=name, shape=value.shape, initializer='zeros', trainable=False)
            for name, value in network.start(streams)._asdict().items()
        ]

    def call(self, batch: tuple[Any, Any]) -> Any:
        events, fresh = batch
        kept = 1 - fresh
        state = State(
            *(
                carried * ops.reshape(kept, (-1,) + (1,) * (len(carried.shape) - 1))
                for carried in self.carried
            )
        )
        nats, state = self.network.nats(events, state)
        for carried, value in zip(self.carried, state, strict=True):
            carried.assign(ops.stop_gradient(value))
        return nats


def surprise(real: Any, nats: Any) -> Any:
    """Return the loss: nats per event, nothing for what is filled up."""
    return ops.sum(real * nats, axis=-1)
