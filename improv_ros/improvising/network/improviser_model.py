# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A network that follows one performance: it observes events and samples the next one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from improv_ros.event_text import TimedEvent
from improv_ros.improvising.network.improviser_runtime import NetworkState, Runtime, load_runtime
from improv_ros.improvising.network.vocabulary import (
    BIN_WIDTHS,
    FIRST_STEP,
    FIRST_TICKS,
    RELEASE,
    TICK,
    TICKS_OF_BIN,
    KeyboardState,
    Step,
    event_of,
    time_bin,
    to_ticks,
    velocity_bin,
)

IMPOSSIBLE_BELOW = -1e8
"""An outcome with a logit below this is never drawn."""


class Bias(NamedTuple):
    """Nats that are added to the logits of the next event, to make outcomes more or less likely.

    time: (TIME_BINS,), event_type: (EVENT_TYPES,), velocity: (VELOCITY_BINS,); a plain number
    stands for an array that has it everywhere.
    """

    time: np.ndarray | float = 0.0
    event_type: np.ndarray | float = 0.0
    velocity: np.ndarray | float = 0.0


UNBIASED = Bias()


def sample(
    logits: np.ndarray,
    random: np.random.Generator,
    temperature: float = 1.0,
    top_p: float = 1.0,
    allowed: np.ndarray | None = None,
) -> int | None:
    """Return the index of one outcome drawn at random, or None if none is possible.

    logits: float (outcomes,). temperature: the logits are divided by it; below 1 the draw is
    less random, above 1 more random. top_p: only the most likely outcomes that together have
    this probability are drawn (nucleus sampling, Holtzman et al. 2020). allowed: bool
    (outcomes,), False for outcomes that must not be drawn.
    """
    possible = logits > IMPOSSIBLE_BELOW
    if allowed is not None:
        possible &= allowed
    if not possible.any():
        return None
    scaled = np.where(possible, logits / temperature, -np.inf).astype(np.float64)
    weights = np.exp(scaled - scaled.max())
    if top_p < 1:
        order = np.argsort(-weights)
        cumulative = np.cumsum(weights[order])
        weights[order[cumulative - weights[order] >= top_p * cumulative[-1]]] = 0
    cumulative = np.cumsum(weights)
    drawn = random.random() * cumulative[-1]
    below_total = np.nextafter(cumulative[-1], 0)
    return int(np.searchsorted(cumulative, min(drawn, below_total), side='right'))


def bounds_of_bin(clock: int, time: int) -> tuple[int, int]:
    """Return from when to before when an event falls into a time bin, after one at `clock`."""
    begin = TICK * (to_ticks(clock) + int(FIRST_TICKS[time])) - TICK // 2
    return begin, begin + TICK * int(BIN_WIDTHS[time])


class Snapshot(NamedTuple):
    """The whole state of a `Model` at one moment; see `Model.restore`."""

    state: NetworkState
    keyboard: KeyboardState
    clock: int | None


class Model:
    """The state of the network after the events of one performance, and what may come next.

    `clock` is the time in nanoseconds of the latest event observed, None before the first;
    `keyboard` holds the keys and the pedal that are down after it.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._initial_state = runtime.advance(runtime.start(), FIRST_STEP)
        self.reset()

    def reset(self) -> None:
        """Return to the state before the first event."""
        self._state = self._initial_state
        self.keyboard = KeyboardState()
        self.clock: int | None = None

    def observe(self, event: TimedEvent) -> int:
        """Advance the network by an event that was heard or is going to be played.

        An event older than the latest one counts as simultaneous with it. Returns the number of
        steps taken: 0 for an event outside the vocabulary.
        """
        changes = self.keyboard.apply(event)
        for event_type, velocity in changes:
            before = event.time if self.clock is None else self.clock
            wait = to_ticks(event.time) - to_ticks(before)
            self.clock = max(before, event.time)
            step = Step(time_bin(wait), event_type, velocity_bin(velocity) if velocity else 0)
            self._state = self._runtime.advance(self._state, step)
        return len(changes)

    def sample_event(
        self,
        random: np.random.Generator,
        earliest: int,
        latest: int,
        allowed: Callable[[int], np.ndarray],
        temperature: float = 1.0,
        top_p: float = 1.0,
        bias: Bias = UNBIASED,
    ) -> TimedEvent | None:
        """Sample the next event; return None if no allowed one is possible.

        earliest, latest: bounds of its time, in nanoseconds; allowed: a function from the
        sampled time to the event types that may come then, bool (EVENT_TYPES,); temperature,
        top_p: as in `sample`; bias: added to the logits. The state does not change: pass the
        event to `observe` if it is going to be played.

        All velocities may be drawn, whatever `top_p`: an accent is unlikely and not wrong, and
        without accents the velocities get more and more alike. Within its time bin the time is
        drawn uniformly: on the grid of the bins, chords would be simultaneous and all intervals
        multiples of 10 ms.
        """
        clock = earliest if self.clock is None else self.clock
        times = clock + TICK * TICKS_OF_BIN
        time = sample(
            self._runtime.time_logits(self._state) + bias.time,
            random,
            temperature,
            top_p,
            (times >= earliest) & (times <= latest),
        )
        if time is None:  # no bin lies between: the interval is short or far from the clock
            time, when = time_bin((earliest - clock) // TICK), earliest
        else:
            begin, end = bounds_of_bin(clock, time)
            begin = max(begin, earliest, clock)
            when = min(begin + int(random.random() * (end - begin)), latest)
        logits = self._runtime.event_type_logits(self._state, time) + bias.event_type
        event_type = sample(logits, random, temperature, top_p, allowed(when))
        if event_type is None:
            return None
        velocity = 0
        if event_type < RELEASE:
            logits = self._runtime.velocity_logits(self._state, time, event_type) + bias.velocity
            velocity = 1 + (sample(logits, random, temperature) or 0)
        return event_of(when, event_type, velocity)

    def onset_probability(self, now: int, horizon: int) -> float:
        """Return how likely the next event comes within `horizon` of `now`, both nanoseconds.

        It is given that none has come from the latest event until `now`.
        """
        clock = now if self.clock is None else self.clock
        logits = self._runtime.time_logits(self._state).astype(np.float64)
        probabilities = np.exp(logits - logits.max())
        times = clock + TICK * TICKS_OF_BIN
        later = probabilities[times > now].sum()
        if not later:
            return 0.0
        return float(probabilities[(times > now) & (times <= now + horizon)].sum() / later)

    def motif_keys(self) -> np.ndarray:
        """Return which event types continue a motif of the person, bool (EVENT_TYPES,)."""
        return self._runtime.motif_keys(self._state)

    def snapshot(self) -> Snapshot:
        """Return the state."""
        return Snapshot(self._state, self.keyboard.copy(), self.clock)

    def restore(self, snapshot: Snapshot) -> None:
        """Return to the state of a snapshot, as often as wanted."""
        self._state, keyboard, self.clock = snapshot
        self.keyboard = keyboard.copy()


def load_model(path: str | Path = '', runtime: str = 'auto') -> Model:
    """Return the model in a file; '' is the one shipped with the package.

    The path, the runtime and the errors are those of `load_runtime`.
    """
    return Model(load_runtime(path, runtime))
