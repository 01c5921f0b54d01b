"""The fixed vocabulary: any piano performance in event text, as steps of three small numbers.

One step is one event, and says three things, each conditioned on the ones before (the
factoring of Notochord, Shepardson et al. 2022): *when* (time since the event before),
*what* (one of 88 keys pressed, 88 keys released, the pedal going down or up) and, for a
pressed key, *how loud*. A note costs two steps, where the one-hot vocabulary of Performance
RNN (Oore et al. 2018) spends about four.

What is outside is folded in or left out, never an error:

- pitches beyond the piano's 88 keys move by octaves into it;
- the notes of all channels are one piano; channel 9, by convention drums, is left out;
- the pedal is down from value 64 up, and repeats of the same position are left out;
- a key pressed while it is down is released first; a release of a key that is up is left out;
- *all notes off*, *all sound off* and `cl` release every key that is down;
- all other controllers and kinds are left out.
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

VERSION = 'piano-1'
"""Name of this vocabulary. A network trained on another one is refused by it."""

LOWEST_PITCH = 21
KEYS = 88
HIGHEST_PITCH = LOWEST_PITCH + KEYS - 1
PRESS, RELEASE = 0, KEYS  # key k: PRESS + k, RELEASE + k
PEDAL_DOWN, PEDAL_UP = 2 * KEYS, 2 * KEYS + 1
WHATS = 2 * KEYS + 2
START = WHATS  # what the network hears before the first event; it is never an answer

SWITCHES = KEYS + 1  # what can be down: the keys and the pedal


def _moves() -> np.ndarray:
    moves = np.zeros((WHATS + 1, SWITCHES), np.float32)
    keys = np.arange(KEYS)
    moves[PRESS + keys, keys] = 1
    moves[RELEASE + keys, keys] = -1
    moves[PEDAL_DOWN, KEYS], moves[PEDAL_UP, KEYS] = 1, -1
    return moves


MOVES = _moves()
"""How each event, `START` included, moves each switch: +1, -1 or 0."""

VELOCITIES = 32  # loudness in steps of 4; velocity 0 of a step: this is no pressed key
DRUM_CHANNEL = 9
SUSTAIN = 64
SILENCING = (120, 123)  # all sound off, all notes off

TICK = 10_000_000
"""The grid of time in nanoseconds: 10 ms, that of Performance RNN."""

TIMES = 128
_EXACT = 64  # 0 to 630 ms in ticks of 10 ms, then in steps of 4 % up to 8 s
TIME_VALUES = np.concatenate(
    [np.arange(_EXACT), np.round(np.geomspace(_EXACT, 800, TIMES - _EXACT))]
).astype(np.int64)
"""How long each of the `TIMES` time bins is, in ticks; longer waits count as the longest."""

LONGEST_WAIT = int(TIME_VALUES[-1])  # ticks
NEAREST_BIN = np.abs(np.arange(LONGEST_WAIT + 1)[:, None] - TIME_VALUES[None, :]).argmin(axis=1)
"""The time bin of each wait in ticks, up to the longest."""

BIN_WIDTHS = np.bincount(NEAREST_BIN, minlength=TIMES)
"""How many waits in ticks, of those up to the longest, fall into each time bin."""


class Step(NamedTuple):
    """One event as the network sees it.

    time: bin of `TIME_VALUES`; what: below `WHATS`, or `START`; velocity: 1 to `VELOCITIES`
    for a pressed key, else 0.
    """

    time: int
    what: int
    velocity: int


FIRST_STEP = Step(0, START, 0)


def time_bin(ticks: int) -> int:
    """Return the bin nearest to a wait of so many ticks."""
    return int(NEAREST_BIN[min(max(ticks, 0), LONGEST_WAIT)])


def time_bins(ticks: np.ndarray) -> np.ndarray:
    """Return the bins nearest to an array of waits in ticks."""
    return NEAREST_BIN[np.clip(ticks, 0, LONGEST_WAIT)]


def velocity_bin(velocity: int) -> int:
    """Return the step's velocity, 1 to `VELOCITIES`, for a MIDI velocity of 1 to 127."""
    return velocity // 4 + 1


def velocity_value(velocity: int) -> int:
    """Return the MIDI velocity in the middle of a step's velocity."""
    return velocity * 4 - 2


def key_of(pitch: int) -> int:
    """Return the key, 0 to 87, of a MIDI pitch; those beyond the piano move in by octaves."""
    if pitch < LOWEST_PITCH:
        pitch += 12 * -((pitch - LOWEST_PITCH) // 12)
    elif pitch > HIGHEST_PITCH:
        pitch -= 12 * -((HIGHEST_PITCH - pitch) // 12)
    return pitch - LOWEST_PITCH


class Keyboard:
    """What is down on the one piano that all events are played on.

    `take` turns each event into the moves that it really makes, so that no move ever presses
    a key that is down or releases one that is up.
    """

    def __init__(self) -> None:
        self.down: set[int] = set()
        self.pedal = False

    def take(self, event: TimedEvent) -> list[tuple[int, int]]:
        """Return the moves (what, MIDI velocity or 0) of an event: none, one or more."""
        if event.kind in ('no', 'nf'):
            pitch, velocity, channel = event.values
            if channel == DRUM_CHANNEL:
                return []
            key = key_of(pitch)
            moves = [(RELEASE + key, 0)] if key in self.down else []
            if is_note_on(event):
                self.down.add(key)
                moves.append((PRESS + key, velocity))
            else:
                self.down.discard(key)
            return moves
        if event.kind == 'cc' and event.values[1] == SUSTAIN:
            pedal = event.values[2] >= 64
            if event.values[0] == DRUM_CHANNEL or pedal == self.pedal:
                return []
            self.pedal = pedal
            return [(PEDAL_DOWN if pedal else PEDAL_UP, 0)]
        if event.kind == 'cl' or (event.kind == 'cc' and event.values[1] in SILENCING):
            moves = [(RELEASE + key, 0) for key in sorted(self.down)]
            self.down.clear()
            return moves
        return []

    def copy(self) -> 'Keyboard':
        """Return a keyboard of its own in the same state."""
        other = Keyboard()
        other.down, other.pedal = set(self.down), self.pedal
        return other


def encode(events: Iterable[TimedEvent]) -> np.ndarray:
    """Return the steps of events in order of time: int16, shape (steps, 3), as in `Step`.

    The first step waits for nothing. Each wait is between two moments rounded to the grid, so
    that rounding never adds up.
    """
    return np.array(list(_steps(events)), dtype=np.int16).reshape(-1, 3)


def _steps(events: Iterable[TimedEvent]) -> Iterator[Step]:
    keyboard = Keyboard()
    before: int | None = None
    for event in events:
        for what, velocity in keyboard.take(event):
            tick = grid(event.time)
            wait = 0 if before is None else tick - before
            before = tick
            yield Step(time_bin(wait), what, velocity_bin(velocity) if velocity else 0)


def grid(time: int) -> int:
    """Return a time in nanoseconds in ticks of the grid, rounded."""
    return (time + TICK // 2) // TICK


def event_of(time: int, what: int, velocity: int) -> TimedEvent:
    """Return the event at a time in nanoseconds that a step stands for."""
    if what in (PEDAL_DOWN, PEDAL_UP):
        return control_change(time, SUSTAIN, 127 if what == PEDAL_DOWN else 0)
    if what >= RELEASE:
        return note_off(time, LOWEST_PITCH + what - RELEASE)
    return note_on(time, LOWEST_PITCH + what, velocity_value(velocity))


def decode(steps: np.ndarray, start: int = 0) -> list[TimedEvent]:
    """Return the events of steps, the first one's wait counted from `start` nanoseconds."""
    times = start + TICK * np.cumsum(TIME_VALUES[steps[:, 0]])
    return [
        event_of(int(time), int(what), int(velocity))
        for time, (_, what, velocity) in zip(times, steps, strict=True)
    ]
