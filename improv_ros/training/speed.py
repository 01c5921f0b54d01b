"""How fast the improviser thinks, by each runtime, in a process of its own on one core."""

from __future__ import annotations

from dataclasses import dataclass
import multiprocessing
from multiprocessing.connection import Connection
import os
from pathlib import Path
import resource
import time

import numpy as np

MS = 1_000_000
ANSWERS = 20
HEADER = (
    '| runtime | load, s | memory, MB | hearing a note, ms p50 / p99 | playing a note, ms '
    'p50 / p99 | first event of an answer, ms p99 |\n|---|---|---|---|---|---|'
)


@dataclass(frozen=True)
class Speed:
    """What one runtime takes.

    load: seconds from nothing imported to ready. memory: MB resident in the end. hearing:
    milliseconds, p50 and p99, to take in a heard note, its press and its release. playing: to
    draw a note of a solo and have it in memory, every rule kept, likewise. answering: p99 from
    the end of a phrase noticed to its first event.
    """

    load: float
    memory: float
    hearing: tuple[float, float]
    playing: tuple[float, float]
    answering: float

    def report(self, name: str) -> str:
        """Return the figures as one row of a Markdown table."""
        hearing, playing = (
            ' / '.join(f'{ms:.2f}' for ms in each) for each in (self.hearing, self.playing)
        )
        return (
            f'| {name} | {self.load:.2f} | {self.memory:.0f} | {hearing} | {playing} | '
            f'{self.answering:.1f} |'
        )


def measure_speed(runtime: str, model: str = '', notes: int = 1000) -> Speed:
    """Return how fast a model file ('': the shipped one) is by a runtime.

    Raises ModelError if it cannot be run.
    """
    context = multiprocessing.get_context('spawn')
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(theirs, runtime, model, notes))
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        raise RuntimeError(f'the process that tried {runtime} died') from None
    finally:
        process.join()
    if isinstance(answer, Exception):
        raise answer
    return answer


def _measure(connection: Connection, runtime: str, model_path: str, notes: int) -> None:
    from improv_ros.inference.errors import ModelError

    os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
    began = time.perf_counter()
    try:
        from improv_ros.improvising import load_model

        model = load_model(model_path, runtime)
    except ModelError as error:
        connection.send(error)
        return
    load = time.perf_counter() - began
    hearing, now = _hearing(model, notes)
    answering = _answering(model, now)
    playing = _playing(model, notes)
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    memory = pages * resource.getpagesize() / 2**20
    connection.send(
        Speed(
            load,
            memory,
            _percentiles(hearing),
            _percentiles(playing),
            _percentiles(answering)[1],
        )
    )


def _percentiles(times: list[float]) -> tuple[float, float]:
    p50, p99 = np.percentile(np.array(times) * 1000, [50, 99])
    return float(p50), float(p99)


def _hearing(model, notes: int) -> tuple[list[float], int]:
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


def _answering(model, now: int) -> list[float]:
    from improv_ros.event_text import note_off, note_on
    from improv_ros.improvising import Conversation, Settings

    conversation = Conversation(model, Settings(shortest_answer=0.5, longest_answer=0.5), seed=1)
    times = []
    for _ in range(ANSWERS):
        conversation.hear(note_on(now, 60, 64), now)
        conversation.hear(note_off(now + 1, 60), now)
        now += 900 * MS
        began = time.perf_counter()
        said = conversation.advance(now)
        if said:
            times.append(time.perf_counter() - began)
        while conversation.speaking:
            now += 10 * MS
            conversation.advance(now)
    return times


def _playing(model, notes: int) -> list[float]:
    """Return seconds a note: what each call took, over the notes that it gave."""
    from improv_ros.event_text import is_note_on
    from improv_ros.improvising import Conversation, Settings

    model.reset()
    solo, times, now, spent = Conversation(model, Settings(mode='solo'), seed=1), [], 0, 0.0
    while len(times) < notes:
        now += 10 * MS
        began = time.perf_counter()
        said = solo.advance(now)
        spent += time.perf_counter() - began
        pressed = sum(is_note_on(event) for event in said)
        if pressed:  # what was spent on releases and pedals since the last note counts, too
            times += [spent / pressed] * pressed
            spent = 0.0
    return times
