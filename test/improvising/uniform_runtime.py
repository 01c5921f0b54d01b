"""Runtimes that find everything equally likely, or anything at all.

They stand in for the network in property tests, which play thousands of phrases: they are
quick, and, proposing whatever there is, a harder test of the rules than a network with taste.
Their `h` counts the steps they remember.
"""

import numpy as np

from improv_ros.improvising.runtime import Memory
from improv_ros.improvising.vocabulary import KEYS, TIMES, VELOCITIES, WHATS, Step

IMPOSSIBLE = -1e9


class UniformRuntime:
    def start(self) -> Memory:
        nothing = np.zeros((1, 1, 1), np.float32)
        return Memory(nothing, nothing, np.zeros((1, KEYS + 1), np.float32))

    def advance(self, memory: Memory, step: Step) -> Memory:
        keys = memory.keys.copy()
        if step.what < 2 * KEYS:
            keys[0, step.what % KEYS] = step.what < KEYS
        elif step.what < WHATS:
            keys[0, KEYS] = step.what == 2 * KEYS
        return memory._replace(h=memory.h + 1, keys=keys)

    def time_logits(self, memory: Memory) -> np.ndarray:
        logits = np.full(TIMES, -2.0, np.float32)
        logits[:30] = 0
        return logits

    def what_logits(self, memory: Memory, time: int) -> np.ndarray:
        keys, pedal = memory.keys[0, :KEYS], memory.keys[0, KEYS:]
        return IMPOSSIBLE * np.concatenate([keys, 1 - keys, pedal, 1 - pedal])

    def velocity_logits(self, memory: Memory, time: int, what: int) -> np.ndarray:
        return np.zeros(VELOCITIES, np.float32)


class WhimsicalRuntime(UniformRuntime):
    """Insists at every step on another few things, whatever came before."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def time_logits(self, memory: Memory) -> np.ndarray:
        return self._whim(memory, 0, TIMES)

    def what_logits(self, memory: Memory, time: int) -> np.ndarray:
        return super().what_logits(memory, time) + self._whim(memory, 1, WHATS)

    def velocity_logits(self, memory: Memory, time: int, what: int) -> np.ndarray:
        return self._whim(memory, 2, VELOCITIES)

    def _whim(self, memory: Memory, factor: int, size: int) -> np.ndarray:
        random = np.random.default_rng((self._seed, int(memory.h.item()), factor))
        return random.normal(0, 5, size)
