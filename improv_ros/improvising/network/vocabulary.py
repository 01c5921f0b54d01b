# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The vocabulary of the improviser: a piano performance as steps of three small integers.

One step is one event. Its three factors are predicted one after the other, each given the ones
before (the factorisation of Notochord, Shepardson et al. 2022): *time* (since the event before),
*event type* (one of 88 keys pressed, one of 88 keys released, the pedal down or up) and, for a
pressed key, *velocity*. A note takes two steps, where the one-hot vocabulary of Performance RNN
(Oore et al. 2018) takes about four.

Events outside the vocabulary are mapped into it or skipped; they are never an error:

- pitches outside the 88 keys are transposed by octaves into the range;
- all channels are merged into one piano; channel 9, by convention drums, is skipped;
- the pedal is down at values from 64; an event that does not change its position is skipped;
- a key that is pressed while it is down is released first; a release of a key that is up is
  skipped;
- *all notes off*, *all sound off* and `cl` release every key that is down;
- all other controllers and event kinds are skipped.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from improv_ros.event_text import (
    TimedEvent,
    control_change,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.event_text.events import SUSTAIN

VERSION = 'piano-1'
"""Name of this vocabulary. A model file with another name is refused."""

LOWEST_PITCH = 21
KEYS = 88
HIGHEST_PITCH = LOWEST_PITCH + KEYS - 1
PRESS, RELEASE = 0, KEYS  # event types of key k: PRESS + k, RELEASE + k
PEDAL_DOWN, PEDAL_UP = 2 * KEYS, 2 * KEYS + 1
EVENT_TYPES = 2 * KEYS + 2
START = EVENT_TYPES  # the event type of the first input step; it is never predicted

KEYS_AND_PEDAL = KEYS + 1
"""Length of the vector of what is down, 1 or 0: the keys, and last the pedal."""


def _key_changes() -> np.ndarray:
    changes = np.zeros((EVENT_TYPES + 1, KEYS_AND_PEDAL), np.float32)
    keys = np.arange(KEYS)
    changes[PRESS + keys, keys] = 1
    changes[RELEASE + keys, keys] = -1
    changes[PEDAL_DOWN, KEYS], changes[PEDAL_UP, KEYS] = 1, -1
    return changes


KEY_CHANGES = _key_changes()
"""How each event type, `START` included, changes the vector of what is down: +1, -1 or 0."""

VELOCITY_BINS = 32  # of 4 MIDI velocities each; velocity 0 of a step: not a pressed key
DRUM_CHANNEL = 9
SILENCING_CONTROLLERS = (120, 123)  # all sound off, all notes off

TICK = 10_000_000
"""The time resolution in nanoseconds: 10 ms, as in Performance RNN."""

TIME_BINS = 128
_EXACT = 64  # bins of 1 tick, 0 to 630 ms; the others grow by 4 % each, up to 8 s
TICKS_OF_BIN = np.concatenate(
    [np.arange(_EXACT), np.round(np.geomspace(_EXACT, 800, TIME_BINS - _EXACT))]
).astype(np.int64)
"""The wait in ticks that each time bin stands for, (TIME_BINS,)."""

MAX_WAIT = int(TICKS_OF_BIN[-1])  # ticks; longer waits fall into the last bin
BIN_OF_TICKS = np.abs(np.arange(MAX_WAIT + 1)[:, None] - TICKS_OF_BIN[None, :]).argmin(axis=1)
"""The time bin of each wait of 0 to `MAX_WAIT` ticks, (MAX_WAIT + 1,)."""

BIN_WIDTHS = np.bincount(BIN_OF_TICKS, minlength=TIME_BINS)
"""How many of these waits fall into each time bin, (TIME_BINS,)."""

FIRST_TICKS = np.searchsorted(BIN_OF_TICKS, np.arange(TIME_BINS))
"""The shortest of the waits in each time bin, (TIME_BINS,)."""


class Step(NamedTuple):
    """One event as the network sees it.

    time: index into `TICKS_OF_BIN`; event_type: below `EVENT_TYPES`, or `START`; velocity: 1 to
    `VELOCITY_BINS` for a pressed key, else 0.
    """

    time: int
    event_type: int
    velocity: int


FIRST_STEP = Step(0, START, 0)


def time_bin(ticks: int) -> int:
    """Return the time bin nearest to a wait in ticks."""
    return int(BIN_OF_TICKS[min(max(ticks, 0), MAX_WAIT)])


def time_bins(ticks: np.ndarray) -> np.ndarray:
    """Return the time bins nearest to waits in ticks, an array of the same shape."""
    return BIN_OF_TICKS[np.clip(ticks, 0, MAX_WAIT)]


def velocity_bin(velocity: int) -> int:
    """Return the velocity of a step, 1 to `VELOCITY_BINS`, for a MIDI velocity of 1 to 127."""
    return velocity // 4 + 1


def velocity_value(velocity: int) -> int:
    """Return the MIDI velocity at the centre of a step's velocity bin."""
    return velocity * 4 - 2


def key_of(pitch: int) -> int:
    """Return the key, 0 to 87, of a MIDI pitch; pitches off the piano move by octaves into it."""
    if pitch < LOWEST_PITCH:
        pitch += 12 * -((pitch - LOWEST_PITCH) // 12)
    elif pitch > HIGHEST_PITCH:
        pitch -= 12 * -((HIGHEST_PITCH - pitch) // 12)
    return pitch - LOWEST_PITCH


class KeyboardState:
    """Which keys and whether the pedal are down on the one piano that all events are played on.

    `apply` turns an event into the changes that it really makes, so that no key is pressed
    while it is down or released while it is up.
    """

    def __init__(self) -> None:
        self.down: set[int] = set()
        self.pedal = False

    def apply(self, event: TimedEvent) -> list[tuple[int, int]]:
        """Apply an event; return its changes as (event type, MIDI velocity or 0), none or more."""
        if event.kind in ('no', 'nf'):
            pitch, velocity, channel = event.values
            if channel == DRUM_CHANNEL:
                return []
            key = key_of(pitch)
            changes = [(RELEASE + key, 0)] if key in self.down else []
            if is_note_on(event):
                self.down.add(key)
                changes.append((PRESS + key, velocity))
            else:
                self.down.discard(key)
            return changes
        if event.kind == 'cc' and event.values[1] == SUSTAIN:
            pedal = event.values[2] >= 64
            if event.values[0] == DRUM_CHANNEL or pedal == self.pedal:
                return []
            self.pedal = pedal
            return [(PEDAL_DOWN if pedal else PEDAL_UP, 0)]
        if event.kind == 'cl' or (event.kind == 'cc' and event.values[1] in SILENCING_CONTROLLERS):
            changes = [(RELEASE + key, 0) for key in sorted(self.down)]
            self.down.clear()
            return changes
        return []

    def copy(self) -> 'KeyboardState':
        """Return an independent copy."""
        other = KeyboardState()
        other.down, other.pedal = set(self.down), self.pedal
        return other


def encode(events: Iterable[TimedEvent]) -> np.ndarray:
    """Return the steps of events in order of time: int16, shape (steps, 3), as in `Step`.

    The first step has no wait. The times are rounded to ticks before the waits are taken, so
    rounding errors do not add up.
    """
    return np.array(list(_steps(events)), dtype=np.int16).reshape(-1, 3)


def _steps(events: Iterable[TimedEvent]) -> Iterator[Step]:
    keyboard = KeyboardState()
    before: int | None = None
    for event in events:
        for event_type, velocity in keyboard.apply(event):
            tick = to_ticks(event.time)
            wait = 0 if before is None else tick - before
            before = tick
            yield Step(time_bin(wait), event_type, velocity_bin(velocity) if velocity else 0)


def to_ticks(time: int) -> int:
    """Return a time in nanoseconds as ticks, rounded."""
    return (time + TICK // 2) // TICK


def event_of(time: int, event_type: int, velocity: int) -> TimedEvent:
    """Return the event, at a time in nanoseconds, of a step's event type and velocity."""
    if event_type in (PEDAL_DOWN, PEDAL_UP):
        return control_change(time, SUSTAIN, 127 if event_type == PEDAL_DOWN else 0)
    if event_type >= RELEASE:
        return note_off(time, LOWEST_PITCH + event_type - RELEASE)
    return note_on(time, LOWEST_PITCH + event_type, velocity_value(velocity))


def decode(steps: np.ndarray, start: int = 0) -> list[TimedEvent]:
    """Return the events of steps; the first wait is counted from `start`, in nanoseconds."""
    times = start + TICK * np.cumsum(TICKS_OF_BIN[steps[:, 0]])
    return [
        event_of(int(time), int(event_type), int(velocity))
        for time, (_, event_type, velocity) in zip(times, steps, strict=True)
    ]
