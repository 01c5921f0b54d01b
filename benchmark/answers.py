# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Answers to openings of real performances, 4 to 12 s long, for several strengths of `follow`:
the Pearson correlation and the mean absolute difference between phrase and answer in note density,
mean pitch, mean velocity and length; and how answers end: the duration of the last note, the wait
before the last chord, and how often that chord has the tonic of the phrase. The latency is the
time from the detected end of the phrase to the first event of the answer, and the share of it that
the network takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmark.harness import Column, Result, option
from benchmark.performances import (
    MS,
    add_clock_argument,
    add_folder_argument,
    add_model_argument,
    clock_of,
    notes,
    performances,
)
from improv_ros.event_text import SECOND, TimedEvent, is_note_off, is_note_on, note_off
from improv_ros.improvising import Dialogue, ImproviserSettings
from improv_ros.improvising.dialogue.phrase import tonic_of
from improv_ros.improvising.network.improviser_model import Model
from improv_ros.improvising.network.improviser_runtime import Runtime, load_runtime

FIGURES = ('notes per second', 'mean pitch, semitones', 'mean velocity', 'length, s')
SHORTEST, LONGEST = 4.0, 12.0  # seconds of a phrase


class TimedRuntime:
    """A runtime that measures the total time of its calls, in seconds."""

    def __init__(self, runtime: Runtime, clock: Callable[[], float]) -> None:
        self._runtime = runtime
        self.clock = clock
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._runtime, name)

        def timed(*arguments: Any) -> Any:
            began = self.clock()
            try:
                return function(*arguments)
            finally:
                self.seconds += self.clock() - began

        return timed


def phrases(folder: Path, number: int) -> list[list[TimedEvent]]:
    """Return openings of 4 to 12 s, with every key released at the end."""
    random = np.random.default_rng(1)
    openings = []
    for events in performances(folder, number):
        end = round(random.uniform(SHORTEST, LONGEST) * SECOND)
        opening = [event for event in events if event.time < end]
        down: set[int] = set()
        for event in opening:
            if is_note_on(event):
                down.add(event.values[0])
            elif is_note_off(event):
                down.discard(event.values[0])
        opening += [note_off(end, pitch) for pitch in sorted(down)]
        if len(notes(opening)) >= 3:
            openings.append(opening)
    return openings


def answer(
    phrase: list[TimedEvent],
    model: Model,
    runtime: TimedRuntime,
    settings: ImproviserSettings,
    seed: int,
) -> tuple[list[TimedEvent], float, float]:
    """Return an answer, and the seconds until its first event: in all, and in the network."""
    model.reset()
    dialogue = Dialogue(model, settings, seed)
    for event in phrase:
        dialogue.hear(event, event.time)
    now, first = phrase[-1].time, None
    events: list[TimedEvent] = []
    while dialogue.playing or not events:
        now += 20 * MS
        runtime.seconds = 0.0
        began = runtime.clock()
        events += dialogue.advance(now)
        if events and first is None:
            first = runtime.clock() - began, runtime.seconds
    assert first is not None
    return events, *first


def statistics(events: list[TimedEvent]) -> tuple[float, ...]:
    """Return the density (notes/s), mean pitch, mean velocity and length (s)."""
    begun = notes(events)
    seconds = events[-1].time / SECOND - begun[0, 0]
    return len(begun) / max(seconds, 0.5), begun[:, 1].mean(), begun[:, 2].mean(), seconds


def ending(events: list[TimedEvent], tonic: int) -> tuple[float, ...]:
    """Return how an answer ends.

    The duration of the last note, by key or pedal, and the wait before the last chord, both in
    seconds; whether that chord has the tonic, and whether its lowest note is the tonic.
    """
    begun = notes(events)
    onsets = begun[:, 0]
    last = onsets >= onsets[-1] - 0.05
    before = onsets[~last]
    wait = onsets[-1] - before[-1] if len(before) else 0.0
    chord = begun[last, 1]
    is_tonic = chord % 12 == tonic
    return events[-1].time / SECOND - onsets[-1], wait, is_tonic.any(), is_tonic[chord.argmin()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_folder_argument(parser)
    option(parser, '--answers', 60, 'number of answers')
    option(
        parser,
        '--follow',
        [0.0, ImproviserSettings().follow, 1.0],
        'strengths of the style bias, 0 to 1',
    )
    add_model_argument(parser)
    add_clock_argument(parser)


def run(arguments: argparse.Namespace, result: Result) -> None:
    runtime = TimedRuntime(load_runtime(arguments.model), clock_of(arguments.processor_time))
    model = Model(cast(Runtime, runtime))
    heard = phrases(arguments.folder, arguments.answers)
    asked = np.array([statistics(phrase) for phrase in heard])
    alike = result.table(
        f'{len(heard)} answers compared with their phrases',
        Column('follow', '.1f'),
        Column('figure', width=22),
        Column('phrases', '.1f', 8),
        Column('answers', '.1f', 8),
        Column('correlation', '.2f'),
        Column('mean difference', '.2f'),
    )
    ends, latencies = [], []
    for follow in arguments.follow:
        given, endings = [], []
        for seed, phrase in enumerate(heard):
            events, *latency = answer(
                phrase, model, runtime, ImproviserSettings(follow=follow), seed
            )
            given.append(statistics(events))
            endings.append(ending(events, tonic_of(notes(phrase)[:, 1].astype(int))))
            latencies.append(latency)
        ends.append(endings)
        for figure, phrase, reply in zip(FIGURES, asked.T, np.array(given).T, strict=True):
            correlation = np.corrcoef(phrase, reply)[0, 1]
            difference = np.abs(phrase - reply).mean()
            alike.add(follow, figure, phrase.mean(), reply.mean(), correlation, difference)
    table = result.table(
        'Ends of the answers',
        Column('follow', '.1f'),
        Column('duration of the last note, s, p10 / p50 / p90'),
        Column('wait before the last chord, s, p10 / p50 / p90'),
        Column('tonic in the last chord, %', '.0f'),
        Column('as its lowest note, %', '.0f'),
    )
    for follow, endings in zip(arguments.follow, ends, strict=True):
        spread = np.percentile(np.array(endings)[:, :2], [10, 50, 90], axis=0).T
        shares = 100 * np.mean(endings, axis=0)[2:]
        shown = [' / '.join(f'{value:.2f}' for value in values) for values in spread]
        table.add(follow, *shown, *shares)
    table = result.table(
        'Latency of the first event of an answer',
        Column('part', width=12),
        Column('p50, ms', '.1f', 8),
        Column('p99, ms', '.1f', 8),
    )
    for part, column in zip(('all', 'the network'), np.array(latencies).T * 1000, strict=True):
        table.add(part, *np.percentile(column, [50, 99]))
