"""The transcription network over many recordings at once, its state carried between windows."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from improv_ros.listening.network import State, TranscriptionNetwork

WEIGHTS = (1.0, 0.5, 0.3, 0.5)
"""How much each of the BELIEFS counts in the loss."""


class ListeningStreams(keras.Model):
    """Truncated back-propagation for a network: groups of `streams` recordings take turns.

    Called with a passage's (group, fresh, spectra), it gives the logits of every belief,
    (streams, hops, 88, delays, 4), and keeps each stream's state for its next window.
    """

    def __init__(
        self, network: TranscriptionNetwork, groups: int, streams: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.network = network
        self.begin = network.start(streams)
        self.carried = [
            self.add_weight(name=name, shape=(groups, *value.shape), trainable=False)
            for name, value in self.begin._asdict().items()
        ]

    def call(self, passage: tuple[Any, Any, Any]) -> Any:
        group, fresh, spectra = passage
        state = []
        for carried, begin in zip(self.carried, self.begin, strict=True):
            anew = ops.reshape(fresh, (-1,) + (1,) * (len(begin.shape) - 1))
            state.append(
                ops.take(ops.convert_to_tensor(carried), group[0], axis=0) * (1 - anew)
                + begin * anew
            )
        beliefs, after = self.network.read(ops.cast(spectra, 'float32'), State(*state))
        for carried, value in zip(self.carried, after, strict=True):
            here = ops.reshape(
                ops.arange(carried.shape[0]) == group[0], (-1,) + (1,) * len(value.shape)
            )
            carried.assign(
                ops.where(here, ops.stop_gradient(value)[None], ops.convert_to_tensor(carried))
            )
        return beliefs


def disbelief(targets: Any, logits: Any) -> Any:
    """Return the loss: weighted nats of a hop, (streams, hops, delays).

    The velocity counts where a note begins, in proportion to its onset.
    """
    targets = ops.cast(targets, 'float32')
    nats = ops.softplus(logits) - targets * logits
    begins = targets[..., :1]
    counted = ops.concatenate([ops.ones_like(targets[..., :3]), begins], axis=-1)
    return ops.sum(nats * counted * ops.convert_to_tensor(WEIGHTS), axis=(2, 4))
