# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Scores: the notes and the pedal of a recording, in seconds."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from improv_ros.improvising.network.vocabulary import (
    HIGHEST_PITCH,
    LOWEST_PITCH,
    PEDAL_DOWN,
    PEDAL_UP,
    RELEASE,
)
from improv_ros.training.transcriber.recordings import read_notes

ONSET, OFFSET, PITCH, VELOCITY = range(4)
_MIN_SECONDS = 0.02  # between press and release, and between two presses of a key


@dataclass
class Score:
    """Notes and pedal of a recording.

    notes: float64 (notes, 4) sorted by onset: onset, offset (when the key is released or pressed
    again), MIDI pitch, MIDI velocity. pedal: float64 (presses, 2), when the sustain pedal is
    pressed and released.
    """

    notes: np.ndarray
    pedal: np.ndarray

    def write(self, stem: Path) -> None:
        """Write `stem`.tsv, one line per note, and `stem`.pedal.tsv, one line per press."""
        for name, header, rows, form in (
            ('.tsv', 'onset,offset,note,velocity', self.notes, '%.6f\t%.6f\t%d\t%d'),
            ('.pedal.tsv', 'down,up', self.pedal, '%.6f\t%.6f'),
        ):
            lines = [f'# {header}'] + [form % tuple(row) for row in rows]
            stem.with_name(stem.name + name).write_text('\n'.join(lines) + '\n', 'utf-8')


def read_score(stem: Path) -> Score:
    """Return a score that `Score.write` wrote."""
    lines = stem.with_name(f'{stem.name}.pedal.tsv').read_text('utf-8').splitlines()[1:]
    pedal = np.array([line.split() for line in lines], dtype=np.float64).reshape(-1, 2)
    return Score(read_notes(stem.with_name(f'{stem.name}.tsv')), pedal)


def make_score(notes: Iterable[tuple[float, ...]], pedal: Iterable[tuple[float, float]]) -> Score:
    """Return notes and pedal as a score; a note ends when its key is pressed again."""
    rows = np.array(list(notes), dtype=np.float64).reshape(-1, 4)
    rows = rows[np.lexsort((rows[:, PITCH], rows[:, ONSET]))]
    rows[:, OFFSET] = np.maximum(rows[:, OFFSET], rows[:, ONSET] + _MIN_SECONDS)
    keep = np.ones(len(rows), dtype=bool)
    for pitch in np.unique(rows[:, PITCH]):
        same = np.flatnonzero(rows[:, PITCH] == pitch)
        last = -1.0
        for i in same:
            keep[i] = rows[i, ONSET] - last >= _MIN_SECONDS
            last = rows[i, ONSET] if keep[i] else last
        same = same[keep[same]]
        rows[same[:-1], OFFSET] = np.minimum(rows[same[:-1], OFFSET], rows[same[1:], ONSET])
    rows = rows[keep]
    times = sorted((float(down), float(up)) for down, up in pedal if up > down)
    joined: list[tuple[float, float]] = []
    for down, up in times:
        if joined and down <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(up, joined[-1][1]))
        else:
            joined.append((down, up))
    return Score(rows, np.array(joined).reshape(-1, 2))


def sounding_ends(score: Score) -> np.ndarray:
    """Return until when each note sounds: its offset, or where the pedal that holds it comes up.

    A note that is held by the pedal ends where its key is struck again.
    """
    notes, pedal = score.notes, score.pedal
    ends = notes[:, OFFSET].copy()
    if len(pedal):
        which = np.searchsorted(pedal[:, 0], ends, side='right') - 1
        held = (which >= 0) & (ends < pedal[which, 1])
        ends[held] = pedal[which[held], 1]
    for pitch in np.unique(notes[:, PITCH]):
        same = np.flatnonzero(notes[:, PITCH] == pitch)
        ends[same[:-1]] = np.minimum(ends[same[:-1]], notes[same[1:], ONSET])
    return ends


def score_of(performance: np.ndarray, start: float, seconds: float) -> Score:
    """Return a window of a performance of a `Dataset`, without notes that begin before it."""
    times = np.cumsum(performance[:, 0].astype(np.int64)) / 1000 - start
    first, last = np.searchsorted(times, [0, seconds])
    down: dict[int, tuple[float, int]] = {}
    notes, pedal = [], []
    before = performance[:first, 1]
    pedals = before[before >= PEDAL_DOWN]
    pressed = 0.0 if len(pedals) and pedals[-1] != PEDAL_UP else None
    rows = zip(times[first:last], performance[first:last], strict=True)
    for time, (_, event_type, velocity) in rows:
        if event_type < RELEASE:
            down[int(event_type)] = (float(time), int(velocity))
        elif event_type < PEDAL_DOWN:
            began = down.pop(int(event_type) - RELEASE, None)
            if began:
                notes.append((began[0], float(time), int(event_type) - RELEASE, began[1]))
        elif event_type != PEDAL_UP:
            pressed = float(time) if pressed is None else pressed
        elif pressed is not None:
            pedal.append((pressed, float(time)))
            pressed = None
    notes += [(onset, seconds, key, velocity) for key, (onset, velocity) in down.items()]
    pedal += [(pressed, seconds)] if pressed is not None else []
    return make_score(
        [(on, off, key + LOWEST_PITCH, velocity) for on, off, key, velocity in notes], pedal
    )


def truncated(score: Score, seconds: float) -> Score:
    """Return the first seconds of a score; notes and pedal end there."""
    notes = score.notes[score.notes[:, ONSET] < seconds - _MIN_SECONDS].copy()
    notes[:, OFFSET] = np.minimum(notes[:, OFFSET], seconds)
    pedal = score.pedal[score.pedal[:, 0] < seconds].copy()
    pedal[:, 1] = np.minimum(pedal[:, 1], seconds)
    return Score(notes, pedal)


def augmented(score: Score, random: np.random.Generator, seconds: float) -> Score:
    """Return the score with random tempo, transposition, dynamics and pedal, cut to `seconds`.

    The score should last `seconds` times `SLOWEST`, because the tempo may rise.
    """
    notes, pedal = score.notes.copy(), score.pedal.copy()
    stretch = np.exp(random.uniform(np.log(FASTEST), np.log(1 / FASTEST)))
    lead = random.uniform(0, 1.5)
    notes[:, :2] = notes[:, :2] * stretch + lead
    pedal = pedal * stretch + lead
    if len(notes):
        low, high = LOWEST_PITCH - notes[:, PITCH].min(), HIGHEST_PITCH - notes[:, PITCH].max()
        notes[:, PITCH] += random.integers(max(-6, int(low)), min(6, int(high)) + 1)
        notes[:, VELOCITY] = _dynamics(notes, random)
        if random.random() < 0.5:  # the notes of a chord begin apart
            notes[:, :2] += random.normal(0, random.uniform(0.001, 0.012), (len(notes), 1))
            notes[:, :2] = np.maximum(notes[:, :2], 0)
    chance = random.random()
    if chance < 0.1:
        pedal = pedal[:0]
    elif chance < 0.35:
        pedal = _pedalled(random, seconds)
    return truncated(make_score(map(tuple, notes), map(tuple, pedal)), seconds)


FASTEST = 0.8
SLOWEST = 1 / FASTEST


def _dynamics(notes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return velocities with random mean, range, crescendi, voicing and unevenness."""
    velocity = notes[:, VELOCITY]
    mean, spread = random.uniform(22, 88), random.uniform(5, 24)
    standard = (velocity - velocity.mean()) / max(float(velocity.std()), 5.0)
    swell = np.interp(
        notes[:, ONSET], np.arange(0, 90, 6), random.normal(0, random.uniform(0, 14), 15)
    )
    voicing = random.uniform(-4, 10) * (notes[:, PITCH] - notes[:, PITCH].mean()) / 24
    fingers = random.normal(0, random.uniform(0, 6), len(notes))
    return np.clip(np.round(mean + spread * standard + swell + voicing + fingers), 4, 127)


def _pedalled(random: np.random.Generator, seconds: float) -> np.ndarray:
    """Return one press of the pedal per bar, of a random length; some bars have none."""
    bar = random.uniform(0.8, 6)
    bars = np.arange(random.uniform(0, bar), seconds, bar)
    downs = bars + random.uniform(0.05, 0.2, len(bars))
    ups = bars + bar + random.uniform(-0.05, 0.03, len(bars))
    return np.stack([downs, ups], axis=1)[random.random(len(bars)) < random.uniform(0.6, 1)]
