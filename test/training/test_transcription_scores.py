# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Measuring the transcriber: the arithmetic on known cases, the whole way on a short recording."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import shutil

import mir_eval
import numpy as np
import pytest
import soundfile

from improv_ros import cli
from improv_ros.listening.transcription.estimator import LOWEST_PITCH, PITCHES
from improv_ros.listening.transcription.spectral_estimator import SpectralEstimator
from improv_ros.training.transcriber.evaluate_transcriber import _names
from improv_ros.training.transcriber.measurement import (
    Measurement,
    Timing,
    Transcription,
    transcribe_live,
)
from improv_ros.training.transcriber.posteriors import (
    Posteriors,
    StoredPosteriors,
    decode,
    estimator_posteriors,
)
from improv_ros.training.transcriber.recordings import (
    Recording,
    RecordingError,
    find,
    read_notes,
)
from improv_ros.training.transcriber.report import Report
from improv_ros.training.transcriber.scores import compare, total
from improv_ros.training.transcriber.tuning import tune

RATE = 22050
PLAYED = np.array([[0.3, 0.7, 60, 64], [0.8, 1.2, 67, 90], [1.3, 1.7, 64, 40]])


@pytest.fixture(scope='module')
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of two: three notes of something like a piano, and a second of hiss."""
    folder = tmp_path_factory.mktemp('set')
    time = np.arange(round(2.0 * RATE)) / RATE
    sound = np.zeros_like(time)
    for onset, offset, pitch, velocity in PLAYED:
        since = time - onset
        strength = velocity / 127 * np.exp(-3 * since) * ((since > 0) & (time < offset))
        for partial in range(1, 7):
            hertz = partial * 440 * 2 ** ((pitch - 69) / 12)
            sound += 0.3 / partial * strength * np.sin(2 * np.pi * hertz * since)
    soundfile.write(folder / 'notes.wav', sound, RATE)
    lines = [' '.join(f'{value:g}' for value in note) for note in PLAYED]
    (folder / 'notes.tsv').write_text('# onset,offset,note,velocity\n' + '\n'.join(lines))
    hiss = np.random.default_rng(0).normal(0, 1e-4, RATE)
    soundfile.write(folder / 'hiss.flac', hiss, RATE)
    return folder


def test_a_set_is_its_recordings_with_and_without_notes(place: Path) -> None:
    hiss, notes = find(place)
    assert (hiss.name, hiss.notes, hiss.seconds) == ('hiss', None, pytest.approx(1.0))
    assert notes.seconds == pytest.approx(2.0)
    np.testing.assert_allclose(notes.notes, PLAYED)


def test_of_a_recording_cut_short_only_the_notes_that_begin_in_it_count(place: Path) -> None:
    assert [len(r.notes) for r in find(place / 'notes.wav', 1.0) if r.notes is not None] == [2]


def test_a_place_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r'holds no recordings.*\.flac'):
        find(tmp_path)
    (tmp_path / 'a.wav').write_text('no sound')
    with pytest.raises(RecordingError, match=r'a\.wav is not an audio file'):
        find(tmp_path)


@pytest.mark.parametrize(
    'line', ['1 2 60', '1 x 60 64', '2 1 60 64', '1 2 128 64', '-1 2 60 64', 'nan 2 60 64']
)
def test_a_line_that_is_no_note_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / 'a.tsv'
    path.write_text(f'# comment\n0.5 1 60 64\n{line}\n')
    with pytest.raises(RecordingError, match=r'a\.tsv, line 3: '):
        read_notes(path)


def test_scores_of_a_known_case() -> None:
    heard = np.array(
        [
            [0.32, 0.7, 60, 64],  # right
            [0.8, 1.9, 67, 90],  # ends too late
            [1.36, 1.7, 64, 40],  # 60 ms late
            [1.0, 1.1, 72, 40],  # invented
        ]
    )
    score = compare(PLAYED, heard)
    assert (score.reference, score.estimated, score.matched) == (3, 4, 2)
    assert score.precision == 0.5
    assert score.recall == pytest.approx(2 / 3)
    assert score.onset_f1 == pytest.approx(4 / 7)
    assert score.offset_f1 == pytest.approx(2 / 7)
    np.testing.assert_allclose(sorted(score.errors), [0, 0.02], atol=1e-9)
    both = total([score, compare(PLAYED, PLAYED)])
    assert both.onset_f1 == pytest.approx(10 / 13)
    assert compare(PLAYED, np.zeros((0, 4))).onset_f1 == 0


def test_scores_are_those_of_mir_eval() -> None:
    random = np.random.default_rng(7)

    def some_notes(count: int) -> np.ndarray:
        onsets = np.sort(random.uniform(0, 20, count))
        pitches, velocities = random.integers(60, 64, count), random.integers(1, 127, count)
        return np.column_stack(
            (onsets, onsets + random.uniform(0.05, 1, count), pitches, velocities)
        )

    played = some_notes(300)
    heard = np.concatenate(
        (played[::2] + random.normal(0, 0.03, (150, 1)) * [1, 1, 0, 0], some_notes(90))
    )
    heard[:, 3] = np.clip(0.7 * heard[:, 3] + random.normal(20, 8, len(heard)), 1, 127)
    heard = heard[np.argsort(heard[:, 0])]
    hertz = [440 * 2 ** ((notes[:, 2] - 69) / 12) for notes in (played, heard)]
    score = compare(played, heard)
    for offset_ratio, ours in ((None, score.onset_f1), (0.2, score.offset_f1)):
        theirs = mir_eval.transcription.precision_recall_f1_overlap(
            played[:, :2], hertz[0], heard[:, :2], hertz[1], offset_ratio=offset_ratio
        )[2]
        assert ours == pytest.approx(theirs)
    theirs = mir_eval.transcription_velocity.precision_recall_f1_overlap(
        played[:, :2],
        hertz[0],
        played[:, 3],
        heard[:, :2],
        hertz[1],
        heard[:, 3],
        offset_ratio=None,
    )[2]
    assert score.velocity_f1 == pytest.approx(theirs, abs=0.02)  # pairs are a matter of choice
    assert 0.1 < theirs < score.onset_f1


def test_wrong_velocities_do_not_count() -> None:
    played = np.array([[n, n + 0.5, 60, velocity] for n, velocity in enumerate([20, 60, 100, 90])])
    louder = played + [0, 0, 0, 20]
    mixed = played.copy()
    mixed[:, 3] = [100, 20, 90, 60]
    assert compare(played, louder).velocity_f1 == 1
    assert compare(played, mixed).velocity_f1 < 0.6 < compare(played, mixed).onset_f1


def test_latency_is_split_into_algorithm_and_computing() -> None:
    recording = Recording('some', Path('some.wav'), PLAYED, 2.0)
    timing = Timing(PLAYED[:, 0] + 0.08, PLAYED[:, 0] + 0.09, 0.5, 100.0)
    report = Report()
    line = report.add(recording, Transcription(PLAYED, timing))
    assert line.split() == (
        ['some', *['1.000'] * 5, '0.0', '0.0', '90', '90', '80', '80', '10', '10']
        + ['0.250', '100', '3']
    )
    noise = report.add(Recording('hiss', Path('h.wav'), None, 120.0), Transcription(PLAYED))
    assert '3 notes invented in 2.0 minutes: 1.50 per minute' in noise
    assert len(report.summary().splitlines()) == 3


def test_a_live_transcription_and_its_timing(place: Path) -> None:
    (recording,) = find(place / 'notes.wav')
    heard = transcribe_live(recording, 'spectral', {})
    assert compare(PLAYED, heard.notes).matched >= 2
    timing = heard.timing
    assert timing is not None
    assert len(timing.known) == len(heard.notes)
    latency = timing.known - heard.notes[:, 0]
    assert (latency > 0.05).all() and (latency < 0.2).all()
    assert (timing.published > timing.known).all()
    assert timing.computing > 0 and 10 < timing.megabytes < 2000


def test_stored_posteriors_give_the_notes_of_a_live_transcription(
    place: Path, tmp_path: Path
) -> None:
    (recording,) = find(place / 'notes.wav')
    settings = {'onset_threshold': 0.45, 'refractory': 0.05}
    posteriors = estimator_posteriors(SpectralEstimator(), recording)
    posteriors.save(tmp_path / 'kept.npz')
    stored = decode(Posteriors.load(tmp_path / 'kept.npz'), settings)
    live = transcribe_live(recording, 'spectral', settings).notes
    # Live, hops end where chunks end: a little earlier or later.
    assert len(live) > 0
    assert compare(live, stored).onset_f1 > 0.9
    assert abs(compare(live, stored).errors).max() < 0.02


def test_broken_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / 'broken.npz'
    path.write_bytes(b'nothing')
    with pytest.raises(RecordingError, match=r'broken\.npz holds no posteriors'):
        Posteriors.load(path)
    with pytest.raises(RecordingError, match=r'broken\.npz is not a saved measurement'):
        Measurement.load(path)


def test_a_measurement_is_saved_and_loaded(tmp_path: Path) -> None:
    recordings = [Recording('a', Path(), PLAYED, 2.0), Recording('b', Path(), None, 3.0)]
    transcriptions = [Transcription(PLAYED[:2]), Transcription(PLAYED[:0])]
    stored = Measurement('some', 0.08, recordings, transcriptions)
    stored.save(tmp_path / 'kept.npz')
    again = Measurement.load(tmp_path / 'kept.npz')
    assert (again.model, again.latency) == ('some', 0.08)
    assert [(r.name, r.seconds) for r in again.recordings] == [('a', 2.0), ('b', 3.0)]
    assert again.recordings[1].notes is None
    np.testing.assert_allclose(again.recordings[0].notes, PLAYED)
    assert [len(each.notes) for each in again.transcriptions] == [2, 0]


def test_tuning_finds_the_threshold_between_what_is_played_and_what_is_not(
    tmp_path: Path,
) -> None:
    hops = 400
    onset, frame = np.zeros((2, hops, PITCHES), np.float32)
    for begin, end, pitch, _ in PLAYED:
        onset[round(begin * 100), int(pitch) - LOWEST_PITCH] = 0.42
        frame[round(begin * 100) : round(end * 100), int(pitch) - LOWEST_PITCH] = 1
    onset[50:300:50, 5] = 0.33
    frame[50:300, 5] = 1
    nothing = np.zeros_like(onset)
    posteriors = Posteriors(onset, frame, nothing + 0.5, nothing, 0.01, 0)
    stored = StoredPosteriors.at(tmp_path, Recording('a', Path(), PLAYED, 4.0), 0)
    posteriors.save(stored.path)
    told: list[str] = []
    with ThreadPoolExecutor(1) as executor:
        best = tune([[stored]], {}, executor, told.append)
    assert best['onset_threshold'] == 0.6
    score = compare(PLAYED, decode(posteriors, best))
    assert score.onset_f1 == score.offset_f1 == 1
    assert told[0].startswith('at the start') and len(told) > 10


def test_the_command_prints_every_recording_and_all(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ['evaluate', 'transcriber', str(place), '--model-file', 'spectral']
    saved = tmp_path / 'saved.npz'
    assert cli.main([*command, '--save', str(saved)]) == 0
    live = capsys.readouterr().out
    assert 'notes invented in 0.0 minutes' in live and 'mean of the recordings' in live
    assert len(Measurement.load(saved).transcriptions) == 2
    stored = ['--posteriors', str(tmp_path / 'kept'), '--set', 'onset_threshold=1']
    assert cli.main([*command, *stored]) == 0
    assert 'all notes                         0.000' in capsys.readouterr().out


def test_several_sets_stand_side_by_side(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / 'alone'
    alone.mkdir()
    shutil.copy(place / 'hiss.flac', alone)
    options = ['--model-file', 'spectral', '--posteriors', str(tmp_path / 'stored')]
    assert cli.main(['evaluate', 'transcriber', str(place), str(alone), *options]) == 0
    rows = [line.split('|')[1:-1] for line in capsys.readouterr().out.splitlines() if '|' in line]
    table = {name.strip(): [cell.strip() for cell in cells] for name, *cells in rows}
    assert [name.split(',')[0] for name in table['']] == [place.name, 'alone']
    assert float(table['onset F1'][0]) > 0.5 and table['onset F1'][1] == '–'
    assert table['invented per hour of noise'] == ['0.0', '0.0']


def test_sets_are_named_so_that_they_differ() -> None:
    assert _names(['a/held-out', 'b/held-out']) == {
        'a/held-out': 'a held-out',
        'b/held-out': 'b held-out',
    }
    assert _names(['x/a/train', 'b']) == {'x/a/train': 'train', 'b': 'b'}


def test_notes_that_are_hard_to_transcribe_are_counted_apart() -> None:
    played = np.array([[0, 1, 21, 20], [1, 2, 32, 90], [2, 3, 33, 31], [3, 4, 80, 32]])
    score = compare(played, played[1:3])
    assert score.in_groups.tolist() == [[2, 1], [1, 1], [2, 1]]
    assert total([score, score]).in_groups.tolist() == [[4, 2], [2, 2], [4, 2]]


def test_the_command_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(['evaluate', 'transcriber', str(tmp_path)]) == 1
    assert f'{tmp_path} holds no recordings' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(['evaluate', 'transcriber', str(tmp_path), '--set', 'onset=1'])
    assert "'onset' is not one of" in capsys.readouterr().err


def test_saved_measurements_are_shown_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model, latency in (('live', 0.07), ('whole', np.inf)):
        recordings = [Recording('a', Path(), PLAYED, 2.0), Recording('b', Path(), None, 3.0)]
        transcriptions = [Transcription(PLAYED[:2]), Transcription(PLAYED[:0])]
        stored = Measurement(model, latency, recordings, transcriptions)
        stored.save(tmp_path / f'{model}.npz')
    files = [str(tmp_path / 'live.npz'), str(tmp_path / 'whole.npz')]
    command = ['bench', 'transcription', '--saved', *files, '--figures', str(tmp_path)]
    assert cli.main(command) == 0
    assert 'Means over the recordings' in capsys.readouterr().out
    assert [path.name for path in sorted(tmp_path.glob('*.png'))] == [
        'hearing_excerpt.png',
        'hearing_latency.png',
        'hearing_notes.png',
    ]
    assert cli.main([*command, '--excerpt', 'nowhere']) == 1
    assert "no recording 'nowhere' has notes" in capsys.readouterr().err
