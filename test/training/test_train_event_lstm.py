import csv
import json
import shutil
import signal

from midi_folder import folder_of_scales, write_midi
import numpy as np
import pytest

from improv_ros.cli import main
from improv_ros.event_text import note_on
from improv_ros.improvising import load_model
from improv_ros.training import train_event_lstm
from improv_ros.training.checkpoint import Checkpoint
from improv_ros.training.dataset import load_dataset
from improv_ros.training.evaluation import measure
from improv_ros.training.ngram import NGram
from improv_ros.training.representations import AS_PLAYED
from improv_ros.training.train_event_lstm import Options, train


@pytest.fixture(scope='module')
def music(tmp_path_factory):
    return folder_of_scales(tmp_path_factory.mktemp('music'), 8, 100)


def options(music, out, **changes):
    small = {'units': 32, 'streams': 4, 'steps': 25, 'rate': 0.02, 'evaluate_every': 24}
    return Options(**{'data': [str(music)], 'out': str(out), 'epochs': 4, **small, **changes})


@pytest.fixture(scope='module')
def runs(music, tmp_path_factory):
    """Train a network; return the folders as they are at the end and at the first checkpoint."""
    out = tmp_path_factory.mktemp('out')
    stopped = out.with_name('stopped')
    save = Checkpoint.save

    def save_and_copy(checkpoint, model, progress):
        save(checkpoint, model, progress)
        if not stopped.exists():
            shutil.copytree(out, stopped)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, 'save', save_and_copy)
        train(options(music, out, measure=[str(music)], command='improv train …'), False)
    return out, stopped


@pytest.fixture(scope='module')
def trained(runs):
    return runs[0]


def test_learns_and_leaves_all_that_belongs_to_a_model(trained, music):
    from improv_ros.improvising.runtime import load_network
    from improv_ros.training.streams import Streams

    dataset = load_dataset([music], trained / 'cache', progress=False)
    everything = range(len(dataset))
    network = load_network(trained / 'improviser.keras')
    found = measure(Streams(network, 8), dataset, everything)
    trivial = NGram(AS_PLAYED, 1).learn(dataset, everything).measure(dataset, everything)
    assert found.what < 0.5 * trivial.what
    assert found.per_note < 0.8 * trivial.per_note
    with (trained / 'curve.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 3
    assert float(rows[-1]['training']) < float(rows[0]['training'])
    assert (trained / 'curve.png').read_bytes().startswith(b'\x89PNG')
    card = (trained / 'improviser.md').read_text()
    assert dataset.checksum in card and 'improv train …' in card and 'unigram' in card
    assert json.loads((trained / 'improviser.json').read_text())['units'] == 32


def test_the_trained_model_can_be_played_by_both_runtimes(trained):
    from improv_ros.event_text import note_on

    logits = []
    for runtime in ('litert', 'tensorflow'):
        model = load_model(trained / 'improviser.tflite', runtime)
        for number in range(30):
            model.observe(note_on(number * 200_000_000, 60 + number % 5, 64))
        logits.append(model._runtime.time_logits(model._memory))
    np.testing.assert_allclose(*logits, atol=1e-3)


def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not(runs, music, monkeypatch):
    trained, stopped = runs
    with np.load(stopped / 'checkpoint.npz') as checkpoint:
        assert json.loads(str(checkpoint['progress']))['batch'] == 24
    monkeypatch.setattr(train_event_lstm, 'finish', lambda *_: None)  # what follows takes its time
    train(options(music, stopped), False)
    with (
        np.load(trained / 'checkpoint.npz') as straight,
        np.load(stopped / 'checkpoint.npz') as resumed,
    ):
        names = [name for name in straight if name.startswith('v')]
        assert len(names) > 20
        for name in names:
            np.testing.assert_allclose(straight[name], resumed[name], atol=1e-3)


def test_stopped_between_two_measurements_it_leaves_a_checkpoint(music, tmp_path, monkeypatch):
    learn, learnt = train_event_lstm.learn_from, []

    def learn_and_stop(*batch):
        learnt.append(learn(*batch))
        if len(learnt) == 3:
            signal.raise_signal(signal.SIGTERM)
        return learnt[-1]

    monkeypatch.setattr(train_event_lstm, 'learn_from', learn_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train(options(music, tmp_path), False)
    with np.load(tmp_path / 'checkpoint.npz') as checkpoint:
        assert json.loads(str(checkpoint['progress']))['batch'] == 3


def test_the_checkpoint_of_another_run_is_refused(trained, music):
    with pytest.raises(ValueError, match='another folder, or remove it'):
        train(options(music, trained, units=16), False)


def test_evaluates_from_the_shell(trained, music, capsys):
    model = str(trained / 'improviser.keras')
    arguments = ['evaluate', str(music), '--model', model, '--learn', str(music), '--quiet']
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert '| 5-gram |' in shown and f'| {trained.name} (' in shown


@pytest.mark.parametrize(
    ('arguments', 'complaint'),
    [
        (['train', '--model', 'improviser', '--out', 'OUT', '--minutes', '1'], '--data'),
        (['train', '--model', 'improviser', '--out', 'OUT', '--data', 'none'], '--minutes'),
        (
            ['train', '--model', 'improviser', '--out', 'OUT', '--data', 'none', '--epochs', '1'],
            'there is no folder none',
        ),
        (['train', '--model', 'chunk', '--out', 'OUT'], 'name the event text'),
        (['train', '--model', 'chunk', 'none.txt', '--out', 'OUT'], 'none.txt'),
        (['evaluate', 'none'], 'there is no folder none'),
        (['evaluate', 'none', '--model', 'none.keras'], 'there is no model file none.keras'),
    ],
)
def test_mistakes_are_named(arguments, complaint, tmp_path, capsys):
    words = [str(tmp_path) if word == 'OUT' else word for word in arguments]
    assert main(words) == 1
    assert complaint in capsys.readouterr().err


def test_a_folder_of_drums_and_an_empty_one_are_named(tmp_path, capsys):
    write_midi(tmp_path / 'drums' / 'a.mid', [note_on(i * 10**8, 40, 99, 9) for i in range(99)])
    (tmp_path / 'empty').mkdir()
    for folder, complaint in (('drums', 'only 0 notes of a piano'), ('empty', 'holds no .mid')):
        words = ['train', '--model', 'performance-rnn', '--data', str(tmp_path / folder)]
        assert main([*words, '--out', str(tmp_path / 'out'), '--epochs', '1', '--quiet']) == 1
        assert complaint in capsys.readouterr().err
    assert not list((tmp_path / 'out').glob('*.keras'))


@pytest.mark.parametrize(
    ('model', 'told', 'played'),
    [
        (['performance-rnn'], '388 tokens', False),
        (['improviser', '--pedal', 'applied', '--dropout', '0.2'], 'applied to the ends', False),
        (['improviser', '--memory', 'notes'], 'moves once a note', True),
    ],
)
def test_trains_weighted_shaken_and_in_mixed_precision(tmp_path, music, model, told, played):
    (music / 'index.csv').write_text('file,composer\nscale00.mid,Anon\n')
    out = tmp_path / 'out'
    words = ['train', '--model', *model, '--data', str(music), '--out', str(out)]
    words += ['--units', '16', '--depth', '2', '--streams', '4', '--steps', '40', '--epochs', '2']
    words += [
        '--weight',
        'Anon=3',
        '--shake',
        '4',
        '--jitter',
        '9',
        '--precision',
        'mixed',
        '--rate',
        '0.01',
    ]
    assert main([*words, '--develop', str(music), '--evaluate-every', '8', '--quiet']) == 0
    card = (out / 'improviser.md').read_text()
    assert 'Anon 3 times' in card and 'precision mixed' in card and told in card
    assert 'moved in time at random by 9 ms' in card
    assert ('No node plays it' in card) == (not played)
    assert (out / 'improviser.tflite').exists() == played
    with (out / 'curve.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]['nats_per_note']) < float(rows[0]['nats_per_note'])


def test_fine_tunes_what_was_trained(tmp_path, music, trained):
    out = tmp_path / 'fine'
    found = train(
        options(music, out, epochs=1, start_from=str(trained / 'improviser.keras')), False
    )
    with (out / 'curve.csv').open() as file, (trained / 'curve.csv').open() as before:
        first, anew = next(csv.DictReader(file)), next(csv.DictReader(before))
    assert float(first['nats_per_note']) < float(anew['nats_per_note'])
    assert found.with_suffix('.tflite').is_file()
