# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How much better the improviser predicts a pianist after learning from what it heard of the
performance so far: nats per note on the second halves of performances, each event evaluated before
it is learnt from. LiteRT runs the LSTM and NumPy all else, as on a robot. Then, frozen after the
first half of the same and of another performance; and the cost.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
import time
from typing import Any, ClassVar

import numpy as np

from benchmark.harness import Column, Result, option
from benchmark.performances import (
    add_clock_argument,
    add_folder_argument,
    add_model_argument,
    clock_of,
)
from improv_ros.improvising import Dialogue, ImproviserSettings
from improv_ros.improvising.network.improviser_model import Model
from improv_ros.improvising.network.improviser_runtime import Runtime, load_runtime
from improv_ros.improvising.network.vocabulary import FIRST_STEP, RELEASE, TICKS_OF_BIN, Step
from improv_ros.improvising.partner import mixture
from improv_ros.improvising.partner.adaptive_runtime import AdaptiveRuntime, AdaptiveState
from improv_ros.improvising.partner.heads_files import load_heads
from improv_ros.improvising.partner.learnt import Learnt
from improv_ros.improvising.partner.motif_memory import MotifMemory
from improv_ros.improvising.partner.output_heads import OutputHeads, log_softmax
from improv_ros.improvising.partner.partner_learner import (
    EVENTS_PER_UPDATE,
    MIXING_RATE,
    PartnerLearner,
)
from improv_ros.training.improviser.dataset import midi_files, read_performance
from improv_ros.training.improviser.representations import AS_PLAYED, TICK_MS
from improv_ros.training.improviser.speed import percentiles, time_of_notes


class Followed:
    """A runtime that follows one performance, and computes each state once."""

    recurrence: ClassVar[str] = 'per_note'

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._states: list[Any] = [runtime.start()]
        self._places = {id(self._states[0]): 0}

    def start(self) -> Any:
        return self._states[0]

    def advance(self, state: Any, step: Step) -> Any:
        place = self._places[id(state)] + 1
        if place == len(self._states):
            self._states.append(self._runtime.advance(state, step))
            self._places[id(self._states[-1])] = place
        return self._states[place]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)


class ComparedLearner(PartnerLearner):
    """Also evaluates the heads alone, without the memory: `heads_nats`, (3,) per event."""

    def start(self, learnt: Learnt | None = None, memory: MotifMemory | None = None) -> None:
        super().start(learnt, memory)
        self.heads_nats: list[list[float]] = []
        self._heads_weights = [np.array([0.2, 0.8]) for _ in range(3)]

    def _evaluate_step(
        self, step: Step, experts: list[np.ndarray], weights: np.ndarray
    ) -> np.ndarray:
        outcomes, nats = (step.time, step.event_type, step.velocity - 1), [0.0, 0.0, 0.0]
        for factor in range(3 if step.velocity else 2):
            self._heads_weights[factor], nats[factor] = mixture.learn(
                experts[factor], self._heads_weights[factor], outcomes[factor], MIXING_RATE
            )
        self.heads_nats.append(nats)
        return super()._evaluate_step(step, experts, weights)


def learn(learner: PartnerLearner, steps: np.ndarray) -> tuple[np.ndarray, Learnt, float]:
    """Return the nats (events, 3, 2), what was learnt in the first half, and the seconds used."""
    nats, half, first = [], len(steps) // 2, learner.learnt
    began = time.process_time()
    for number, step in enumerate(steps.tolist()):
        updated = learner.hear(Step(*step))
        if updated is not None:
            nats.append(updated)
        if number <= half:
            first = learner.learnt
    part = len(steps) % EVENTS_PER_UPDATE
    if part:
        nats.append(learner.update())
    return np.concatenate(nats), first, time.process_time() - began


def frozen(runtime: AdaptiveRuntime, steps: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Return the nats (3,) of the events from `begin` to `end`, all in all."""
    state, nats = runtime.advance(runtime.start(), FIRST_STEP), np.zeros(3)
    for number, step in enumerate(steps[:end].tolist()):
        if number >= begin:
            nats += event_nats(runtime, state, Step(*step))
        state = runtime.advance(state, Step(*step))
    return nats


def event_nats(runtime: AdaptiveRuntime, state: AdaptiveState, step: Step) -> list[float]:
    """Return the nats of time, event type and velocity of an event, given the state before it."""
    time, event_type, velocity = step
    logits = [
        (runtime.time_logits(state), time),
        (runtime.event_type_logits(state, time), event_type),
    ]
    if velocity:
        logits.append((runtime.velocity_logits(state, time, event_type), velocity - 1))
    nats = [-float(log_softmax(each)[outcome]) for each, outcome in logits]
    return nats + [0.0] * (3 - len(nats))


def notes_in(steps: np.ndarray) -> int:
    """Return the number of notes."""
    return int((steps[:, 1] < RELEASE).sum())


def performances(folder: Path, number: int, events: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the names and steps of random performances of a folder, cut after `events`."""
    files = midi_files(folder)
    for chosen in np.random.default_rng(1).permutation(len(files))[:number]:
        yield files[chosen].name, AS_PLAYED.steps(read_performance(files[chosen]))[:events]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_folder_argument(parser)
    option(parser, '--performances', 40, 'number of performances, drawn at random')
    option(parser, '--events', 10**6, 'most events of each performance, from its start')
    option(parser, '--frozen-events', 1000, 'events of each second half to evaluate frozen')
    option(parser, '--notes', 500, 'notes to time')
    add_model_argument(parser)
    add_clock_argument(parser)


def run(arguments: argparse.Namespace, result: Result) -> None:
    runtime = load_runtime(arguments.model)
    shipped = load_heads(arguments.model, runtime)
    second: dict[str, list[np.ndarray]] = {'shipped': [], 'heads': [], 'heads and motifs': []}
    after: dict[str, list[np.ndarray]] = {'shipped': [], 'the same': [], 'another': []}
    counts, seconds, music, all_notes = [], 0.0, 0.0, 0
    before: tuple[Learnt, np.ndarray] | None = None
    for _, steps in performances(arguments.folder, arguments.performances, arguments.events):
        half = len(steps) // 2
        followed = Followed(runtime)
        learner = ComparedLearner(followed, shipped)
        nats, first, used = learn(learner, steps)
        within = np.array([AS_PLAYED.exact(steps[half:]), 0, 0])
        counts.append(notes_in(steps[half:]))
        for name, each in (
            ('shipped', nats[half:, :, 0]),
            ('heads', np.array(learner.heads_nats)[half:]),
            ('heads and motifs', nats[half:, :, 1]),
        ):
            second[name].append(each.sum(axis=0) + within)
        seconds, all_notes = seconds + used, all_notes + notes_in(steps)
        music += steps_seconds(steps)
        end = min(half + arguments.frozen_events, len(steps))
        frozen_notes = max(notes_in(steps[half:end]), 1)
        if before is not None:
            for name, learnt, remembered in (
                ('shipped', Learnt.nothing(shipped), steps[:0]),
                ('the same', first, steps[:half]),
                ('another', *before),
            ):
                adaptive = AdaptiveRuntime(followed, shipped)
                adaptive.learnt = learnt
                adaptive.memory.restore(remembered)
                adaptive.adapt = float(name != 'shipped')
                after[name].append(frozen(adaptive, steps, half, end) / frozen_notes)
        before = first, steps[:half]
    _report_second_halves(result, second, np.array(counts))
    _report_frozen(result, after)
    cost = seconds / all_notes, seconds / music
    clock = clock_of(arguments.processor_time)
    _report_cost(result, runtime, shipped, learner, cost, arguments.notes, clock)


def _report_second_halves(
    result: Result, second: dict[str, list[np.ndarray]], counts: np.ndarray
) -> None:
    table = result.table(
        f'Nats per note on {len(counts)} second halves, {counts.sum():,} notes',
        Column('learnt', width=18),
        Column('nats per note', '.3f'),
        Column('of which time', '.3f'),
        Column('event type', '.3f'),
        Column('velocity', '.3f'),
        Column('mean difference', '+.3f'),
        Column('worst', '+.3f'),
        Column('best', '+.3f'),
    )
    shipped = np.array(second['shipped']) / counts[:, None]
    for name, rows in second.items():
        nats = np.array(rows) / counts[:, None]
        difference = (nats - shipped).sum(axis=1)
        mean = nats.mean(axis=0)
        table.add(name, mean.sum(), *mean, difference.mean(), difference.max(), difference.min())
    result.note('Each performance counts the same. Differences are from the shipped network.')


def _report_frozen(result: Result, after: dict[str, list[np.ndarray]]) -> None:
    if not after['shipped']:
        return
    table = result.table(
        'Frozen after the first half of a performance',
        Column('learnt from', width=12),
        Column('nats per note', '.3f'),
        Column('mean difference', '+.3f'),
        Column('worst', '+.3f'),
    )
    shipped = np.array(after['shipped']).sum(axis=1)
    for name, rows in after.items():
        nats = np.array(rows).sum(axis=1)
        difference = nats - shipped
        table.add(name, nats.mean(), difference.mean(), difference.max())
    result.note('The first events of each second half, without the time within a bin.')


def _report_cost(
    result: Result,
    runtime: Runtime,
    shipped: OutputHeads,
    learner: PartnerLearner,
    cost: tuple[float, float],
    notes: int,
    clock: Callable[[], float],
) -> None:
    adaptive = AdaptiveRuntime(runtime, shipped)
    adaptive.learnt, adaptive.memory = learner.learnt, learner.memory
    solo = ImproviserSettings(mode='solo')
    table = result.table(
        'Cost on one core',
        Column('playing a note', width=18),
        Column('p50, ms', '.2f'),
        Column('p99, ms', '.2f'),
    )
    for name, each in (('shipped, LiteRT', runtime), ('learnt', adaptive)):
        table.add(name, *percentiles(time_of_notes(Dialogue(Model(each), solo, 1), notes, clock)))
    per_note, share = cost
    result.note(
        f'Learning takes {1000 * per_note:.2f} ms of a core per note heard, in a process of its '
        f'own: {100 * share:.1f} % of a core at the pace of these performances.'
    )


def steps_seconds(steps: np.ndarray) -> float:
    """Return the duration of a performance in seconds."""
    return float(TICKS_OF_BIN[steps[:, 0]].sum()) * TICK_MS / 1000
