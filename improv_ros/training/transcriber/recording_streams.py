# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The network over many recordings at once; its state is carried from window to window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from improv_ros.listening.transcription.transcription_network import State, TranscriptionNetwork

WEIGHTS = (1.0, 0.1, 0.1, 0.5)
"""Weights of the OUTPUTS in the loss, chosen by hand.

Most of the loss of frame and offset cannot be avoided: with the pedal down, no sound tells when a
key is released.
"""

Read = Callable[[TranscriptionNetwork, Any, State], tuple[Any, State]]


def reader(precision: str) -> Read:
    """Return how a network processes a window in 'full' or 'mixed' precision.

    Raises ValueError for mixed precision with another Keras backend than PyTorch.
    """
    if precision == 'full':
        return TranscriptionNetwork.read
    if keras.backend.backend() != 'torch':
        raise ValueError('--precision mixed of the transcriber needs KERAS_BACKEND=torch')
    from improv_ros.training.transcriber import bfloat16_network

    return bfloat16_network.read


class RecordingStreams(keras.Model):
    """Truncated back-propagation for a network: groups of `streams` recordings take turns.

    Called with (group, fresh, spectra) of a `RecordingWindow`, it returns the logits, (streams,
    hops, 88, delays, OUTPUTS), and keeps the state of each stream for its next window.

    read: processes a window in place of `TranscriptionNetwork.read`; see `reader`.
    """

    def __init__(
        self,
        network: TranscriptionNetwork,
        groups: int,
        streams: int,
        read: Read = TranscriptionNetwork.read,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.network = network
        self._read = read
        self.initial_state = network.start(streams)
        self.carried = [
            self.add_weight(name=name, shape=(groups, *value.shape), trainable=False)
            for name, value in self.initial_state._asdict().items()
        ]

    def call(self, window: tuple[Any, Any, Any]) -> Any:
        group, fresh, spectra = window
        state = []
        for carried, initial in zip(self.carried, self.initial_state, strict=True):
            anew = ops.reshape(fresh, (-1,) + (1,) * (len(initial.shape) - 1))
            state.append(
                ops.take(ops.convert_to_tensor(carried), group[0], axis=0) * (1 - anew)
                + ops.convert_to_tensor(initial) * anew
            )
        logits, after = self._read(self.network, ops.cast(spectra, 'float32'), State(*state))
        for carried, value in zip(self.carried, after, strict=True):
            here = ops.reshape(
                ops.arange(carried.shape[0]) == group[0], (-1,) + (1,) * len(value.shape)
            )
            carried.assign(
                ops.where(here, ops.stop_gradient(value)[None], ops.convert_to_tensor(carried))
            )
        return logits


def transcription_loss(targets: Any, logits: Any) -> Any:
    """Return the loss in weighted nats per hop, (streams, hops, delays).

    It is the binary cross-entropy of each output. The velocity has the weight of the onset
    target, so it counts only where a note begins.
    """
    targets = ops.cast(targets, 'float32')
    nats = ops.softplus(logits) - targets * logits
    onset = targets[..., :1]
    weights = ops.concatenate([ops.ones_like(targets[..., :3]), onset], axis=-1)
    return ops.sum(nats * weights * ops.convert_to_tensor(WEIGHTS), axis=(2, 4))
