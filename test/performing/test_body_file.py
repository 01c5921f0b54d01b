# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Reading body files, and the errors of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from improv_ros.event_text import SECOND
from improv_ros.performing.body_file import BodyError, body_of, read_body
from simulated_performance import BODIES

PIANO = {'pitches': '60-64', 'strikers': 5, 'repeat': 0.1, 'latency': 0.03}


def test_the_shipped_bodies() -> None:
    piano = read_body(BODIES / 'piano_88.yaml')
    assert piano.pitches == tuple(range(21, 109))
    assert len(piano.strikers) == len(piano.groups) == 88
    assert not piano.moves
    arms = read_body(BODIES / 'marimba_arms.yaml')
    assert [striker.name for striker in arms.strikers] == ['left_rail', 'right_rail']
    assert arms.groups == ((0, 1),)
    assert arms.moves
    drums = read_body(BODIES / 'drums_8.yaml')
    assert len(drums.strikers) == 8
    assert drums.pitch_for(60) is None


def test_pitches_as_a_list_of_pitches_and_ranges() -> None:
    body = body_of({**PIANO, 'pitches': [40, '50-52', 60]})
    assert body.pitches == (40, 50, 51, 52, 60)
    assert [list(striker.positions) for striker in body.strikers] == [[40], [50], [51], [52], [60]]


def test_positions_are_counted_in_keys_if_not_given() -> None:
    body = body_of({**PIANO, 'strikers': 2, 'move': {'speed': 10}})
    assert body.strikers[1].positions == {60: 0.0, 61: 1.0, 62: 2.0, 63: 3.0, 64: 4.0}
    assert body.strikers[0].travel[60][64] == 0.4 * SECOND


def test_a_matrix_of_times() -> None:
    times = [[0, 0.1, 0.3], [0.2, 0, 0.1], [0.3, 0.1, 0]]
    body = body_of({**PIANO, 'pitches': '60-62', 'strikers': 1, 'move': {'times': times}})
    assert body.strikers[0].travel[60] == {60: 0, 61: SECOND // 10, 62: 3 * SECOND // 10}
    assert body.strikers[0].travel[61][60] == SECOND // 5


def test_arms_without_common_keys_are_planned_separately() -> None:
    pitches = {
        60: {'joint': 'a', 'position': 0.0},
        62: {'joint': ['a', 'b'], 'position': 0.1},
        64: {'joint': 'b', 'position': 0.2},
        70: {'joint': 'c', 'position': 0.0},
    }
    move = {'speed': 1.0, 'acceleration': 10.0}
    body = body_of({**PIANO, 'pitches': pitches, 'strikers': ['a', 'b', 'c'], 'move': move})
    assert sorted(body.groups) == [(0, 1), (2,)]
    # The joint accelerates for half of the way, then decelerates: 2 * sqrt(0.1 / 10) s
    assert body.strikers[0].travel[60][62] == pytest.approx(0.2 * SECOND)


def test_latency_is_linear_between_velocities() -> None:
    body = body_of({**PIANO, 'latency': {20: 0.06, 100: 0.02}})
    table = {1: 60, 20: 60, 60: 40, 100: 20, 127: 20}
    assert {v: body.latency(v) / 1e6 for v in table} == table
    assert body.scheduling_lead == (60 + 50) * 1_000_000


def test_a_body_folds_octaves_and_limits_velocities() -> None:
    body = body_of({**PIANO, 'fold_octaves': True, 'loudness': [30, 90]})
    assert body.pitch_for(72) == body.pitch_for(48) == body.pitch_for(60) == 60
    assert body.pitch_for(65) is None  # in no octave
    assert [body.velocity_for(v) for v in (1, 30, 64, 127)] == [30, 30, 64, 90]
    assert body_of(PIANO).pitch_for(72) is None


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'pitchs': [60]}, 'pitchs.*unknown key.*pitches'),
        ({'repeat': None}, 'repeat.*missing'),
        ({'repeat': 'soon'}, "repeat.*'soon' is not a number"),
        ({'repeat': True}, 'repeat.*not a number'),
        ({'repeat': float('nan')}, 'repeat.*not a number'),
        ({'pitches': []}, 'pitches.*at least one'),
        ({'pitches': '60-200'}, 'pitches.*200'),
        ({'pitches': '64-60'}, 'pitches.*64-60.*range'),
        ({'pitches': [60, '59-61']}, 'pitches: 60 is given twice'),
        ({'pitches': {60: 'kick'}}, "pitches: 60 is 'kick'.*joint"),
        ({'pitches': {'C4': {}}}, "pitches: 'C4'.*middle C is 60"),
        ({'pitches': {60: {'joint': 'foot'}}, 'strikers': ['hand']}, "'foot' of 60.*hand"),
        ({'pitches': {60: {'joint': 'a'}, 62: {}}, 'strikers': ['a']}, 'pitches: 62.*no striker'),
        ({'pitches': {60: {'joint': 'a'}}, 'strikers': ['a', 'b']}, 'strikers: b has no pitch'),
        ({'strikers': 4}, 'strikers: 4 for 5 pitches.*move'),
        ({'strikers': 0}, 'strikers.*1 to 128'),
        ({'strikers': 129}, 'strikers.*1 to 128'),
        ({'strikers': ['a', 'a']}, 'strikers: a is given twice'),
        ({'strikers': [{'name': 'a'}]}, 'strikers.*joint'),
        (
            {'strikers': [{'joint': 'a', 'start': 70}], 'move': {'speed': 1}},
            'strikers: a starts at 70',
        ),
        ({'move': {'speed': 0}}, 'move: speed'),
        ({'move': {'velocity': 1}}, 'move: give speed'),
        ({'move': {'times': [[0]]}}, 'move: times must have 5 rows'),
        (
            {
                'pitches': {60: {'position': 0}, 62: {}},
                'strikers': 1,
                'move': {'speed': 1},
            },
            'pitches: 62 has no position',
        ),
        ({'latency': {}}, 'latency'),
        ({'latency': {0: 0.1}}, 'latency: 0 is not a velocity'),
        ({'latency': -1}, 'latency'),
        ({'loudness': [90, 30]}, 'loudness.*softest'),
        ({'holds': 'yes'}, "holds: 'yes'; write true or false"),
    ],
)
def test_an_error_names_the_key_and_a_remedy(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    spec = {key: value for key, value in {**PIANO, **change}.items() if value is not None}
    path = tmp_path / 'wrong.yaml'
    path.write_text(yaml.safe_dump(spec))
    with pytest.raises(BodyError, match=rf'(?s)wrong\.yaml: .*{words}'):
        read_body(path)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('pitches: [', 'not YAML'),
        ('just words', 'map of keys'),
        ('repeat: 1\nrepeat: 2\n', 'repeat.*twice.*line 2'),
        ('pitches: !!python/object:os.system {}', 'not YAML'),
    ],
)
def test_a_file_that_is_not_a_body_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / 'wrong.yaml'
    path.write_text(text)
    with pytest.raises(BodyError, match=rf'wrong\.yaml[: ].*{words}'):
        read_body(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BodyError, match=r'nowhere\.yaml cannot be read'):
        read_body(tmp_path / 'nowhere.yaml')
