"""Measuring the transcriber: the arithmetic on known cases, the whole way on a short recording."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mir_eval
import numpy as np
import pytest
import soundfile

from improv_ros import cli
from improv_ros.listening.estimator import LOWEST_PITCH, PITCHES
from improv_ros.listening.spectral import SpectralEstimator
from improv_ros.training.transcription.heard import Heard, Measurement, Timing
from improv_ros.training.transcription.live import hear
from improv_ros.training.transcription.posteriors import Kept, Posteriors, believe, decode
from improv_ros.training.transcription.recordings import (
    Recording,
    RecordingError,
    find,
    read_notes,
)
from improv_ros.training.transcription.report import Report
from improv_ros.training.transcription.scores import compare, total
from improv_ros.training.transcription.tuning import tune

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
    with pytest.raises(RecordingError, match=r'a\.wav is no audio file'):
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
    line = report.add(recording, Heard(PLAYED, timing))
    assert line.split() == (
        ['some', *['1.000'] * 5, '0.0', '0.0', '90', '90', '80', '80', '10', '10']
        + ['0.250', '100', '3']
    )
    noise = report.add(Recording('hiss', Path('h.wav'), None, 120.0), Heard(PLAYED))
    assert '3 notes invented in 2.0 minutes: 1.50 a minute' in noise
    assert len(report.summary().splitlines()) == 3


def test_what_is_heard_live_and_when(place: Path) -> None:
    (recording,) = find(place / 'notes.wav')
    heard = hear(recording, 'spectral', {})
    assert compare(PLAYED, heard.notes).matched >= 2
    timing = heard.timing
    assert timing is not None
    assert len(timing.known) == len(heard.notes)
    latency = timing.known - heard.notes[:, 0]
    assert (latency > 0.05).all() and (latency < 0.2).all()
    assert (timing.published > timing.known).all()
    assert timing.computing > 0 and 10 < timing.megabytes < 2000


def test_kept_posteriors_give_the_notes_that_are_heard_live(place: Path, tmp_path: Path) -> None:
    (recording,) = find(place / 'notes.wav')
    settings = {'onset_threshold': 0.45, 'refractory': 0.05}
    beliefs = believe(SpectralEstimator(), recording)
    beliefs.save(tmp_path / 'kept.npz')
    kept = decode(Posteriors.load(tmp_path / 'kept.npz'), settings)
    live = hear(recording, 'spectral', settings).notes
    # Live, hops are laid so that they end where chunks do: a little earlier or later.
    assert len(live) > 0
    assert compare(live, kept).onset_f1 > 0.9
    assert abs(compare(live, kept).errors).max() < 0.02


def test_broken_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / 'broken.npz'
    path.write_bytes(b'nothing')
    with pytest.raises(RecordingError, match=r'broken\.npz holds no posteriors'):
        Posteriors.load(path)
    with pytest.raises(RecordingError, match=r'broken\.npz is no measurement'):
        Measurement.load(path)


def test_a_measurement_is_kept_whole(tmp_path: Path) -> None:
    recordings = [Recording('a', Path(), PLAYED, 2.0), Recording('b', Path(), None, 3.0)]
    kept = Measurement('some', 0.08, recordings, [Heard(PLAYED[:2]), Heard(PLAYED[:0])])
    kept.save(tmp_path / 'kept.npz')
    again = Measurement.load(tmp_path / 'kept.npz')
    assert (again.model, again.latency) == ('some', 0.08)
    assert [(r.name, r.seconds) for r in again.recordings] == [('a', 2.0), ('b', 3.0)]
    assert again.recordings[1].notes is None
    np.testing.assert_allclose(again.recordings[0].notes, PLAYED)
    assert [len(heard.notes) for heard in again.heard] == [2, 0]


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
    beliefs = Posteriors(onset, frame, nothing + 0.5, nothing, 0.01, 0)
    kept = Kept.at(tmp_path, Recording('a', Path(), PLAYED, 4.0), 0)
    beliefs.save(kept.path)
    told: list[str] = []
    with ThreadPoolExecutor(1) as executor:
        best = tune([kept], {}, executor, told.append)
    assert best['onset_threshold'] == 0.6
    score = compare(PLAYED, decode(beliefs, best))
    assert score.onset_f1 == score.offset_f1 == 1
    assert told[0].startswith('as they are') and len(told) > 10


def test_the_command_prints_every_recording_and_all(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ['evaluate', str(place), '--model', 'transcriber', '--model-file', 'spectral']
    saved = tmp_path / 'saved.npz'
    assert cli.main([*command, '--save', str(saved)]) == 0
    live = capsys.readouterr().out
    assert 'notes invented in 0.0 minutes' in live and 'mean of the recordings' in live
    assert len(Measurement.load(saved).heard) == 2
    kept = ['--posteriors', str(tmp_path / 'kept'), '--set', 'onset_threshold=1']
    assert cli.main([*command, *kept]) == 0
    assert 'all notes                         0.000' in capsys.readouterr().out


def test_the_command_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(['evaluate', str(tmp_path), '--model', 'transcriber']) == 1
    assert f'{tmp_path} holds no recordings' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(['evaluate', str(tmp_path), '--model', 'transcriber', '--set', 'onset=1'])
    assert "'onset' is not one of" in capsys.readouterr().err


def test_the_figures_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / 'benchmark'))
    import hearing_figures

    for model, latency in (('live', 0.07), ('whole', np.inf)):
        recordings = [Recording('a', Path(), PLAYED, 2.0), Recording('b', Path(), None, 3.0)]
        kept = Measurement(model, latency, recordings, [Heard(PLAYED[:2]), Heard(PLAYED[:0])])
        kept.save(tmp_path / f'{model}.npz')
    kept_files = [str(tmp_path / 'live.npz'), str(tmp_path / 'whole.npz')]
    monkeypatch.setattr('sys.argv', ['hearing_figures', str(tmp_path), *kept_files])
    assert hearing_figures.main() == 0
    assert [path.name for path in sorted(tmp_path.glob('*.png'))] == [
        'hearing_excerpt.png',
        'hearing_latency.png',
        'hearing_notes.png',
    ]
    monkeypatch.setattr('sys.argv', ['hearing_figures', *kept_files, '--recording', 'nowhere'])
    assert hearing_figures.main() == 1
