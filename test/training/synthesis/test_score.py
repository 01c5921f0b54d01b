# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from pathlib import Path

import numpy as np
import pytest

from improv_ros.improvising.network.vocabulary import PEDAL_DOWN, PEDAL_UP, RELEASE
from improv_ros.training.synthesis.exercises import exercise
from improv_ros.training.synthesis.score import (
    OFFSET,
    ONSET,
    PITCH,
    VELOCITY,
    Score,
    augmented,
    make_score,
    read_score,
    score_of,
    sounding_ends,
)

C = 60 - 21


def test_a_note_ends_where_its_key_is_struck_again():
    score = make_score([(1, 5, 60, 80), (2, 3, 60, 70), (1, 4, 62, 60)], [])
    assert score.notes.tolist() == [[1, 2, 60, 80], [1, 4, 62, 60], [2, 3, 60, 70]]


def test_times_of_the_pedal_that_overlap_are_joined():
    assert make_score([], [(3, 4), (0, 2), (1, 2.5)]).pedal.tolist() == [[0, 2.5], [3, 4]]


def test_the_pedal_holds_what_it_finds_sounding():
    score = make_score([(0, 1, 60, 80), (0, 3, 62, 80), (0.2, 0.4, 64, 80)], [(0.5, 2)])
    assert sounding_ends(score).tolist() == [2, 3, 0.4]


def test_a_held_note_ends_where_its_key_is_struck_again():
    score = make_score([(0, 0.5, 60, 80), (1, 1.2, 60, 80)], [(0.1, 4)])
    assert sounding_ends(score).tolist() == [1, 4]


def test_a_window_of_a_performance():
    moves = np.array(
        [
            (0, C, 50),
            (500, PEDAL_DOWN, 0),
            (500, RELEASE + C, 0),  # 1 s: begun before the window
            (500, C + 2, 60),
            (1000, PEDAL_UP, 0),
            (500, RELEASE + C + 2, 0),  # 3 s
            (100, C + 4, 70),
        ],
        dtype=np.uint16,
    )
    score = score_of(moves, 1.0, 4.0)
    assert score.notes == pytest.approx(np.array([[0.5, 2, 62, 60], [2.1, 4, 64, 70]]))
    assert score.pedal == pytest.approx(np.array([[0, 1.5]]))


def test_what_is_written_is_read_again(tmp_path: Path):
    score = make_score([(1, 2, 60, 80)], [(0.5, 1.5)])
    score.write(tmp_path / '00001')
    assert (tmp_path / '00001.tsv').read_text() == (
        '# onset,offset,note,velocity\n1.000000\t2.000000\t60\t80\n'
    )
    again = read_score(tmp_path / '00001')
    assert np.array_equal(again.notes, score.notes)
    assert np.array_equal(again.pedal, score.pedal)


def test_an_empty_score_is_read_again(tmp_path: Path):
    make_score([], []).write(tmp_path / '00001')
    assert read_score(tmp_path / '00001').notes.shape == (0, 4)


def check(score: Score, seconds: float) -> None:
    notes = score.notes
    assert (notes[:, ONSET] >= 0).all()
    assert (notes[:, OFFSET] > notes[:, ONSET]).all()
    assert (notes[:, OFFSET] <= seconds).all()
    assert ((notes[:, PITCH] >= 21) & (notes[:, PITCH] <= 108)).all()
    assert ((notes[:, VELOCITY] >= 1) & (notes[:, VELOCITY] <= 127)).all()
    assert (np.diff(notes[:, ONSET]) >= 0).all()
    for pitch in np.unique(notes[:, PITCH]):
        same = notes[notes[:, PITCH] == pitch]
        assert (same[1:, ONSET] >= same[:-1, OFFSET]).all()
    assert (score.pedal[:, 1] > score.pedal[:, 0]).all()
    assert (score.pedal[1:, 0] > score.pedal[:-1, 1]).all()


@pytest.mark.parametrize('seed', range(8))
def test_a_varied_score_can_be_played(seed: int):
    random = np.random.default_rng(seed)
    onsets = np.sort(random.uniform(0, 75, 400))
    notes = [(t, t + 0.5, int(random.integers(21, 109)), 64) for t in onsets]
    score = augmented(make_score(notes, [(1, 5), (6, 70)]), random, 60)
    check(score, 60)
    assert len(score.notes) > 200


@pytest.mark.parametrize('seed', range(60))
def test_exercises_can_be_played_and_fill_their_time(seed: int):
    score = exercise(np.random.default_rng(seed), 60)
    check(score, 60)
    assert len(score.notes) > 20
    assert score.notes[-1, ONSET] > 30


def test_exercises_reach_every_key_and_loudness():
    scores = [exercise(np.random.default_rng(seed), 60).notes for seed in range(40)]
    notes = np.concatenate(scores)
    assert set(notes[:, PITCH]) == set(range(21, 109))
    assert notes[:, VELOCITY].min() < 12
    assert notes[:, VELOCITY].max() > 120
