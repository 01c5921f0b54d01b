# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Learning from what one person plays, as it is heard: dynamic evaluation of the output heads.

After Krause, Kahembwe, Murray and Renals, "Dynamic evaluation of neural sequence models", 2018:
a gradient step on every few events heard, scaled by the root mean square of the gradients in
training, and a decay towards the shipped weights. The LSTM stays as it is.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from improv_ros.improvising.network.improviser_runtime import NetworkState, Runtime
from improv_ros.improvising.network.vocabulary import FIRST_STEP, PRESS, RELEASE, Step
from improv_ros.improvising.partner import mixture
from improv_ros.improvising.partner.learnt import Learnt
from improv_ros.improvising.partner.motif_memory import MotifMemory, Place
from improv_ros.improvising.partner.output_heads import (
    Heads,
    OutputHeads,
    gradient,
    log_probabilities,
)

# Chosen on performances of maestro-v3/train; `improv bench partner` measures their effect.
EVENTS_PER_UPDATE = 32  # about 15 notes
LEARNING_RATE = 0.006
DECAY = 0.0001  # of the difference from the shipped weights, in every update
SCALE_FLOOR = 0.3  # of the root mean square, relative to the mean of all weights
MIXING_RATE = 0.004
GAIN_NOTES = 1000  # the latest, whose gain is reported: some minutes


class PartnerLearner:
    """Follows what one person plays with a network of its own, and learns from it.

    learnt, memory: where to begin; both are those of one person.
    """

    def __init__(
        self,
        runtime: Runtime,
        shipped: OutputHeads,
        learnt: Learnt | None = None,
        memory: MotifMemory | None = None,
    ) -> None:
        self._runtime, self._shipped = runtime, shipped
        self._first_state = runtime.advance(runtime.start(), FIRST_STEP)
        self._scales = [LEARNING_RATE / (rms + SCALE_FLOOR) for rms in shipped.rms]
        self.start(learnt, memory)

    def start(self, learnt: Learnt | None = None, memory: MotifMemory | None = None) -> None:
        """Begin anew, with what was learnt before of this person, or nothing."""
        self.learnt = Learnt.nothing(self._shipped) if learnt is None else learnt
        self.memory = MotifMemory() if memory is None else memory
        self._state, self._place = self._first_state, Place()
        self._pending: list[tuple[NetworkState, Step]] = []
        self._gains: deque[float] = deque(maxlen=GAIN_NOTES)
        self._open_gain = 0.0

    def hear(self, step: Step) -> np.ndarray | None:
        """Take in an event; return the nats of the latest ones if `learnt` has changed."""
        self._pending.append((self._state, step))
        self._state = self._runtime.advance(self._state, step)
        return self.update() if len(self._pending) == EVENTS_PER_UPDATE else None

    def update(self) -> np.ndarray:
        """Learn from the events since the latest update, of which there must be some.

        Returns the nats of each, (events, 3 factors, 2), computed before learning from it: under
        the shipped network, and under all that is learnt.
        """
        states, steps = zip(*self._pending, strict=True)
        self._pending.clear()
        inputs = self._shipped.inputs(states, np.array(steps))
        shipped = log_probabilities(self._shipped.heads, inputs)
        adapted = log_probabilities(self.learnt.heads, inputs)
        nats = np.zeros((len(steps), 3, 2))
        weights = self.learnt.weights.copy()
        for number, step in enumerate(steps):
            experts = [
                np.stack([ours[number], theirs[number]])
                for ours, theirs in zip(shipped, adapted, strict=True)
            ]
            nats[number] = self._evaluate_step(step, experts, weights)
        heads = self._updated(gradient(self.learnt.heads, inputs))
        gain = float(np.mean(self._gains)) if self._gains else 0.0
        notes = sum(PRESS <= step.event_type < RELEASE for step in steps)
        self.learnt = Learnt(heads, weights, gain, self.learnt.notes + notes)
        return nats

    def _evaluate_step(
        self, step: Step, experts: list[np.ndarray], weights: np.ndarray
    ) -> np.ndarray:
        """Return the nats (3, 2) of one event; update the weights, the memory and the gains.

        experts: of each factor, the log-probabilities (2, outcomes) of the heads.
        """
        place, memory = self._place, self.memory
        found = memory.find(place)
        pressed = step.event_type < RELEASE
        outcomes = [step.time, step.event_type, step.velocity - 1]
        nats = np.zeros((3, 2))
        for factor in range(3 if pressed else 2):
            base = np.exp(experts[factor][1].astype(np.float64))
            if factor == 0:
                blended = memory.blend_time(found, place, base)
            elif factor == 1:
                blended = memory.blend_event_type(found, place, base)
            else:
                blended = memory.blend_velocity(found, place, step.event_type, base)
            remembered = np.log(np.maximum(blended, 1e-12))
            rows = np.concatenate([experts[factor], remembered[None]])
            chosen = weights[factor, found.depth]
            learnt, after = mixture.learn(rows, chosen, outcomes[factor], MIXING_RATE)
            weights[factor, found.depth] = learnt
            nats[factor] = -rows[0, outcomes[factor]], after
        memory.add(place, step)
        self._place = place.after(step)
        self._open_gain += float((nats[:, 0] - nats[:, 1]).sum())
        if pressed:  # a note has the gain of the releases and pedal events before it, too
            self._gains.append(self._open_gain)
            self._open_gain = 0.0
        return nats

    def _updated(self, gradients: list[np.ndarray]) -> Heads:
        """Return the heads after one step of gradient descent."""
        ours, shipped = self.learnt.heads.arrays, self._shipped.heads.arrays
        return Heads.of_arrays(
            [
                now - scale * slope + DECAY * (home - now)
                for now, home, slope, scale in zip(
                    ours, shipped, gradients, self._scales, strict=True
                )
            ]
        )
