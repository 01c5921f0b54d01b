# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""When to answer: the wait before the answer against the false starts, for a fixed pause and for
`pause_mode: adaptive`. The silences of performances, with all keys up, are replayed. An answer
is a false start if the person plays on within 1.5 s of it. A phrase has ended where the person is
silent for 2.3 s or longer; the wait is counted there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmark.harness import Column, Result, option
from benchmark.performances import MS, add_folder_argument, add_model_argument, performances
from improv_ros.event_text import SECOND, TimedEvent, is_note_off, is_note_on
from improv_ros.improvising import ImproviserSettings, load_model
from improv_ros.improvising.dialogue.dialogue import FALSE_START, FALSE_START_PROBABILITY
from improv_ros.improvising.dialogue.improviser_settings import nanoseconds
from improv_ros.improvising.network.improviser_model import Model

STEP = 50 * MS  # between two times at which the robot may start
END = FALSE_START + 800 * MS  # a longer silence ends a phrase
FIXED = (0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2)
PROBABILITIES = (0.97, 0.95, 0.93, 0.92, 0.91, 0.9, 0.88, 0.86, 0.84, 0.8)


class Silence(NamedTuple):
    """A silence of the person, from the latest change of a key to the next press, nanoseconds.

    odds: the probability that the person plays on soon, at `shortest_pause` and every `STEP` after
    it, as long as it is silent and up to `longest_pause`.
    """

    duration: int
    odds: list[float]


def silences(
    model: Model, events: Sequence[TimedEvent], settings: ImproviserSettings
) -> list[Silence]:
    """Return the silences of a performance that are at least as long as `shortest_pause`."""
    shortest = nanoseconds(settings.shortest_pause)
    longest = nanoseconds(settings.longest_pause)
    found = []
    model.reset()
    down: set[int] = set()
    odds: list[float] = []
    latest, asked = 0, shortest
    for event in events:
        if not down:
            while asked < min(event.time - latest, longest):
                odds.append(model.onset_probability(latest + asked, FALSE_START))
                asked += STEP
        if is_note_on(event):
            if not down and odds:
                found.append(Silence(event.time - latest, odds))
            down.add(event.values[0])
        elif is_note_off(event):
            down.discard(event.values[0])
        model.observe(event)
        if event.kind != 'cc':
            latest, odds, asked = event.time, [], shortest
    return found


class Score(NamedTuple):
    """How a rule does: false starts, starts, and the waits in seconds where phrases have ended."""

    false_starts: int
    starts: int
    median: float
    mean: float


def score(found: Sequence[Silence], waits: Sequence[int]) -> Score:
    """Return the score of a rule that waits so long in each silence, in nanoseconds."""
    durations = np.array([silence.duration for silence in found])
    waited = np.array(waits)
    started = waited < durations
    false = started & (durations - waited < FALSE_START)
    at_ends = np.minimum(waited, durations)[durations >= END] / SECOND
    return Score(int(false.sum()), int(started.sum()), float(np.median(at_ends)), at_ends.mean())


def adaptive_wait(silence: Silence, probability: float, settings: ImproviserSettings) -> int:
    """Return how long the robot waits if it starts below this probability, in nanoseconds."""
    for number, odds in enumerate(silence.odds):
        if odds < probability:
            return nanoseconds(settings.shortest_pause) + number * STEP
    return nanoseconds(settings.longest_pause)


def draw(path: Path, curves: dict[str, list[Score]], hours: float) -> None:
    """Draw the mean and the median wait against the false starts per hour."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for (name, scores), colour in zip(curves.items(), ('tab:gray', 'tab:blue'), strict=True):
        false = [each.false_starts / hours for each in scores]
        axes.plot(false, [each.median for each in scores], 'o-', color=colour, label=name)
        means = [each.mean for each in scores]
        axes.plot(false, means, '--', color=colour, label=f'{name}, mean')
    axes.set(xlabel='false starts per hour of music', ylabel='wait before the answer, s, median')
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_folder_argument(parser)
    option(parser, '--performances', 40, 'number of performances, drawn at random')
    parser.add_argument('--plot', type=Path, metavar='FILE.png', help='draw the curves here')
    add_model_argument(parser)


def run(arguments: argparse.Namespace, result: Result) -> None:
    model, settings = load_model(arguments.model), ImproviserSettings()
    found: list[Silence] = []
    duration = 0
    for events in performances(arguments.folder, arguments.performances):
        found += silences(model, events, settings)
        duration += events[-1].time
    hours = duration / SECOND / 3600
    ends = sum(silence.duration >= END for silence in found)
    table = result.table(
        f'Wait before the answer: {ends} ends of phrases in {hours:.1f} h',
        Column('pause', width=30),
        Column('false starts per hour', '.1f'),
        Column('wait, s, median', '.2f'),
        Column('mean', '.2f'),
    )
    fixed = [score(found, [nanoseconds(pause)] * len(found)) for pause in FIXED]
    adaptive = [
        score(found, [adaptive_wait(silence, each, settings) for silence in found])
        for each in PROBABILITIES
    ]
    default = score(
        found, [adaptive_wait(silence, FALSE_START_PROBABILITY, settings) for silence in found]
    )
    for pause, each in zip(FIXED, fixed, strict=True):
        table.add(f'fixed, {pause:g} s', each.false_starts / hours, each.median, each.mean)
    for probability, each in zip(PROBABILITIES, adaptive, strict=True):
        name = f'adaptive, below {probability:g}'
        table.add(name, each.false_starts / hours, each.median, each.mean)
    name = f'adaptive, the default ({FALSE_START_PROBABILITY:g})'
    table.add(name, default.false_starts / hours, default.median, default.mean)
    if arguments.plot:
        draw(arguments.plot, {'fixed': fixed, 'adaptive': adaptive}, hours)
