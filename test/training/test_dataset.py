from midi_folder import folder_of_scales, scales, write_midi
import numpy as np
import pytest

from improv_ros.event_text import note_on
from improv_ros.improvising.vocabulary import FIRST_STEP, PEDAL_DOWN, RELEASE, TIME_VALUES, encode
from improv_ros.training.dataset import (
    DatasetError,
    Windows,
    batches,
    load_dataset,
    quantise,
    read_performance,
    room_to_transpose,
)

MS = 1_000_000


def test_a_performance_keeps_every_move_and_its_time(tmp_path):
    events = scales(3, 40)
    write_midi(tmp_path / 'a.mid', events)
    performance = read_performance(tmp_path / 'a.mid')
    assert performance.dtype == np.uint16
    times = np.cumsum(performance[:, 0], dtype=np.int64)
    assert [time * MS for time in times.tolist()] == [event.time for event in events]
    np.testing.assert_array_equal(quantise(performance), encode(events))


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


def test_says_what_was_skipped_and_why(tmp_path):
    folder = folder_of_scales(tmp_path / 'in', 3, 30)
    (folder / 'broken.mid').write_bytes(b'MThd\0\0\0\6')
    (folder / 'empty.mid').write_bytes(b'')
    write_midi(folder / 'short.mid', [note_on(0, 60, 60)])
    write_midi(folder / 'drums.mid', [note_on(i * MS, 60, 60, 9) for i in range(100)])
    (folder / 'notes.txt').write_text('no music')
    dataset = load_dataset([folder], tmp_path / 'cache', progress=False)
    assert sorted(dataset.names) == ['scale00.mid', 'scale01.mid', 'scale02.mid']
    reasons = {path.rpartition('/')[2]: reason for path, reason in dataset.skipped.items()}
    assert reasons.keys() == {'broken.mid', 'empty.mid', 'short.mid', 'drums.mid'}
    assert 'only 1 notes' in reasons['short.mid'] and 'only 0 notes' in reasons['drums.mid']
    assert 'drums.mid' in dataset.report()
    assert dataset.notes == 90


def test_a_folder_without_music_is_an_error_that_names_it(tmp_path):
    with pytest.raises(DatasetError, match=r'there is no folder .*absent'):
        load_dataset([tmp_path / 'absent'], tmp_path)
    (tmp_path / 'bare').mkdir()
    with pytest.raises(DatasetError, match='bare holds no'):
        load_dataset([tmp_path / 'bare'], tmp_path)
    (tmp_path / 'bare' / 'a.mid').write_bytes(b'junk')
    with pytest.raises(DatasetError, match='none of the 1 MIDI files'):
        load_dataset([tmp_path / 'bare'], tmp_path, progress=False)


def test_is_read_once_until_a_file_changes(tmp_path):
    folder = folder_of_scales(tmp_path / 'in', 2, 30)
    first = load_dataset([folder], tmp_path / 'cache', progress=False)
    again = load_dataset([folder], tmp_path / 'cache', progress=False)
    assert isinstance(again.moves, np.memmap) and not isinstance(first.moves, np.memmap)
    np.testing.assert_array_equal(first.moves, again.moves)
    assert again.checksum == first.checksum and again.names == first.names
    write_midi(folder / 'scale00.mid', scales(9, 30))
    changed = load_dataset([folder], tmp_path / 'cache', progress=False)
    assert changed.checksum != first.checksum


def test_a_damaged_cache_is_made_anew(tmp_path):
    folder = folder_of_scales(tmp_path / 'in', 2, 30)
    first = load_dataset([folder], tmp_path / 'cache', progress=False)
    (kept,) = (tmp_path / 'cache').glob('*.npy')
    kept.write_bytes(kept.read_bytes()[:200])
    again = load_dataset([folder], tmp_path / 'cache', progress=False)
    np.testing.assert_array_equal(first.moves, again.moves)


def test_pieces_of_one_work_are_split_together(tmp_path):
    folder = folder_of_scales(tmp_path / 'in', 60, 25)
    rows = [f'scale{i:02}.mid,Anon,Scale in {i // 2}' for i in range(60)]
    (folder / 'index.csv').write_text('\n'.join(['file,composer,work', *rows]))
    dataset = load_dataset([folder], tmp_path / 'cache', progress=False)
    learning, development = dataset.split()
    assert sorted(learning + development) == list(range(60))
    assert learning and development
    assert not {dataset.groups[i] for i in learning} & {dataset.groups[i] for i in development}
    assert dataset.split() == (learning, development)


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
