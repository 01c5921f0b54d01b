# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Runtimes that replace the network in tests: uniform, random, scripted, and with a tape.

Property tests play thousands of phrases. These runtimes are faster than the network and test the
constraints harder, because they sample every event. Their `h` counts the steps.
"""

import numpy as np

from improv_ros.improvising.network.improviser_runtime import NO_MOTIFS, NetworkState
from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    FIRST_STEP,
    KEYS,
    RELEASE,
    TIME_BINS,
    VELOCITY_BINS,
    Step,
)

IMPOSSIBLE = -1e9


class UniformRuntime:
    """Gives all possible events the same probability."""

    def start(self) -> NetworkState:
        nothing = np.zeros((1, 1, 1), np.float32)
        return NetworkState(nothing, nothing, np.zeros((1, KEYS + 1), np.float32))

    def advance(self, state: NetworkState, step: Step) -> NetworkState:
        keys = state.keys.copy()
        if step.event_type < 2 * KEYS:
            keys[0, step.event_type % KEYS] = step.event_type < KEYS
        elif step.event_type < EVENT_TYPES:
            keys[0, KEYS] = step.event_type == 2 * KEYS
        return state._replace(h=state.h + 1, keys=keys)

    def time_logits(self, state: NetworkState) -> np.ndarray:
        logits = np.full(TIME_BINS, -2.0, np.float32)
        logits[:30] = 0
        return logits

    def event_type_logits(self, state: NetworkState, time: int) -> np.ndarray:
        keys, pedal = state.keys[0, :KEYS], state.keys[0, KEYS:]
        return IMPOSSIBLE * np.concatenate([keys, 1 - keys, pedal, 1 - pedal])

    def velocity_logits(self, state: NetworkState, time: int, event_type: int) -> np.ndarray:
        return np.zeros(VELOCITY_BINS, np.float32)

    def motif_keys(self, state: NetworkState) -> np.ndarray:
        return NO_MOTIFS


class TapeRuntime(UniformRuntime):
    """Keeps every step: its `h` holds them, (steps, 3)."""

    def start(self) -> NetworkState:
        return super().start()._replace(h=np.zeros((0, 3), np.float32))

    def advance(self, state: NetworkState, step: Step) -> NetworkState:
        after = super().advance(state._replace(h=np.zeros(1, np.float32)), step)
        tape = state.h if step == FIRST_STEP else np.concatenate([state.h, [step]])
        return after._replace(h=tape)


class RandomRuntime(UniformRuntime):
    """Prefers a few random events at each step."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def time_logits(self, state: NetworkState) -> np.ndarray:
        return self._noise(state, 0, TIME_BINS)

    def event_type_logits(self, state: NetworkState, time: int) -> np.ndarray:
        return super().event_type_logits(state, time) + self._noise(state, 1, EVENT_TYPES)

    def velocity_logits(self, state: NetworkState, time: int, event_type: int) -> np.ndarray:
        return self._noise(state, 2, VELOCITY_BINS)

    def _noise(self, state: NetworkState, factor: int, size: int) -> np.ndarray:
        random = np.random.default_rng((self._seed, int(state.h.item()), factor))
        return random.normal(0, 5, size)


class ScriptedRuntime(UniformRuntime):
    """Repeats a script, one key at a time, each released before the next.

    script: key of each note and ticks since the note before it; preference: nats by which the
    key of the script is more likely than any other.
    """

    def __init__(self, script: list[tuple[int, int]], preference: float = 50.0) -> None:
        self._script = script
        self._preference = preference

    def start(self) -> NetworkState:
        return super().start()._replace(h=np.full((1, 1, 1), -1, np.float32))

    def advance(self, state: NetworkState, step: Step) -> NetworkState:
        at = state.h
        if step.event_type < KEYS:
            at = (at + 1) % len(self._script)
        return super().advance(state, step)._replace(h=at)

    def time_logits(self, state: NetworkState) -> np.ndarray:
        logits = np.full(TIME_BINS, -50.0)
        wait = self._script[self._next(state)][1]
        down = state.keys[0, :KEYS].any()
        logits[3 if down else wait - 3] = 0
        return logits

    def event_type_logits(self, state: NetworkState, time: int) -> np.ndarray:
        logits = super().event_type_logits(state, time)
        down = np.flatnonzero(state.keys[0, :KEYS])
        wanted = RELEASE + down[0] if len(down) else self._script[self._next(state)][0]
        logits[wanted] += self._preference
        return logits

    def _next(self, state: NetworkState) -> int:
        return (int(state.h.item()) + 1) % len(self._script)
