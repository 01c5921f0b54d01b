"""A network that listens and proposes: events in as they are heard, one event out at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from improv_ros.event_text import TimedEvent

from .runtime import Memory, Runtime, load_runtime
from .sampling import UNBIASED, Bias, choose
from .vocabulary import (
    FIRST_STEP,
    RELEASE,
    TICK,
    TIME_VALUES,
    Keyboard,
    Step,
    event_of,
    grid,
    time_bin,
    velocity_bin,
)


class Snapshot(NamedTuple):
    """Everything a model knows at one moment; see `Model.restore`."""

    memory: Memory
    keyboard: Keyboard
    clock: int | None


class Model:
    """One performance in progress: what the network remembers of it, and what it would play.

    `clock` is the time in nanoseconds of the latest event observed, None before the first;
    `keyboard` says what is down after it.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._beginning = runtime.advance(runtime.start(), FIRST_STEP)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._memory = self._beginning
        self.keyboard = Keyboard()
        self.clock: int | None = None

    def observe(self, event: TimedEvent) -> int:
        """Take in an event that was heard or is going to be played.

        An event older than the latest counts as happening now. Returns the steps it took:
        0 for what the vocabulary leaves out.
        """
        moves = self.keyboard.take(event)
        for what, velocity in moves:
            before = event.time if self.clock is None else self.clock
            wait = grid(event.time) - grid(before)
            self.clock = max(before, event.time)
            step = Step(time_bin(wait), what, velocity_bin(velocity) if velocity else 0)
            self._memory = self._runtime.advance(self._memory, step)
        return len(moves)

    def propose(
        self,
        random: np.random.Generator,
        earliest: int,
        latest: int,
        allowed: Callable[[int], np.ndarray],
        temperature: float = 1.0,
        top_p: float = 1.0,
        bias: Bias = UNBIASED,
    ) -> TimedEvent | None:
        """Return an event that could come next, or None if no allowed one can.

        It comes between the times `earliest` and `latest`, in nanoseconds; allowed: from the
        time that was drawn to what may come then, bool (WHATS,); temperature, top_p: those of
        `choose`. The model stays as it is: `observe` the event to make it happen.
        """
        clock = earliest if self.clock is None else self.clock
        times = clock + TICK * TIME_VALUES
        time = choose(
            self._runtime.time_logits(self._memory) + bias.time,
            random,
            temperature,
            top_p,
            (times >= earliest) & (times <= latest),
        )
        if time is None:  # no bin falls between, because the window is narrow or far off
            time = time_bin((earliest - clock) // TICK)
        when = max(earliest, clock + TICK * int(TIME_VALUES[time]))
        logits = self._runtime.what_logits(self._memory, time) + bias.what
        what = choose(logits, random, temperature, top_p, allowed(when))
        if what is None:
            return None
        velocity = 0
        if what < RELEASE:
            logits = self._runtime.velocity_logits(self._memory, time, what) + bias.velocity
            velocity = 1 + (choose(logits, random, temperature, top_p) or 0)
        return event_of(when, what, velocity)

    def snapshot(self) -> Snapshot:
        """Return what the model knows now."""
        return Snapshot(self._memory, self.keyboard.copy(), self.clock)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to what the model knew when the snapshot was taken."""
        self._memory, keyboard, self.clock = snapshot
        self.keyboard = keyboard.copy()


def load_model(path: str | Path = '', runtime: str = 'auto') -> Model:
    """Return the model in a file, by default the one that comes with the package.

    Path, runtime and errors are those of `load_runtime`.
    """
    return Model(load_runtime(path, runtime))
