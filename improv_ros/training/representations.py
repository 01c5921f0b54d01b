"""What a network reads: a performance as steps, in one of three representations.

`as played` is the vocabulary of the improviser. The other two are for comparing networks: both
tell exactly the same music (every key's sound, lengthened by the pedal, on a grid of 10 ms, with
32 velocities, in one order), one in the improviser's steps and one in the tokens of Performance
RNN (Oore et al. 2018). What each costs in nats can therefore be set side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from improv_ros.improvising.vocabulary import (
    BIN_WIDTHS,
    FIRST_STEP,
    KEYS,
    LONGEST_WAIT,
    LOWEST_PITCH,
    PEDAL_DOWN,
    PEDAL_UP,
    PRESS,
    RELEASE,
    TICK,
    VERSION,
    time_bins,
)

from .dataset import MILLISECOND

TICK_MS = TICK // MILLISECOND
LONGEST_PAUSE = LONGEST_WAIT
"""In ticks: in every representation a longer pause counts as one of this length."""

# The tokens of Performance RNN, in the order of Magenta's one-hot encoding.
NOTE_ON, NOTE_OFF, TIME_SHIFT, VELOCITY = 0, 128, 256, 356
TOKENS = 388
LONGEST_SHIFT = 100  # ticks
FIRST_TOKEN = TOKENS  # what the network reads before the first token; it is never an answer


class Variation(NamedTuple):
    """How a performance is changed before it is learnt from.

    stretch: factor on all times; transpose: semitones, which must stay on the piano (see
    `room_to_transpose`); loudness: factor on all velocities.
    """

    stretch: float = 1.0
    transpose: int = 0
    loudness: float = 1.0


AS_IT_IS = Variation()


def quantise(performance: np.ndarray, variation: Variation = AS_IT_IS) -> np.ndarray:
    """Return a performance as the vocabulary's steps, int16 (moves, 3), after varying it."""
    ticks = _ticks(np.cumsum(performance[:, 0], dtype=np.int64), variation)
    what = performance[:, 1].astype(np.int64)
    loud = _velocity_bins(performance[:, 2], variation)
    steps = np.empty(performance.shape, np.int16)
    steps[:, 0] = time_bins(np.diff(ticks, prepend=ticks[:1]))
    steps[:, 1] = np.where(what < PEDAL_DOWN, what + variation.transpose, what)
    steps[:, 2] = np.where(performance[:, 2] > 0, loud, 0)
    return steps


class Notes(NamedTuple):
    """Notes as they sound, in order of key and then of onset; each array (notes,).

    onset, offset: when it begins and ends; key: 0 to 87; velocity: as in MIDI.
    """

    onset: np.ndarray
    offset: np.ndarray
    key: np.ndarray
    velocity: np.ndarray


def sounding(performance: np.ndarray, pedal: bool = True) -> Notes:
    """Return a performance's notes in milliseconds, the sustain pedal applied to their ends.

    A note that ends while the pedal is down sounds until it goes up, but not past the next
    onset of its own key (as Magenta's `apply_sustain_control_changes`). pedal: False leaves the
    ends where the keys go up.
    """
    times = np.cumsum(performance[:, 0], dtype=np.int64)
    end = times[-1]
    what = performance[:, 1].astype(np.int64)
    ups = np.append(times[what == PEDAL_UP], end)
    downs = times[what == PEDAL_DOWN] if pedal else times[:0]
    of_keys = np.flatnonzero(what < PEDAL_DOWN)
    order = of_keys[np.argsort(what[of_keys] % KEYS, kind='stable')]
    times, pressed, key = times[order], what[order] < RELEASE, what[order] % KEYS
    presses = np.flatnonzero(pressed)
    after = np.minimum(presses + 1, len(order) - 1)
    released = (after > presses) & (key[after] == key[presses]) & ~pressed[after]
    offset = np.where(released, times[after], end)
    down = np.searchsorted(downs, offset, side='right') - 1
    up = ups[np.clip(down, 0, len(ups) - 1)]
    offset = np.where((down >= 0) & (up > offset), up, offset)
    velocity = performance[order[presses], 2].astype(np.int64)
    notes = Notes(times[presses], offset, key[presses], velocity)
    return notes._replace(offset=np.minimum(offset, _next_onset(notes)))


def sounding_events(performance: np.ndarray, variation: Variation = AS_IT_IS) -> np.ndarray:
    """Return begins and ends of notes, the pedal applied: int64 (events, 3), in canonical order.

    Columns: ticks since the event before, at most `LONGEST_PAUSE`; what, as in the vocabulary;
    velocity bin of a begin, else 0. In one tick ends come before begins, low keys before high
    ones. Every note is at least a tick long; of two onsets of one key in one tick one is left.
    """
    notes = sounding(performance)
    notes = notes._replace(
        onset=_ticks(notes.onset, variation), offset=_ticks(notes.offset, variation)
    )
    notes = Notes(*(column[_next_onset(notes) > notes.onset] for column in notes))
    offset = np.minimum(np.maximum(notes.offset, notes.onset + 1), _next_onset(notes))
    key = notes.key + variation.transpose
    tick = np.concatenate([offset, notes.onset])
    what = np.concatenate([RELEASE + key, PRESS + key])
    loud = np.concatenate([np.zeros_like(key), _velocity_bins(notes.velocity, variation)])
    order = np.lexsort((what % KEYS, what < RELEASE, tick))
    tick = tick[order]
    waits = np.minimum(np.diff(tick, prepend=tick[:1]), LONGEST_PAUSE)
    return np.stack([waits, what[order], loud[order]], axis=1)


def _next_onset(notes: Notes) -> np.ndarray:
    """Return when each note's key is pressed again, or for ever after."""
    following = np.append(notes.onset[1:], 0)
    same = np.append(notes.key[1:] == notes.key[:-1], False)
    return np.where(same, following, np.iinfo(np.int64).max)


def sounding_steps(performance: np.ndarray, variation: Variation = AS_IT_IS) -> np.ndarray:
    """Return `sounding_events` as the vocabulary's steps, int16 (events, 3)."""
    events = sounding_events(performance, variation)
    events[:, 0] = time_bins(events[:, 0])
    return events.astype(np.int16)


def sounding_tokens(performance: np.ndarray, variation: Variation = AS_IT_IS) -> np.ndarray:
    """Return `sounding_events` in Performance RNN's 388 tokens, int16 (tokens, 1).

    Before each event: its wait in shifts of at most a second, the last one the remainder, and
    for a begin, where it changes, its velocity.
    """
    waits, what, loud = sounding_events(performance, variation).T
    begins = loud > 0
    shifts = -(-waits // LONGEST_SHIFT)
    changes = np.zeros_like(begins)
    changes[begins] = np.diff(loud[begins], prepend=0) != 0
    ends = np.cumsum(shifts + changes + 1)
    tokens = np.full(int(ends[-1]), TIME_SHIFT + LONGEST_SHIFT - 1, np.int16)
    tokens[ends - 1] = np.where(begins, NOTE_ON, NOTE_OFF) + LOWEST_PITCH + what % KEYS
    tokens[ends[changes] - 2] = VELOCITY + loud[changes] - 1
    waited = shifts > 0
    last = (ends - 2 - changes)[waited]
    tokens[last] = TIME_SHIFT + (waits - LONGEST_SHIFT * (shifts - 1))[waited] - 1
    return tokens[:, None]


def _ticks(times: np.ndarray, variation: Variation) -> np.ndarray:
    """Return milliseconds in ticks, rounded as `vocabulary.grid` does."""
    return np.floor(times * (variation.stretch / TICK_MS) + 0.5).astype(np.int64)


def _velocity_bins(velocity: np.ndarray, variation: Variation) -> np.ndarray:
    varied = np.round(velocity.astype(np.int64) * variation.loudness)
    return np.clip(varied, 1, 127).astype(np.int64) // 4 + 1


def room_to_transpose(performance: np.ndarray, down: int = 6, up: int = 5) -> tuple[int, int]:
    """Return the lowest and highest transposition that keeps all keys on the piano."""
    keys = performance[performance[:, 1] < RELEASE, 1].astype(int) - PRESS
    if not len(keys):
        return 0, 0
    return max(-down, -int(keys.min())), min(up, KEYS - 1 - int(keys.max()))


def seconds(performance: np.ndarray) -> float:
    """Return how long a performance takes, pauses counted as every representation does."""
    return float(np.minimum(performance[1:, 0], LONGEST_PAUSE * TICK_MS).sum() / 1000)


class Representation(NamedTuple):
    """One way to write a performance down.

    name: stands in the description of a network that speaks it. first: what the network reads
    before the first step. steps: performance to int16 (steps, factors). is_note: steps to bool,
    which of them begin a note. exact: steps to the nats that it takes to tell the exact tick
    within the time bins of all steps, alike for all ticks of a bin.
    """

    name: str
    first: tuple[int, ...]
    steps: Callable[..., np.ndarray]
    is_note: Callable[[np.ndarray], np.ndarray]
    exact: Callable[[np.ndarray], float]


def _presses(steps: np.ndarray) -> np.ndarray:
    return steps[..., 1] < RELEASE


def _begins(tokens: np.ndarray) -> np.ndarray:
    return tokens[..., 0] < NOTE_OFF


def _within_bins(steps: np.ndarray) -> float:
    return float(np.log(BIN_WIDTHS)[steps[..., 0]].sum())


AS_PLAYED = Representation(VERSION, FIRST_STEP, quantise, _presses, _within_bins)
SOUNDING = Representation(
    f'{VERSION}-sounding', FIRST_STEP, sounding_steps, _presses, _within_bins
)
PERFORMANCE_RNN = Representation(
    'performance-rnn-388', (FIRST_TOKEN,), sounding_tokens, _begins, lambda _: 0.0
)

REPRESENTATIONS = {each.name: each for each in (AS_PLAYED, SOUNDING, PERFORMANCE_RNN)}
