# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A runtime whose logits are those of the network as it has learnt from its partner."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import numpy as np

from improv_ros.improvising.network.improviser_runtime import NetworkState, Runtime
from improv_ros.improvising.network.vocabulary import FIRST_STEP, Step
from improv_ros.improvising.partner.learnt import ADAPTED, MEMORY, Learnt
from improv_ros.improvising.partner.mixture import mix
from improv_ros.improvising.partner.motif_memory import Found, MotifMemory, Place
from improv_ros.improvising.partner.output_heads import OutputHeads, impossible, log_softmax


class AdaptiveState(NamedTuple):
    """The state of the network, and the place in the music for the memory of motifs."""

    network: NetworkState
    place: Place


class AdaptiveRuntime:
    """Runs the LSTM of a runtime with the heads in NumPy, mixed with what was learnt.

    learnt, memory: may be replaced between two events. adapt: how far the logits move from those
    of the shipped network towards those learnt, 0 to 1. motifs: the part of the memory in the
    mixture, 0 to 1.
    """

    recurrence: ClassVar[str] = 'per_note'

    def __init__(self, network: Runtime, shipped: OutputHeads) -> None:
        self._network, self._shipped = network, shipped
        self.learnt = Learnt.nothing(shipped)
        self.memory = MotifMemory()
        self.adapt = self.motifs = 1.0

    def start(self) -> AdaptiveState:
        return AdaptiveState(self._network.start(), Place())

    def advance(self, state: AdaptiveState, step: Step) -> AdaptiveState:
        place = Place() if step == FIRST_STEP else state.place.after(step)
        return AdaptiveState(self._network.advance(state.network, step), place)

    def time_logits(self, state: AdaptiveState) -> np.ndarray:
        inputs = self._shipped.context(state.network)
        return self._logits(
            0,
            inputs,
            state,
            lambda found, base: self.memory.blend_time(found, state.place, base),
        )

    def event_type_logits(self, state: AdaptiveState, time: int) -> np.ndarray:
        inputs = self._shipped.event_type_inputs(state.network, time)
        return self._logits(
            1,
            inputs,
            state,
            lambda found, base: self.memory.blend_event_type(found, state.place, base),
            impossible(state.network.keys)[0],
        )

    def velocity_logits(self, state: AdaptiveState, time: int, event_type: int) -> np.ndarray:
        inputs = self._shipped.velocity_inputs(state.network, time, event_type)
        return self._logits(
            2,
            inputs,
            state,
            lambda found, base: self.memory.blend_velocity(found, state.place, event_type, base),
        )

    def motif_keys(self, state: AdaptiveState) -> np.ndarray:
        """Return which event types continue a motif of the partner, bool (EVENT_TYPES,)."""
        return self.memory.motif_keys(state.place)

    def _logits(
        self,
        factor: int,
        inputs: np.ndarray,
        state: AdaptiveState,
        blend: Callable[[Found, np.ndarray], np.ndarray],
        mask: np.ndarray | float = 0.0,
    ) -> np.ndarray:
        """Return the logits of a factor: time, event type or velocity.

        blend: adds what the memory found to probabilities. mask: added to the logits of the heads.
        """
        logits = self._shipped.heads[factor].logits(inputs) + mask
        if not self.adapt:
            return logits
        shipped = log_softmax(logits)
        adapted = log_softmax(self.learnt.heads[factor].logits(inputs) + mask)
        found = self.memory.find(state.place if self.motifs else Place())
        remembered = np.log(np.maximum(blend(found, np.exp(adapted)), 1e-12))
        weights = self.learnt.weights[factor, found.depth].copy()
        weights[ADAPTED] += (1 - self.motifs) * weights[MEMORY]
        weights[MEMORY] *= self.motifs
        learnt = mix(np.stack([shipped, adapted, remembered]), weights)
        return shipped + self.adapt * (learnt - shipped)
