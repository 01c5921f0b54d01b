"""What the transcriber is to believe at each hop, and in which order it hears recordings."""

from itertools import islice

import numpy as np
import pytest
import soundfile

from improv_ros.listening.estimator import LOWEST_PITCH
from improv_ros.listening.front_end import BANDS, SAMPLE_RATE, WINDOWS
from improv_ros.training.dataset import DatasetError
from improv_ros.training.recordings import (
    Passages,
    delayed,
    read_lesson,
    recordings_in,
    targets_of,
)

ONSET, FRAME, OFFSET, VELOCITY = range(4)
HEADER = 'onset,offset,note,velocity'


def record(folder, name, seconds=0.4, notes=((0.1, 0.3, 60, 100),)):
    folder.mkdir(parents=True, exist_ok=True)
    sound = np.random.default_rng(int(name)).normal(0, 0.01, round(seconds * SAMPLE_RATE))
    soundfile.write(folder / f'{name}.wav', sound, SAMPLE_RATE)
    np.savetxt(folder / f'{name}.tsv', np.reshape(notes, (-1, 4)), delimiter='\t', header=HEADER)
    return folder / f'{name}.wav'


def test_an_onset_rises_and_falls_around_its_moment():
    targets = targets_of(np.array([[0.1, 0.3, 60, 127]]), 50)[:, 60 - LOWEST_PITCH]
    np.testing.assert_allclose(targets[8:13, ONSET], [0.2, 0.6, 1, 0.6, 0.2], atol=1e-3)
    assert targets[:, ONSET].sum() == pytest.approx(2.6, abs=1e-2)
    np.testing.assert_allclose(targets[28:33, OFFSET], [0.2, 0.6, 1, 0.6, 0.2], atol=1e-3)
    assert np.flatnonzero(targets[:, FRAME]).tolist() == list(range(10, 30))
    assert targets[10, VELOCITY] == 1


def test_an_onset_between_two_hops_is_split_between_them():
    targets = targets_of(np.array([[0.105, 0.3, 60, 64]]), 50)[:, 60 - LOWEST_PITCH, ONSET]
    assert targets[10] == targets[11] == pytest.approx(0.8, abs=1e-3)


def test_what_is_beyond_the_piano_or_the_end_is_left_out():
    assert not targets_of(np.array([[0.1, 0.3, 20, 64], [0.9, 1.0, 60, 64]]), 50).any()


def test_a_delay_moves_what_is_to_be_believed():
    targets = targets_of(np.array([[0.1, 0.3, 60, 64]]), 50)
    late = delayed(targets, (0, 5))
    np.testing.assert_array_equal(late[:, :, 0], targets)
    np.testing.assert_array_equal(late[5:, :, 1], targets[:-5])
    assert not late[:5, :, 1].any()


def test_a_recording_without_notes_is_a_lesson_too(tmp_path):
    lesson = read_lesson(record(tmp_path / 'set', '0', notes=()))
    assert lesson.spectra.shape == (40, BANDS, len(WINDOWS))
    assert not lesson.targets.any()


def test_passages_hear_every_recording_and_go_on_where_they_left_off(tmp_path):
    for number in range(8):
        record(tmp_path / 'set', str(number), notes=[(0.1, 0.3, 50 + number, 100)])
    supply = Passages(recordings_in(tmp_path / 'set'), (1, 2), 2, 2, 10, seed=3)
    assert len(supply) == 16
    passages = list(islice(supply.passages(), 24))
    assert [int(passage.group[0]) for passage in passages[:4]] == [0, 1, 0, 1]
    assert passages[0].spectra.shape == (2, 10, BANDS, len(WINDOWS))
    assert passages[0].targets.shape == (2, 10, 88, 2, 4)
    heard = {
        int(key) + LOWEST_PITCH
        for passage in passages
        for key in np.flatnonzero(passage.targets[..., FRAME].any(axis=(0, 1, 3)))
    }
    assert heard == set(range(50, 58))
    again = list(islice(supply.passages(5), 19))
    for one, other in zip(passages[5:], again, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_a_stream_is_fresh_where_its_recording_begins(tmp_path):
    for number in range(2):
        record(tmp_path / 'set', str(number))
    supply = Passages(recordings_in(tmp_path / 'set'), (1,), 1, 1, 10, seed=3)
    fresh = [float(passage.fresh[0]) for passage in islice(supply.passages(), 8)]
    assert fresh == [1, 0, 0, 0, 1, 0, 0, 0]


def test_what_is_no_set_of_recordings_is_refused_by_name(tmp_path):
    with pytest.raises(DatasetError, match=r'there is no folder .*nowhere'):
        recordings_in(tmp_path / 'nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DatasetError, match=r'empty holds no \.wav or \.flac'):
        recordings_in(tmp_path / 'empty')
    path = record(tmp_path / 'set', '1')
    path.with_suffix('.tsv').write_text('half a note\n')
    with pytest.raises(ValueError, match=r'1\.tsv, line 1: .* is no note'):
        read_lesson(path)


def test_recordings_of_another_rate_or_several_lengths_are_refused(tmp_path):
    path = record(tmp_path / 'set', '1')
    soundfile.write(path, np.zeros(8000), 8000)
    with pytest.raises(DatasetError, match='has 8000 Hz'):
        read_lesson(path)
    for number, seconds in enumerate((0.4, 0.8)):
        record(tmp_path / 'mixed', str(number), seconds)
    with pytest.raises(DatasetError, match='of one length'):
        Passages(recordings_in(tmp_path / 'mixed'), (1,), 1, 1, 10, seed=1)
