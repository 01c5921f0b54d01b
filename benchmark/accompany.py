# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The robot accompanies real performances, sped up to a given number of notes per second.
The clock is simulated: each step takes 10 ms, as the timer of the node, or the time that the step
really took on this machine, if that was longer. Each note is confirmed `--confirmed-after` its
sound, a little earlier or later and louder or softer than it was heard, and of 20 notes one is not
confirmed; with 0 nothing is. Measured are the share of real time that hearing takes, and the
scheduling lead of each event when it is published, in units of the lookahead; the least that is
allowed is a half.
"""

from __future__ import annotations

import argparse
from pathlib import Path

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
from improv_ros.event_text import SECOND, TimedEvent, is_note_on
from improv_ros.improvising import Dialogue, ImproviserSettings, load_model
from improv_ros.improvising.dialogue.memory import ANYONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_folder_argument(parser)
    option(parser, '--notes-per-second', 60.0, 'notes that are heard per second')
    option(parser, '--seconds', 120.0, 'simulated time to hear, in seconds')
    option(
        parser,
        '--lookahead',
        ImproviserSettings().lookahead,
        "the improviser's lookahead, in seconds",
    )
    option(parser, '--confirmed-after', 0.2, 'time after which notes are confirmed, in seconds')
    add_model_argument(parser)
    add_clock_argument(parser)


def stream(folder: Path, per_second: float, seconds: float) -> list[TimedEvent]:
    """Return performances in a row, each at the given mean number of notes per second."""
    heard: list[TimedEvent] = []
    start = 0
    for events in performances(folder, 100):
        if start >= seconds * SECOND:
            break
        time_scale = len(notes(events)) / (events[-1].time / SECOND) / per_second
        heard += [event._replace(time=start + round(event.time * time_scale)) for event in events]
        start = heard[-1].time
    return [event for event in heard if event.time < seconds * SECOND]


def confirmations(heard: list[TimedEvent], after: int) -> list[tuple[int, TimedEvent]]:
    """Return when each event is confirmed, and as what, in the order of time."""
    random = np.random.default_rng(1)
    imagined: set[int] = set()
    confirmed: list[tuple[int, TimedEvent]] = []
    for event in heard:
        if event.kind == 'no':
            pitch, velocity, channel = event.values
            if velocity and random.random() < 0.05:
                imagined.add(pitch)
            elif velocity:
                imagined.discard(pitch)
                velocity = int(np.clip(velocity + random.integers(-9, 10), 1, 127))
            if pitch in imagined:
                continue
            time = event.time + int(random.integers(-15 * MS, 15 * MS))
            event = event._replace(time=time, values=(pitch, velocity, channel))
        confirmed.append((event.time + after, event))
    return sorted(confirmed)


def run(arguments: argparse.Namespace, result: Result) -> None:
    clock = clock_of(arguments.processor_time)
    heard = stream(arguments.folder, arguments.notes_per_second, arguments.seconds)
    settings = ImproviserSettings(mode='accompany', lookahead=arguments.lookahead)
    dialogue = Dialogue(load_model(arguments.model), settings, seed=1)
    after = round(arguments.confirmed_after * SECOND)
    confirmed = confirmations(heard, after) if after else []
    now, at, confirmed_at, hearing, generating, played = 0, 0, 0, 0.0, 0.0, 0
    leads: list[float] = []
    steps: list[float] = []
    while at < len(heard):
        began = clock()
        while at < len(heard) and heard[at].time <= now:
            dialogue.hear(heard[at], now, ANYONE if confirmed else None)
            at += 1
        while confirmed_at < len(confirmed) and confirmed[confirmed_at][0] <= now:
            dialogue.confirm(confirmed[confirmed_at][1], now)
            confirmed_at += 1
        heard_at = clock()
        events = dialogue.advance(now)
        ended = clock()
        hearing += heard_at - began
        generating += ended - heard_at
        steps.append(ended - began)
        published = now + round((ended - began) * SECOND)
        leads += [(event.time - published) / SECOND / settings.lookahead for event in events]
        played += sum(map(is_note_on, events))
        now = max(now + 10 * MS, published)
    seconds, count = now / SECOND, len(notes(heard))
    table = result.table('Accompaniment', Column('figure', width=42), Column('value', '.2f', 10))
    table.add('notes heard per second', count / seconds)
    table.add('notes played per second', played / seconds)
    table.add('observing, % of the time', 100 * hearing / seconds)
    table.add('observing, ms per event', 1000 * hearing / len(heard))
    table.add('notes per second that could be heard', count / hearing)
    table.add('generating, % of the time', 100 * generating / seconds)
    for share, value in zip((50, 99, 100), np.percentile(steps, (50, 99, 100)), strict=True):
        table.add(f'a step, ms, p{share}', 1000 * value)
    for share, value in zip((0, 1, 50), np.percentile(leads, (0, 1, 50)), strict=True):
        table.add(f'scheduling lead, in lookaheads, p{share}', value)
    table.add(
        'events with less than half a lookahead, %', float(100 * np.mean(np.array(leads) < 0.5))
    )
    result.note(f'{len(leads)} events were published in {seconds:.0f} s.')
