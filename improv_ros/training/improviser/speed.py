# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Speed of the improviser's model with each runtime, in a separate process on one core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import multiprocessing
from multiprocessing.connection import Connection
import os
from pathlib import Path
import resource
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from improv_ros.improvising import Dialogue, Model
    from improv_ros.improvising.network.improviser_runtime import Runtime

MS = 1_000_000
ANSWERS = 20
HEADER = (
    '| runtime | load, s | memory, MB | observing a note, ms p50 / p99 | generating a note, ms '
    'p50 / p99 | first event of an answer, ms p99 |\n|---|---|---|---|---|---|'
)


@dataclass(frozen=True)
class Speed:
    """What one runtime needs.

    load: seconds to import and load. memory: resident MB in the end. observing: milliseconds,
    p50 and p99, to advance the network by a heard note, press and release. generating: the same
    per note of a solo, with all rules of the dialogue. answering: p99 in milliseconds from the
    end of a phrase to the first event of its answer.
    """

    load: float
    memory: float
    observing: tuple[float, float]
    generating: tuple[float, float]
    answering: float

    def row(self, name: str) -> str:
        """Return the figures as one row of a Markdown table below `HEADER`."""
        observing, generating = (
            ' / '.join(f'{ms:.2f}' for ms in each) for each in (self.observing, self.generating)
        )
        return (
            f'| {name} | {self.load:.2f} | {self.memory:.0f} | {observing} | {generating} | '
            f'{self.answering:.1f} |'
        )


def measure_speed(runtime: str, model: str = '', notes: int = 1000) -> Speed:
    """Return the speed of a model file with a runtime; '' is the shipped model.

    Raises ModelError if the file cannot be run.
    """
    context = multiprocessing.get_context('spawn')
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(theirs, runtime, model, notes))
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        raise RuntimeError(f'the process that measured {runtime} has ended') from None
    finally:
        process.join()
    if isinstance(answer, Exception):
        raise answer
    return answer


def _measure(connection: Connection, runtime: str, model_path: str, notes: int) -> None:
    from improv_ros.inference.model_error import ModelError

    os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
    began = time.perf_counter()
    try:
        from improv_ros.improvising import Model
        from improv_ros.improvising.network.improviser_runtime import load_runtime

        model = Model(_learning(load_runtime(model_path, runtime), model_path))
    except ModelError as error:
        connection.send(error)
        return
    load = time.perf_counter() - began
    observing, now = _observing(model, notes)
    answering = _answering(model, now)
    generating = _generating(model, notes)
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    memory = pages * resource.getpagesize() / 2**20
    connection.send(
        Speed(
            load,
            memory,
            percentiles(observing),
            percentiles(generating),
            percentiles(answering)[1],
        )
    )


def _learning(runtime: Runtime, model_path: str) -> Runtime:
    """Return the runtime that the node uses: with heads in NumPy if the model has them."""
    from improv_ros.improvising.partner.adaptive_runtime import AdaptiveRuntime
    from improv_ros.improvising.partner.heads_files import load_heads
    from improv_ros.inference.model_error import ModelError

    try:
        return AdaptiveRuntime(runtime, load_heads(model_path, runtime))
    except ModelError:
        return runtime


def percentiles(times: list[float]) -> tuple[float, float]:
    """Return the p50 and the p99 of seconds, in milliseconds."""
    p50, p99 = np.percentile(np.array(times) * 1000, [50, 99])
    return float(p50), float(p99)


def _observing(model: Model, notes: int) -> tuple[list[float], int]:
    from improv_ros.event_text import note_off, note_on

    times, now = [], 0
    for number in range(notes):
        pitch = 50 + number % 24
        press, release = note_on(now, pitch, 64), note_off(now + 100 * MS, pitch)
        began = time.perf_counter()
        model.observe(press)
        model.observe(release)
        times.append(time.perf_counter() - began)
        now += 150 * MS
    return times, now


def _answering(model: Model, now: int) -> list[float]:
    from improv_ros.event_text import note_off, note_on
    from improv_ros.improvising import Dialogue, ImproviserSettings

    dialogue = Dialogue(model, ImproviserSettings(shortest_answer=0.5, longest_answer=0.5), seed=1)
    times = []
    for _ in range(ANSWERS):
        dialogue.hear(note_on(now, 60, 64), now)
        dialogue.hear(note_off(now + 1, 60), now)
        now += 900 * MS
        began = time.perf_counter()
        events = dialogue.advance(now)
        if events:
            times.append(time.perf_counter() - began)
        while dialogue.playing:
            now += 10 * MS
            dialogue.advance(now)
    return times


def _generating(model: Model, notes: int) -> list[float]:
    """Return the seconds per note: the duration of each call divided by its notes."""
    from improv_ros.improvising import Dialogue, ImproviserSettings

    model.reset()
    return time_of_notes(Dialogue(model, ImproviserSettings(mode='solo'), seed=1), notes)


def time_of_notes(
    solo: Dialogue, notes: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Return the seconds per note of a dialogue that plays a solo."""
    from improv_ros.event_text import is_note_on

    now, spent = 0, 0.0
    times: list[float] = []
    while len(times) < notes:
        now += 10 * MS
        began = clock()
        events = solo.advance(now)
        spent += clock() - began
        pressed = sum(is_note_on(event) for event in events)
        if pressed:  # includes the time spent on releases and pedals since the last note
            times += [spent / pressed] * pressed
            spent = 0.0
    return times
