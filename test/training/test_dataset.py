# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from midi_folder import folder_of_scales, scales, write_midi
import numpy as np
import pytest

from improv_ros.cli import main
from improv_ros.event_text import note_on
from improv_ros.improvising.network.vocabulary import encode
import improv_ros.training.improviser.dataset as dataset_module
from improv_ros.training.improviser.dataset import DatasetError, load_dataset, read_performance
from improv_ros.training.improviser.representations import quantise

MS = 1_000_000


def test_a_performance_keeps_every_move_and_its_time(tmp_path):
    events = scales(3, 40)
    write_midi(tmp_path / 'a.mid', events)
    performance = read_performance(tmp_path / 'a.mid')
    assert performance.dtype == np.uint16
    times = np.cumsum(performance[:, 0], dtype=np.int64)
    assert [time * MS for time in times.tolist()] == [event.time for event in events]
    np.testing.assert_array_equal(quantise(performance), encode(events))


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
    assert (
        'only 1 piano notes' in reasons['short.mid']
        and 'only 0 piano notes' in reasons['drums.mid']
    )
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
    assert isinstance(again.events, np.memmap) and not isinstance(first.events, np.memmap)
    np.testing.assert_array_equal(first.events, again.events)
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
    np.testing.assert_array_equal(first.events, again.events)


def test_pieces_of_one_work_are_split_together(tmp_path):
    folder = folder_of_scales(tmp_path / 'in', 60, 25)
    rows = [f'scale{i:02}.mid,Anon,Scale in {i // 2}' for i in range(60)]
    (folder / 'index.csv').write_text('\n'.join(['file,composer,work', *rows]))
    dataset = load_dataset([folder], tmp_path / 'cache', progress=False)
    training, validation = dataset.split()
    assert sorted(training + validation) == list(range(60))
    assert training and validation
    assert not {dataset.groups[i] for i in training} & {dataset.groups[i] for i in validation}
    assert dataset.split() == (training, validation)


def test_halves_share_no_composer(tmp_path):
    folder = folder_of_scales(tmp_path / 'in', 10, 25)
    composers = ['Bach'] * 4 + ['Berg'] * 3 + ['Cage'] * 2 + ['Dvorak']
    rows = [f'scale{i:02}.mid,{composer}' for i, composer in enumerate(composers)]
    (folder / 'index.csv').write_text('\n'.join(['file,composer', *rows]))
    dataset = load_dataset([folder], tmp_path / 'cache', progress=False)
    assert dataset.halves() == ([0, 1, 2, 3, 9], [4, 5, 6, 7, 8])
    assert dataset.sample(10**6, dataset.halves()[1]) == [4, 5, 6, 7, 8]
    assert dataset.sample(1, dataset.halves()[1]) == [4]
    rows = [f'scale{i:02}.mid,Bach' for i in range(10)]
    (folder / 'index.csv').write_text('\n'.join(['file,composer', *rows]))
    alone = load_dataset([folder], tmp_path / 'other', progress=False)
    assert alone.halves() == (list(range(10)), list(range(10)))


def test_a_reading_that_was_killed_is_resumed(tmp_path, monkeypatch):
    folder = folder_of_scales(tmp_path / 'in', 5, 30)
    read = []

    def killed_at_the_fourth(path):
        if len(read) == 3:
            raise KeyboardInterrupt
        read.append(path.name)
        return read_performance(path)

    monkeypatch.setattr(dataset_module, 'read_performance', killed_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        load_dataset([folder], tmp_path / 'cache', progress=False)
    again = []
    monkeypatch.setattr(
        dataset_module,
        'read_performance',
        lambda path: again.append(path.name) or read_performance(path),
    )
    dataset = load_dataset([folder], tmp_path / 'cache', progress=False)
    assert again == ['scale03.mid', 'scale04.mid'] and len(dataset) == 5
    fresh = load_dataset([folder], tmp_path / 'other', progress=False)
    np.testing.assert_array_equal(dataset.events, fresh.events)
    assert [path.suffix for path in sorted((tmp_path / 'cache').iterdir())] == ['.json', '.npy']


def test_works_and_composers_come_from_the_index(tmp_path):
    folder = folder_of_scales(tmp_path / 'in', 6, 25)
    for number in range(6):
        (folder / f'scale{number:02}.mid').rename(folder / f'op{number // 3}_{number % 3}.mid')
    rows = [
        f'op{i // 3}_{i % 3}.mid,{"Ludwig van Beethoven" if i < 3 else "Anon"}' for i in range(6)
    ]
    (folder / 'index.csv').write_text('\n'.join(['file,composer', *rows]))
    dataset = load_dataset([folder], tmp_path / 'cache', progress=False)
    assert len(set(dataset.groups)) == 2
    assert dataset.by('beethoven') == [0, 1, 2]
    with pytest.raises(DatasetError, match=r"by 'Liszt'.*index\.csv"):
        dataset.by('Liszt')
    assert dataset.sample(notes=80) == [0, 2, 5] and dataset.sample(10**6) == list(range(6))


def test_the_index_of_a_split_stands_beside_it(tmp_path):
    folder = folder_of_scales(tmp_path / 'in' / 'train', 2, 25)
    (tmp_path / 'in' / 'index.csv').write_text(
        'file,composer,title\ntrain/scale00.mid,Anon,One\ntest/scale01.mid,Anon,Two\n'
    )
    dataset = load_dataset([folder], tmp_path / 'cache', progress=False)
    assert dataset.groups == ['Anon: One', 'scale01.mid']


def test_a_packed_data_set_trains_elsewhere(tmp_path, capsys):
    folder = folder_of_scales(tmp_path / 'in', 3, 30)
    packed = tmp_path / 'music.npz'
    assert main(['pack', str(folder), '--out', str(packed), '--quiet']) == 0
    assert '3 performances' in capsys.readouterr().out
    there = load_dataset([packed], tmp_path / 'nowhere')
    here = load_dataset([folder], tmp_path / 'cache', progress=False)
    np.testing.assert_array_equal(there.events, here.events)
    assert there.report() == here.report() and there.split() == here.split()
    assert not (tmp_path / 'nowhere').exists()
    assert packed.stat().st_size < here.events.nbytes + 2000
    with pytest.raises(DatasetError, match='only one'):
        load_dataset([packed, folder], tmp_path / 'cache')
    packed.write_bytes(packed.read_bytes()[:300])
    with pytest.raises(DatasetError, match=r'music\.npz is not a packed data set'):
        load_dataset([packed], tmp_path / 'cache')
    assert main(['pack', str(folder), '--out', str(tmp_path / 'a.zip'), '--quiet']) == 1
