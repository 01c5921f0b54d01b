# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A performer plays on a body with physics, in simulated time, and learns from its reports. At
first it knows the body by its file only. It learns for --learning seconds of the first piece, and
goes on to learn; from then on, the impacts are judged, for --seconds of every piece. `wrong keys`
counts impacts on keys that were not commanded then, `missed` all commanded strikes without an
impact. The cost is processor time per second of music.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
import time

import numpy as np

from benchmark.harness import Column, Result, Table, option
from benchmark.robots import PREPARATION, beginning, midi_events, random_drums, random_music
from improv_ros.bringup.shared_files import shared_file
from improv_ros.event_text import SECOND, LatencyCurve, TimedEvent, is_note_on
from improv_ros.performing.body import Body
from improv_ros.performing.body_file import read_body
from improv_ros.performing.learned_body import BodyLearner
from improv_ros.performing.performer import Performer, PerformerOutput
from improv_ros.performing.physics import Physics
from improv_ros.performing.planner import TICK
from improv_ros.simulation.joint_controller import RefusedError, Trajectory
from improv_ros.simulation.simulated_body import SimulatedBody

LOOKAHEAD = round(0.15 * SECOND)
SLOWER = 0.8


@dataclass
class Performance:
    """What a simulated body played. lateness: (time of the note, lateness) of each note, in ns."""

    lateness: list[tuple[int, int]] = field(default_factory=list)
    unexpected: list[int] = field(default_factory=list)  # times of other impacts
    received: int = 0
    in_range: int = 0
    performed: int = 0
    missed: int = 0
    refused: int = 0  # trajectories
    cost: float = 0.0  # processor seconds of the physics
    seconds: float = 0.0


def perform(
    file: Body,
    real: Body,
    events: Sequence[TimedEvent],
    lead: int = SECOND,
    learner: BodyLearner | None = None,
) -> Performance:
    """
    Play events on the real body by what its file says; each is known `lead` ns before its time.

    learner: learns the body meanwhile; None: the values of the file are used to the end.
    """
    performer = Performer(file, LOOKAHEAD, 0, learner=learner)
    simulated = SimulatedBody(real, 0)
    result = Performance()

    def publish(output: PerformerOutput) -> None:
        if output.trajectory:
            joints = tuple(performer.planner.joints)
            smooth = file.acceleration is not None
            points = tuple(
                point if smooth else point._replace(velocities=()) for point in output.trajectory
            )
            try:
                simulated.follow(Trajectory(joints, points))
            except RefusedError:
                result.refused += 1
        simulated.strike(output.strikes)

    waiting = list(reversed(events))
    now, end = 0, events[-1].time + 2 * SECOND
    while now < end:
        known = []
        while waiting and waiting[-1].time - lead <= now:
            known.append(waiting.pop())
        if known:
            publish(performer.add(known, now))
        publish(performer.advance(now))
        now += TICK
        began = time.thread_time()
        sounded = simulated.advance(now)
        result.cost += time.thread_time() - began
        for event in filter(is_note_on, sounded):
            late = performer.report(event.time, event.values[0])
            if late is None:
                result.unexpected.append(event.time)
            else:
                result.lateness.append((event.time, late))
        states = simulated.joint_states()
        for joint, position, speed in zip(
            simulated.controller.joints, states.positions, states.velocities, strict=False
        ):
            performer.report_joint(joint, simulated.time, position, speed)
    performer.lateness.forget(now + 3 * SECOND)
    counts = performer.planner.counts
    result.received, result.performed = counts.received, counts.performed
    result.in_range = counts.received - counts.unplayable
    result.missed = performer.lateness.missed
    result.seconds = now / SECOND
    return result


def with_latency(body: Body, more: float) -> Body:
    """Return a body whose file says that its latency is longer by `more` seconds."""
    return replace(
        body,
        latency=LatencyCurve(
            (velocity, max(0, body.latency(velocity) + round(more * SECOND)))
            for velocity in range(1, 128)
        ),
    )


def slower(body: Body, share: float) -> Body:
    """Return a real body whose joints reach a share of the speed in its file."""
    physics: Physics = body.physics
    return replace(body, physics=replace(physics, speed=share * (body.speed or 0.0)))


def at_speed(body: Body, share: float) -> Body:
    """Return a body whose file says that its joints reach a share of their speed."""
    learner = BodyLearner(body)
    assert learner.speed and body.speed
    learner.speed.learned = share * body.speed
    return learner.body()


def cases(body: Body) -> Iterable[tuple[str, Body, Body, bool]]:
    """Yield (name, body file, real body, whether to learn)."""
    yield 'as the file says', body, body, True
    yield 'as the file says, no feedback', body, body, False
    yield 'file +20 ms', with_latency(body, 0.02), body, True
    yield 'file -20 ms', with_latency(body, -0.02), body, True
    if body.speed:
        real = slower(body, SLOWER)
        yield 'real speed -20 %', body, real, True
        yield 'real speed -20 %, file +20 ms', with_latency(body, 0.02), real, True
        name = 'real speed -20 %, file +20 ms, no feedback'
        yield name, with_latency(body, 0.02), real, False
        yield 'file speed -20 %, +20 ms', with_latency(at_speed(body, SLOWER), 0.02), body, True


def pieces(
    body: Body, files: Sequence[Path], seconds: float, learning: float
) -> list[list[TimedEvent]]:
    """Return the music for a body: the files, or random drums for a drum set, or random music."""
    lengths = [learning + seconds, *[seconds] * len(files)]
    if files:
        return [beginning(midi_events(p), s) for p, s in zip(files, lengths, strict=False)]
    source = random_drums if not body.moves and len(body.strikers) < 12 else random_music
    return [beginning(source(seed), s) for seed, s in enumerate((learning + seconds, seconds))]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'files',
        nargs='*',
        type=Path,
        metavar='FILE.mid',
        help='MIDI files to play (default: random music, or random drums)',
    )
    option(parser, '--body', '', 'the only body, a name or a file (default: all shipped ones)')
    option(parser, '--cases', '', 'only the cases whose names contain this')
    option(parser, '--seconds', 30.0, 'length of each piece that is judged, in seconds')
    option(parser, '--learning', 60.0, 'length of its beginning that is not judged, in seconds')
    option(
        parser, '--lead', 1.0, 'time from when a note becomes known until it sounds, in seconds'
    )


def run(arguments: argparse.Namespace, result: Result) -> None:
    table = result.table(
        'Impacts on bodies with physics',
        Column('body', width=14),
        Column('real body', width=42),
        Column('notes kept, %', '.1f'),
        Column('impacts', 'd'),
        Column('error p50, ms', '.1f'),
        Column('p95, ms', '.1f'),
        Column('wrong keys', 'd'),
        Column('missed', 'd'),
        Column('refused', 'd'),
        Column('cost, % of a core', '.1f'),
    )
    if arguments.body:
        path = Path(arguments.body)
        paths = [path if path.suffix else shared_file(f'config/bodies/{path}.yaml')]
    else:
        paths = sorted(shared_file('config/bodies').glob('*.yaml'))
    for path in paths:
        body = read_body(path)
        music = pieces(body, arguments.files, arguments.seconds, arguments.learning)
        for name, file, real, learn in cases(body):
            if arguments.cases not in name:
                continue
            learner = BodyLearner(file) if learn else None
            lead = round(arguments.lead * SECOND)
            played = [perform(file, real, events, lead, learner) for events in music]
            add_row(table, path.stem, name, played, round(arguments.learning * SECOND))


def add_row(
    table: Table, body: str, name: str, played: Sequence[Performance], learning: int
) -> None:
    """Add a row about one case."""
    judged_from = [learning + PREPARATION, *[0] * len(played)]  # by piece
    judged = list(zip(played, judged_from, strict=False))
    errors = [abs(late) / 1e6 for p, begin in judged for at, late in p.lateness if at >= begin]
    wrong = sum(at >= begin for p, begin in judged for at in p.unexpected)
    table.add(
        body,
        name,
        100 * sum(p.performed for p in played) / max(sum(p.in_range for p in played), 1),
        len(errors),
        float(np.percentile(errors, 50)) if errors else None,
        float(np.percentile(errors, 95)) if errors else None,
        wrong,
        sum(p.missed for p in played),
        sum(p.refused for p in played),
        100 * sum(p.cost for p in played) / sum(p.seconds for p in played),
    )
