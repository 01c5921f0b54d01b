# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The input of a network: a performance as steps, in one of three representations.

`AS_PLAYED` is the vocabulary of the improviser. The other two are for comparing networks. Both
encode exactly the same music (every note lengthened by the pedal, on a grid of 10 ms, with 32
velocities, in one order): `SOUNDING` in the steps of the improviser, and `PERFORMANCE_RNN` in
the tokens of Oore et al. 2018. Their negative log-likelihoods can therefore be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from improv_ros.improvising.network.vocabulary import (
    BIN_WIDTHS,
    FIRST_STEP,
    KEYS,
    LOWEST_PITCH,
    MAX_WAIT,
    PEDAL_DOWN,
    PEDAL_UP,
    PRESS,
    RELEASE,
    TICK,
    VERSION,
    time_bins,
)
from improv_ros.training.improviser.dataset import MILLISECOND

TICK_MS = TICK // MILLISECOND
LONGEST_PAUSE = MAX_WAIT
"""In ticks; every representation shortens a longer pause to this length."""

# The first tokens of each kind, in the order of Magenta's one-hot encoding.
NOTE_ON, NOTE_OFF, TIME_SHIFT, VELOCITY = 0, 128, 256, 356
TOKENS = 388
LONGEST_SHIFT = 100  # ticks
FIRST_TOKEN = TOKENS  # the input before the first token; it is never predicted


class Variation(NamedTuple):
    """How a performance is augmented.

    stretch: factor on all times; transpose: semitones, within `room_to_transpose`; loudness:
    factor on all velocities.
    """

    stretch: float = 1.0
    transpose: int = 0
    loudness: float = 1.0


UNCHANGED = Variation()


def quantise(performance: np.ndarray, variation: Variation = UNCHANGED) -> np.ndarray:
    """Return a performance as steps of the vocabulary, int16 (events, 3), after augmentation."""
    ticks = _ticks(np.cumsum(performance[:, 0], dtype=np.int64), variation)
    event_type = performance[:, 1].astype(np.int64)
    velocity = _velocity_bins(performance[:, 2], variation)
    steps = np.empty(performance.shape, np.int16)
    steps[:, 0] = time_bins(np.diff(ticks, prepend=ticks[:1]))
    steps[:, 1] = np.where(event_type < PEDAL_DOWN, event_type + variation.transpose, event_type)
    steps[:, 2] = np.where(performance[:, 2] > 0, velocity, 0)
    return steps


class Notes(NamedTuple):
    """Notes as they sound, sorted by key and then by onset; each array (notes,).

    onset, offset: begin and end, in the unit of the function that returns them; key: 0 to 87;
    velocity: MIDI velocity.
    """

    onset: np.ndarray
    offset: np.ndarray
    key: np.ndarray
    velocity: np.ndarray


def sounding(performance: np.ndarray, pedal: bool = True) -> Notes:
    """Return the notes of a performance in milliseconds, lengthened by the sustain pedal.

    A note whose key is released while the pedal is down sounds until the pedal is released or
    the key is pressed again, as in Magenta's `apply_sustain_control_changes`. pedal: False
    ignores the pedal.
    """
    times = np.cumsum(performance[:, 0], dtype=np.int64)
    end = times[-1]
    event_type = performance[:, 1].astype(np.int64)
    ups = np.append(times[event_type == PEDAL_UP], end)
    downs = times[event_type == PEDAL_DOWN] if pedal else times[:0]
    of_keys = np.flatnonzero(event_type < PEDAL_DOWN)
    order = of_keys[np.argsort(event_type[of_keys] % KEYS, kind='stable')]
    times, event_type = times[order], event_type[order]
    pressed, key = event_type < RELEASE, event_type % KEYS
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


def sounding_events(performance: np.ndarray, variation: Variation = UNCHANGED) -> np.ndarray:
    """Return onsets and ends of the notes of `sounding`, int64 (events, 3), in canonical order.

    Columns: ticks since the event before, at most `LONGEST_PAUSE`; event type of the vocabulary;
    velocity bin of an onset, 0 of an end. Within a tick, ends come before onsets and low keys
    before high ones. Every note lasts at least one tick; of two onsets of a key in the same tick
    one remains.
    """
    notes = sounding(performance)
    notes = notes._replace(
        onset=_ticks(notes.onset, variation), offset=_ticks(notes.offset, variation)
    )
    notes = Notes(*(column[_next_onset(notes) > notes.onset] for column in notes))
    offset = np.minimum(np.maximum(notes.offset, notes.onset + 1), _next_onset(notes))
    key = notes.key + variation.transpose
    tick = np.concatenate([offset, notes.onset])
    event_type = np.concatenate([RELEASE + key, PRESS + key])
    velocity = np.concatenate([np.zeros_like(key), _velocity_bins(notes.velocity, variation)])
    order = np.lexsort((event_type % KEYS, event_type < RELEASE, tick))
    tick = tick[order]
    waits = np.minimum(np.diff(tick, prepend=tick[:1]), LONGEST_PAUSE)
    return np.stack([waits, event_type[order], velocity[order]], axis=1)


def _next_onset(notes: Notes) -> np.ndarray:
    """Return when the key of each note is pressed again, or the largest int64."""
    following = np.append(notes.onset[1:], 0)
    same = np.append(notes.key[1:] == notes.key[:-1], False)
    return np.where(same, following, np.iinfo(np.int64).max)


def sounding_steps(performance: np.ndarray, variation: Variation = UNCHANGED) -> np.ndarray:
    """Return `sounding_events` as steps of the vocabulary, int16 (events, 3)."""
    events = sounding_events(performance, variation)
    events[:, 0] = time_bins(events[:, 0])
    return events.astype(np.int16)


def sounding_tokens(performance: np.ndarray, variation: Variation = UNCHANGED) -> np.ndarray:
    """Return `sounding_events` as the 388 tokens of Performance RNN, int16 (tokens, 1).

    Each event is preceded by its wait, in shifts of 1 s and a remainder, and an onset also by its
    velocity if that has changed.
    """
    waits, event_type, velocity = sounding_events(performance, variation).T
    begins = velocity > 0
    shifts = -(-waits // LONGEST_SHIFT)
    changes = np.zeros_like(begins)
    changes[begins] = np.diff(velocity[begins], prepend=0) != 0
    ends = np.cumsum(shifts + changes + 1)
    tokens = np.full(int(ends[-1]), TIME_SHIFT + LONGEST_SHIFT - 1, np.int16)
    tokens[ends - 1] = np.where(begins, NOTE_ON, NOTE_OFF) + LOWEST_PITCH + event_type % KEYS
    tokens[ends[changes] - 2] = VELOCITY + velocity[changes] - 1
    waited = shifts > 0
    last = (ends - 2 - changes)[waited]
    tokens[last] = TIME_SHIFT + (waits - LONGEST_SHIFT * (shifts - 1))[waited] - 1
    return tokens[:, None]


def _ticks(times: np.ndarray, variation: Variation) -> np.ndarray:
    """Return milliseconds in ticks, rounded as `vocabulary.to_ticks` does."""
    return np.floor(times * (variation.stretch / TICK_MS) + 0.5).astype(np.int64)


def _velocity_bins(velocity: np.ndarray, variation: Variation) -> np.ndarray:
    varied = np.round(velocity.astype(np.int64) * variation.loudness)
    return np.clip(varied, 1, 127).astype(np.int64) // 4 + 1


def room_to_transpose(performance: np.ndarray, down: int = 6, up: int = 5) -> tuple[int, int]:
    """Return the lowest and highest transposition in semitones that stays on the keyboard."""
    keys = performance[performance[:, 1] < RELEASE, 1].astype(int) - PRESS
    if not len(keys):
        return 0, 0
    return max(-down, -int(keys.min())), min(up, KEYS - 1 - int(keys.max()))


def seconds(performance: np.ndarray) -> float:
    """Return the duration of a performance in seconds, pauses limited to `LONGEST_PAUSE`."""
    return float(np.minimum(performance[1:, 0], LONGEST_PAUSE * TICK_MS).sum() / 1000)


class Representation(NamedTuple):
    """A way to encode a performance.

    name: stands in the description of a network. first: the input before the first step. steps:
    performance to int16 (steps, factors). is_note: steps to bool, True for the onset of a note.
    exact: steps to nats, the sum of ln(width of the time bin in ticks), which is the negative
    log-likelihood of the exact ticks if all ticks of a bin are equally probable.
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
