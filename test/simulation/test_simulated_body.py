# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Bodies with physics: what they hit, when and how hard, and how a performer learns them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
import time

import numpy as np
import pytest

from improv_ros.event_text import (
    SECOND,
    TimedEvent,
    clear,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.performing.body import Body
from improv_ros.performing.body_file import body_of, read_body
from improv_ros.performing.learned_body import BodyLearner
from improv_ros.performing.trajectory import Point
from improv_ros.simulation.joint_controller import Trajectory

pytest.importorskip('mujoco')
from benchmark.simulation import perform, slower, with_latency
from improv_ros.simulation.simulated_body import SimulatedBody
from improv_ros.simulation.stroke import strokes_of

BODIES = Path(__file__).parents[2] / 'config' / 'bodies'
OTHERS = Path(__file__).parents[1] / 'performing' / 'bodies'
EVERY = sorted([*BODIES.glob('*.yaml'), *OTHERS.glob('*.yaml')])
MILLISECOND = 1_000_000


def shipped(name: str) -> Body:
    return read_body(BODIES / f'{name}.yaml')


@pytest.mark.parametrize('path', EVERY, ids=lambda path: path.stem)
def test_every_striker_of_every_body_hits_its_key_softly_and_loudly(path: Path) -> None:
    body = read_body(path)
    simulated = SimulatedBody(body, 0)
    commands = []
    for number in range(len(body.strikers)):
        for beat, velocity in enumerate((body.min_velocity, body.max_velocity)):
            at = SECOND // 10 + beat * SECOND + number * MILLISECOND
            commands += [(number, velocity, at)]
            simulated.strike([note_on(at, number, velocity), note_off(at + SECOND // 2, number)])
    sounded = simulated.advance(3 * SECOND)
    impacts = simulated.take_impacts()
    assert len(impacts) == len(commands)
    for number, velocity, at in commands:
        impact = min((i for i in impacts if i.striker == number), key=lambda i: abs(i.time - at))
        latency = impact.time - at
        # The file knows nothing of friction, of the lag of the drives and of their spread.
        assert 0 < latency - body.latency(velocity) < 15 * MILLISECOND
        assert impact.pitch == body.strikers[number].start
    soft = [i.velocity for i in impacts if i.time < SECOND]
    loud = [i.velocity for i in impacts if i.time > SECOND]
    assert max(soft) < min(loud)
    assert sum(map(is_note_on, sounded)) == sum(map(is_note_off, sounded)) == len(commands)


def test_an_impact_is_as_hard_as_its_velocity_wants_it() -> None:
    body = shipped('marimba_arms')
    strokes = strokes_of(body)
    assert np.all(np.diff(strokes.impact[20:120]) > 0)
    for velocity in range(20, 121, 10):
        assert strokes.velocity_of(strokes.impact[velocity]) == velocity


def test_a_held_key_sounds_until_its_release_and_a_clear_releases_it() -> None:
    simulated = SimulatedBody(shipped('piano_88'), 0)
    simulated.strike(
        [
            note_on(SECOND, 10, 80),
            note_off(3 * SECOND, 10),
            note_on(SECOND, 20, 80),
            control_change(SECOND, 64, 127),
        ]
    )
    assert {e.kind for e in simulated.advance(2 * SECOND)} == {'no', 'cc'}
    simulated.strike([clear(2 * SECOND)])
    ended = simulated.advance(4 * SECOND)
    assert [(is_note_off(e), e.values[0]) for e in ended] == [(True, 31), (True, 41)]
    assert all(2 * SECOND <= e.time <= 2.1 * SECOND for e in ended)


def test_an_arm_hits_what_is_below_it_and_between_bars_nothing() -> None:
    body = shipped('marimba_arms')
    simulated = SimulatedBody(body, 0)

    def strike_at(position: float, at: int) -> list[TimedEvent]:
        points = (Point(at - SECOND, (position, 1.2), (0.0, 0.0)),)
        simulated.follow(Trajectory(('left_rail', 'right_rail'), points))
        simulated.strike([note_on(at, 0, 80)])
        return [e for e in simulated.advance(at + SECOND) if is_note_on(e)]

    positions = body.strikers[0].positions
    (hit,) = strike_at(positions[72], 2 * SECOND)
    assert hit.values[0] == 72
    (hit,) = strike_at(positions[72] + 0.009, 4 * SECOND)  # still on the bar
    assert hit.values[0] == 72
    gap = (positions[52] + positions[53]) / 2  # there is no black bar between E and F
    assert strike_at(gap, 6 * SECOND) == []


def test_where_the_joints_are_can_be_told_and_restored() -> None:
    simulated = SimulatedBody(shipped('marimba_arms'), 0)
    states = simulated.joint_states()
    assert states.names[:2] == ['left_rail', 'right_rail']
    assert states.positions[:2] == pytest.approx([0.387, 0.932])
    simulated.set_joint_states(states.names, [0.5, 0.6, 0.1, 0.0])
    assert simulated.joint_states().positions == pytest.approx([0.5, 0.6, 0.1, 0.0])


def test_the_time_that_is_skipped_is_not_simulated() -> None:
    simulated = SimulatedBody(shipped('piano_88'), 0)
    simulated.skip_to(3600 * SECOND)
    began = time.process_time()
    assert simulated.advance(3600 * SECOND + SECOND // 10) == []
    assert time.process_time() - began < 5


def test_physics_in_the_body_file_change_the_body() -> None:
    spec = {'pitches': [60], 'strikers': 1, 'repeat': 0.1, 'latency': 0.04, 'holds': True}

    def latency(**physics: float) -> float:
        simulated = SimulatedBody(body_of({**spec, 'physics': {'spread': 0.0, **physics}}), 0)
        simulated.strike([note_on(SECOND, 0, 80)])
        simulated.advance(2 * SECOND)
        return (simulated.take_impacts()[0].time - SECOND) / SECOND

    ideal = latency(friction=0.0, lag=0.0)
    assert ideal == pytest.approx(0.04, abs=0.003)
    assert latency(lag=0.01) > ideal + 0.005
    assert latency(friction=0.5) > ideal + 0.005


def scale(seconds: float) -> list[TimedEvent]:
    """Two voices over the whole marimba, soft to loud, with leaps."""
    events = []
    for step in range(round(seconds / 0.3)):
        at = 3 * SECOND + step * 3 * SECOND // 10
        for pitch in (48 + step * 7 % 24, 74 + step * 5 % 22):
            velocity = 30 + step * 11 % 80
            events += [note_on(at, pitch, velocity), note_off(at + SECOND // 5, pitch)]
    return events


@pytest.mark.parametrize('wrong_by', [0.02, pytest.param(-0.02, marks=pytest.mark.nightly)])
def test_a_performer_learns_latency_and_speed_of_a_body_whose_file_is_wrong(
    wrong_by: float,
) -> None:
    body = shipped('marimba_arms')
    file, real = with_latency(body, wrong_by), slower(body, 0.8)
    learner = BodyLearner(file)
    played = perform(file, real, scale(60), SECOND, learner)
    assert played.refused == 0
    errors = [abs(late) for at, late in played.lateness if at > 33 * SECOND]
    assert len(errors) > 100
    assert np.percentile(errors, 95) < 10 * MILLISECOND
    assert [at for at in played.unexpected if at > 33 * SECOND] == []
    assert learner.body().speed == pytest.approx(0.8 * body.speed, rel=0.06)

    unlearned = perform(file, real, scale(20), SECOND)
    errors = [abs(late) for _, late in unlearned.lateness]
    assert np.percentile(errors, 50) > 10 * MILLISECOND


def test_what_was_learned_is_kept_for_the_same_body_file_only(tmp_path: Path) -> None:
    body = shipped('marimba_arms')
    learner = BodyLearner(body)
    for _ in range(10):
        learner.observe_strike(1, 80, body.latency(80) + 12 * MILLISECOND)
    learner.observe_strike(0, 80, 2 * SECOND)  # not plausible
    assert learner.speed is not None
    for _ in range(5):
        learner.observe_joint('left_rail', 2.0, 0.2)
    path = tmp_path / 'learned' / 'marimba_arms.yaml'
    learner.save(path)

    kept = BodyLearner(body)
    assert kept.load(path)
    learned = kept.body()
    assert learned.speed == pytest.approx(1.94)
    difference = learned.latency_of(1, 80) - body.latency(80)
    assert difference == pytest.approx(12 * MILLISECOND, abs=MILLISECOND)
    there = learned.strikers[0].travel
    assert there[48][96] > body.strikers[0].travel[48][96]

    assert not BodyLearner(replace(body, name='another')).load(path)
    path.write_text('body: {')
    assert not BodyLearner(body).load(path)
    assert not BodyLearner(body).load(tmp_path / 'none.yaml')


def test_a_joint_is_slow_only_if_it_cannot_keep_up_at_a_constant_speed() -> None:
    body = shipped('marimba_arms')
    for speeds, error in (
        ([2.0, 2.0, 2.0, 2.0], 0.001),  # it keeps up
        ([0.5, 1.0, 1.5, 1.9], 0.2),  # it accelerates
        ([0.0, 0.0, 0.0, 0.0], 0.2),  # it is stuck
        ([2.45, 2.45, 2.45, 2.45], 0.2),  # it is as fast as the file says
    ):
        learner = BodyLearner(body)
        for speed in speeds:
            learner.observe_joint('left_rail', speed, error)
        assert learner.body().speed == body.speed
