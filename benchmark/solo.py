# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A solo, generated faster than real time. For each minute:

notes per second; distinct 4-grams: the share of all sequences of four pitches that do not repeat
within the minute; pitch-class entropy in bits (3.58 if all twelve are equally frequent); the
longest wait between two onsets, the longest time that a key was held, and the most keys held at
once.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
import time

import numpy as np

from benchmark.harness import Column, Result, option
from benchmark.performances import (
    MS,
    add_folder_argument,
    add_model_argument,
    notes,
    performances,
)
from improv_ros.event_text import SECOND, TimedEvent, is_note_off, is_note_on
from improv_ros.improvising import Dialogue, ImproviserSettings, load_model

MINUTE = 60
FIGURES = (
    'notes per second',
    'distinct 4-grams',
    'pitch-class entropy',
    'longest wait, s',
    'longest note, s',
    'most keys held',
)
SHARES = (0, 5, 50, 95, 100)


def entropy(counts: np.ndarray) -> float:
    """Return the entropy of a distribution of counts, in bits."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(shares * np.log2(shares)).sum())


def minutes_of(events: list[TimedEvent]) -> np.ndarray:
    """Return the figures of each whole minute, (minutes, figures)."""
    begun = notes(events)
    held = _held(events)
    rows = []
    for start in range(0, int(events[-1].time / SECOND) // MINUTE * MINUTE, MINUTE):
        onsets, pitches, _ = begun[(begun[:, 0] >= start) & (begun[:, 0] < start + MINUTE)].T
        fours = list(zip(*(pitches[shift:] for shift in range(4)), strict=False))
        within = held[(held[:, 0] >= start) & (held[:, 0] < start + MINUTE)]
        rows.append(
            (
                len(onsets) / MINUTE,
                len(set(fours)) / max(len(fours), 1),
                entropy(np.bincount(pitches.astype(int) % 12)),
                np.diff(onsets, prepend=start, append=start + MINUTE).max(),
                *within[:, 1:].max(axis=0, initial=0),
            )
        )
    return np.array(rows).reshape(-1, len(FIGURES))


def _held(events: Iterable[TimedEvent]) -> np.ndarray:
    """Return for each release its time (s), the time held (s) and the keys then down, (n, 3)."""
    down: dict[int, int] = {}
    rows = []
    for event in events:
        if is_note_on(event):
            down.setdefault(event.values[0], event.time)
        elif is_note_off(event) and event.values[0] in down:
            keys = len(down)
            held = event.time - down.pop(event.values[0])
            rows.append((event.time / SECOND, held / SECOND, keys))
    return np.array(rows, np.float64).reshape(-1, 3)


def solo(minutes: float, settings: ImproviserSettings, model: str, seed: int) -> list[TimedEvent]:
    """Return the events of a solo of this number of minutes."""
    dialogue = Dialogue(load_model(model), settings, seed)
    events: list[TimedEvent] = []
    now = 0
    while now < minutes * MINUTE * SECOND:
        now += 20 * MS
        events += dialogue.advance(now)
    return events


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = ImproviserSettings()
    add_folder_argument(parser, optional=True)
    option(parser, '--files', 30, 'performances of the folder to compare with')
    option(parser, '--minutes', 60.0, 'length of the solo, in minutes')
    add_model_argument(parser)
    option(parser, '--seed', 1, 'seed of the solo')
    option(parser, '--temperature', default.temperature, 'sampling temperature')
    option(parser, '--top-p', default.top_p, 'probability mass that is sampled from, 0 to 1')
    option(
        parser,
        '--repetition-penalty',
        default.repetition_penalty,
        'penalty on repeated 4-grams of pitches, in nats',
    )


def run(arguments: argparse.Namespace, result: Result) -> None:
    settings = ImproviserSettings(
        mode='solo',
        temperature=arguments.temperature,
        top_p=arguments.top_p,
        repetition_penalty=arguments.repetition_penalty,
    )
    began = time.process_time()
    events = solo(arguments.minutes, settings, arguments.model, arguments.seed)
    seconds = time.process_time() - began
    if events[-1].time < MINUTE * SECOND:
        raise ValueError('the solo is shorter than a minute')
    music = {'solo': minutes_of(events)}
    if arguments.folder:
        real = [minutes_of(each) for each in performances(arguments.folder, arguments.files)]
        music['performances'] = np.concatenate(real)
    table = result.table(
        'Minutes of music',
        Column('music', width=12),
        Column('minutes', 'd'),
        Column('figure', width=20),
        *(Column(f'p{share}', '.2f', 7) for share in SHARES),
    )
    for name, rows in music.items():
        for figure, column in zip(FIGURES, rows.T, strict=True):
            table.add(name, len(rows), figure, *np.percentile(column, SHARES))
    drift = result.table(
        'Medians of ten minutes of the solo each',
        Column('minutes', width=10),
        *(Column(figure, '.2f') for figure in FIGURES),
    )
    rows = music['solo']
    for start in range(0, len(rows), 10):
        end = min(start + 10, len(rows))
        drift.add(f'{start} to {end}', *np.median(rows[start:end], axis=0))
    result.note(f'{len(events)} events took {seconds:.0f} s of processor time.')
