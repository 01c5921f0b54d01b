from midi_folder import folder_of_scales, scales, write_midi
import numpy as np
import pytest

from improv_ros.event_text import note_on
from improv_ros.improvising.vocabulary import FIRST_STEP, PEDAL_DOWN, RELEASE, TIME_VALUES
from improv_ros.training.dataset import load_dataset, read_performance
from improv_ros.training.windows import Windows, batches, quantise, room_to_transpose

MS = 1_000_000


def test_variation_moves_keys_times_and_loudness_only(tmp_path):
    write_midi(tmp_path / 'a.mid', scales(3, 40))
    performance = read_performance(tmp_path / 'a.mid')
    plain = quantise(performance)
    varied = quantise(performance, stretch=1.1, transpose=-3, loudness=0.5)
    keys = plain[:, 1] < PEDAL_DOWN
    np.testing.assert_array_equal(varied[keys, 1], plain[keys, 1] - 3)
    np.testing.assert_array_equal(varied[~keys, 1], plain[~keys, 1])
    longer = TIME_VALUES[varied[:, 0]].sum() / TIME_VALUES[plain[:, 0]].sum()
    assert longer == pytest.approx(1.1, abs=0.01)
    pressed = plain[:, 1] < RELEASE
    assert (varied[pressed, 2] < plain[pressed, 2]).all()
    assert not varied[~pressed, 2].any()


def test_transposition_stays_on_the_piano(tmp_path):
    events = [note_on(i * 100 * MS, pitch, 60) for i, pitch in enumerate([23, *[60] * 20, 108])]
    write_midi(tmp_path / 'a.mid', events)
    assert room_to_transpose(read_performance(tmp_path / 'a.mid')) == (-2, 0)


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
