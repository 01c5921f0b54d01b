"""A runtime that plays by heart, for tests of what a speech makes of what it is proposed."""

import numpy as np
from uniform_runtime import UniformRuntime

from improv_ros.improvising.runtime import Memory
from improv_ros.improvising.vocabulary import KEYS, RELEASE, TIMES, Step


class ScriptedRuntime(UniformRuntime):
    """Plays a script again and again, one key at a time, let go before the next.

    script: key of each note and ticks since the note before it; insistence: nats by which the
    key of the script is likelier than any other.
    """

    def __init__(self, script: list[tuple[int, int]], insistence: float = 50.0) -> None:
        self._script = script
        self._insistence = insistence

    def start(self) -> Memory:
        return super().start()._replace(h=np.full((1, 1, 1), -1, np.float32))

    def advance(self, memory: Memory, step: Step) -> Memory:
        at = memory.h
        if step.what < KEYS:
            at = (at + 1) % len(self._script)
        return super().advance(memory, step)._replace(h=at)

    def time_logits(self, memory: Memory) -> np.ndarray:
        logits = np.full(TIMES, -50.0)
        wait = self._script[self._next(memory)][1]
        down = memory.keys[0, :KEYS].any()
        logits[3 if down else wait - 3] = 0
        return logits

    def what_logits(self, memory: Memory, time: int) -> np.ndarray:
        logits = super().what_logits(memory, time)
        down = np.flatnonzero(memory.keys[0, :KEYS])
        wanted = RELEASE + down[0] if len(down) else self._script[self._next(memory)][0]
        logits[wanted] += self._insistence
        return logits

    def _next(self, memory: Memory) -> int:
        return (int(memory.h.item()) + 1) % len(self._script)
