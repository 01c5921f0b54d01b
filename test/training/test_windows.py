# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from midi_folder import folder_of_scales
import numpy as np

from improv_ros.improvising.network.vocabulary import FIRST_STEP
from improv_ros.training.improviser.dataset import load_dataset
from improv_ros.training.improviser.representations import PERFORMANCE_RNN, sounding
from improv_ros.training.improviser.windows import (
    Windows,
    add_timing_noise,
    add_velocity_noise,
    batches,
)


def test_windows_play_every_piece_to_its_end():
    random = np.random.default_rng(1)
    pieces = [random.integers(1, 30, (length, 3)) for length in (10, 1, 25, 8, 9, 33)]
    heard, rows = [], [None] * 2
    for events, fresh, real in batches(iter(pieces), streams=2, steps=8):
        for row in range(2):
            length = int(real[row].sum())
            if fresh[row]:
                if rows[row] is not None:
                    heard.append(np.concatenate(rows[row]))
                rows[row] = []
                assert tuple(events[row, 0]) == FIRST_STEP
            elif length:
                np.testing.assert_array_equal(events[row, 0], rows[row][-1][-1])
            rows[row].append(events[row, 1 : 1 + length])
    heard += [np.concatenate(row) for row in rows]
    heard = [piece.tolist() for piece in heard if len(piece)]
    assert sorted(heard) == sorted(piece.tolist() for piece in pieces)


def test_windows_go_on_at_any_batch(tmp_path):
    folder = folder_of_scales(tmp_path / 'in', 4, 40)
    dataset = load_dataset([folder], tmp_path / 'cache', progress=False)

    def first(start, count):
        supply = Windows(dataset, range(4), streams=2, steps=16, seed=5).batches(start)
        return [next(supply).events for _ in range(count)]

    np.testing.assert_array_equal(first(0, 30)[12:], first(12, 18))


def test_a_performance_named_twice_is_heard_twice(tmp_path):
    folder = folder_of_scales(tmp_path / 'in', 2, 40)
    dataset = load_dataset([folder], tmp_path / 'cache', progress=False)
    once, twice = (
        Windows(dataset, numbers, 2, 16, 5, PERFORMANCE_RNN) for numbers in ([0, 1], [0, 1, 1])
    )
    assert len(twice) / len(once) == 1.5 or abs(len(twice) - 1.5 * len(once)) <= 1
    events, _, _ = next(once.batches())
    assert events.shape == (2, 17, 1) and (events[:, 0] == PERFORMANCE_RNN.first).all()


def test_velocity_noise_changes_each_velocity_and_nothing_else(tmp_path):
    folder = folder_of_scales(tmp_path / 'in', 1, 200)
    performance = load_dataset([folder], tmp_path / 'cache', progress=False).performance(0)
    other = add_velocity_noise(performance, np.random.default_rng(1), deviation=5)
    np.testing.assert_array_equal(other[:, :2], performance[:, :2])
    np.testing.assert_array_equal(other[:, 2] > 0, performance[:, 2] > 0)
    moved = other[:, 2].astype(int)[other[:, 2] > 0] - performance[performance[:, 2] > 0, 2]
    assert 4 < moved.std() < 6 and abs(moved.mean()) < 1.5


def test_timing_noise_moves_each_event_and_keeps_the_order_of_each_key(tmp_path):
    folder = folder_of_scales(tmp_path / 'in', 1, 200)
    performance = load_dataset([folder], tmp_path / 'cache', progress=False).performance(0)
    other = add_timing_noise(performance, np.random.default_rng(1), deviation=10)
    before, after = sounding(performance), sounding(other)
    np.testing.assert_array_equal(after.key, before.key)
    np.testing.assert_array_equal(after.velocity, before.velocity)
    assert (after.offset >= after.onset).all()
    moved = after.onset - before.onset
    assert 8 < moved.std() < 12  # the first event is at 0 in both


def test_keys_struck_again_at_once_stay_in_order_however_much_they_are_moved():
    trill = np.array([[0, 40, 64], [2, 128, 0]] * 50 + [[0, 176, 0], [1, 177, 0]], np.uint16)
    other = add_timing_noise(trill, np.random.default_rng(1), deviation=50)
    assert other[other[:, 1] < 176, 1].tolist() == [40, 128] * 50
    assert other[other[:, 1] >= 176, 1].tolist() == [176, 177]
