# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The targets of the transcriber at each hop, and the order in which recordings are read."""

from itertools import islice

import numpy as np
import pytest
import soundfile

from improv_ros.listening.transcription.estimator import LOWEST_PITCH
from improv_ros.listening.transcription.spectra import BANDS, SAMPLE_RATE, WINDOWS
from improv_ros.training.transcriber.examples import (
    RecordingWindows,
    delayed,
    labelled_recordings,
    read_example,
    targets_of,
)
from improv_ros.training.transcriber.recordings import RecordingError

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


def test_a_delay_moves_the_targets():
    targets = targets_of(np.array([[0.1, 0.3, 60, 64]]), 50)
    late = delayed(targets, (0, 5))
    np.testing.assert_array_equal(late[:, :, 0], targets)
    np.testing.assert_array_equal(late[5:, :, 1], targets[:-5])
    assert not late[:5, :, 1].any()


def test_a_recording_without_notes_is_an_example_too(tmp_path):
    example = read_example(record(tmp_path / 'set', '0', notes=()))
    assert example.spectra.shape == (40, BANDS, len(WINDOWS))
    assert not example.targets.any()


def test_windows_read_every_recording_and_go_on_where_they_left_off(tmp_path):
    for number in range(8):
        record(tmp_path / 'set', str(number), notes=[(0.1, 0.3, 50 + number, 100)])
    supply = RecordingWindows(labelled_recordings(tmp_path / 'set'), (1, 2), 2, 2, 10, seed=3)
    assert len(supply) == 16
    windows = list(islice(supply.windows(), 24))
    assert [int(window.group[0]) for window in windows[:4]] == [0, 1, 0, 1]
    assert windows[0].spectra.shape == (2, 10, BANDS, len(WINDOWS))
    assert windows[0].targets.shape == (2, 10, 88, 2, 4)
    heard = {
        int(key) + LOWEST_PITCH
        for window in windows
        for key in np.flatnonzero(window.targets[..., FRAME].any(axis=(0, 1, 3)))
    }
    assert heard == set(range(50, 58))
    again = list(islice(supply.windows(5), 19))
    for one, other in zip(windows[5:], again, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_a_stream_is_fresh_where_its_recording_begins(tmp_path):
    for number in range(2):
        record(tmp_path / 'set', str(number))
    supply = RecordingWindows(labelled_recordings(tmp_path / 'set'), (1,), 1, 1, 10, seed=3)
    fresh = [float(window.fresh[0]) for window in islice(supply.windows(), 8)]
    assert fresh == [1, 0, 0, 0, 1, 0, 0, 0]


def test_what_is_no_set_of_recordings_is_refused_by_name(tmp_path):
    with pytest.raises(RecordingError, match=r'there is no folder .*nowhere'):
        labelled_recordings(tmp_path / 'nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(RecordingError, match=r'empty holds no audio file'):
        labelled_recordings(tmp_path / 'empty')
    path = record(tmp_path / 'set', '1')
    path.with_suffix('.tsv').write_text('half a note\n')
    with pytest.raises(ValueError, match=r'1\.tsv, line 1: .* is not a note'):
        read_example(path)


def test_recordings_of_another_rate_or_several_lengths_are_refused(tmp_path):
    path = record(tmp_path / 'set', '1')
    soundfile.write(path, np.zeros(8000), 8000)
    with pytest.raises(RecordingError, match='has 8000 Hz'):
        read_example(path)
    for number, seconds in enumerate((0.4, 0.8)):
        record(tmp_path / 'mixed', str(number), seconds)
    with pytest.raises(RecordingError, match='have one length'):
        RecordingWindows(labelled_recordings(tmp_path / 'mixed'), (1,), 1, 1, 10, seed=1)


def test_one_that_differs_anywhere_in_a_set_is_refused_by_name_at_the_start(tmp_path):
    def supply():
        return RecordingWindows(labelled_recordings(tmp_path / 'set'), (1,), 1, 1, 10, seed=1)

    for number in range(5):
        record(tmp_path / 'set', str(number))
    assert len(supply()) == 20
    record(tmp_path / 'set', '2', 0.5)
    with pytest.raises(
        RecordingError, match=r'2\.wav has 50 hops .* one length \(40 in this set\)'
    ):
        supply()
    soundfile.write(tmp_path / 'set' / '2.wav', np.zeros(3200), 8000)
    with pytest.raises(RecordingError, match=r'2\.wav has 8000 Hz'):
        supply()
    (tmp_path / 'set' / '2.wav').write_text('no sound')
    with pytest.raises(RecordingError, match=r'2\.wav is not an audio file'):
        supply()
