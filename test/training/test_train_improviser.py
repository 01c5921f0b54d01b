# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import argparse
import csv
import json
import shutil
import signal

from midi_folder import folder_of_scales, write_midi
import numpy as np
import pytest

from improv_ros.cli import main
from improv_ros.commands import train as train_command
from improv_ros.event_text import note_on
from improv_ros.improvising import load_model
from improv_ros.training.engine.checkpoint import Checkpoint
from improv_ros.training.improviser import chunk_baseline, train_improviser
from improv_ros.training.improviser.dataset import load_dataset
from improv_ros.training.improviser.improviser_options import ImproviserOptions
from improv_ros.training.improviser.likelihood import evaluate
from improv_ros.training.improviser.ngram import NGram
from improv_ros.training.improviser.representations import AS_PLAYED
from improv_ros.training.improviser.train_improviser import train
from improv_ros.training.transcriber import train_transcriber


@pytest.fixture(scope='module')
def music(tmp_path_factory):
    return folder_of_scales(tmp_path_factory.mktemp('music'), 8, 100)


def options(music, out, **changes):
    small = {'units': 32, 'streams': 4, 'steps': 25, 'learning_rate': 0.02, 'evaluate_every': 24}
    return ImproviserOptions(
        **{'data': [str(music)], 'out': str(out), 'epochs': 4, **small, **changes}
    )


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
        train(options(music, out, test=[str(music)], command='improv train …'), False)
    return out, stopped


@pytest.fixture(scope='module')
def trained(runs):
    return runs[0]


def test_training_writes_all_files_of_a_model(trained, music):
    from improv_ros.improvising.network.improviser_runtime import load_network
    from improv_ros.training.improviser.performance_streams import Streams

    dataset = load_dataset([music], trained / 'cache', progress=False)
    everything = range(len(dataset))
    network = load_network(trained / 'improviser.keras')
    found = evaluate(Streams(network, 8), dataset, everything)
    unigram = NGram(AS_PLAYED, 1).count(dataset, everything).evaluate(dataset, everything)
    assert found.event_type < 0.5 * unigram.event_type
    assert found.per_note < 0.8 * unigram.per_note
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
        logits.append(model._runtime.time_logits(model._state))
    np.testing.assert_allclose(*logits, atol=1e-3)


def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not(runs, music, monkeypatch):
    trained, stopped = runs
    with np.load(stopped / 'checkpoint.npz') as checkpoint:
        assert json.loads(str(checkpoint['progress']))['batch'] == 24
    monkeypatch.setattr(train_improviser, 'finish', lambda *_: None)  # what follows takes its time
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
    learn, learnt = train_improviser.train_on_batch, []

    def learn_and_stop(*batch):
        learnt.append(learn(*batch))
        if len(learnt) == 3:
            signal.raise_signal(signal.SIGTERM)
        return learnt[-1]

    monkeypatch.setattr(train_improviser, 'train_on_batch', learn_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train(options(music, tmp_path), False)
    with np.load(tmp_path / 'checkpoint.npz') as checkpoint:
        assert json.loads(str(checkpoint['progress']))['batch'] == 3


def test_the_checkpoint_of_another_run_is_refused(trained, music):
    with pytest.raises(ValueError, match='another folder, or remove it'):
        train(options(music, trained, units=16), False)


def test_evaluates_from_the_shell(trained, music, capsys):
    model = str(trained / 'improviser.keras')
    arguments = [
        'evaluate',
        'improviser',
        str(music),
        '--model',
        model,
        '--ngrams',
        str(music),
        '--quiet',
    ]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert '| 5-gram |' in shown and f'| {trained.name} (' in shown


@pytest.mark.parametrize(
    ('arguments', 'complaint'),
    [
        (['train', 'improviser', '--out', 'OUT', '--data', 'none'], '--minutes'),
        (
            ['train', 'improviser', '--out', 'OUT', '--data', 'none', '--epochs', '1'],
            'there is no folder none',
        ),
        (['train', 'chunk', 'none.txt', '--out', 'OUT'], 'none.txt'),
        (['evaluate', 'improviser', 'none'], 'there is no folder none'),
        (
            ['evaluate', 'improviser', 'none', '--model', 'none.keras'],
            'there is no model file none.keras',
        ),
    ],
)
def test_mistakes_are_named(arguments, complaint, tmp_path, capsys):
    words = [str(tmp_path) if word == 'OUT' else word for word in arguments]
    assert main(words) == 1
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ('command', 'option'),
    [
        ('train transcriber --recordings R --validation D', '--threads'),
        ('train transcriber --recordings R --validation D', '--terms'),
        ('train performance-rnn --data D', '--dropout'),
        ('train performance-rnn --data D', '--recurrence'),
        ('train performance-rnn --data D', '--pedal'),
        ('train improviser --data D', '--recordings'),
        ('train chunk TEXT', '--minutes'),
        ('train chunk TEXT', '--threads'),
        ('evaluate transcriber FOLDER', '--baseline'),
        ('evaluate transcriber FOLDER', '--cache'),
        ('evaluate improviser FOLDER', '--seconds'),
    ],
)
def test_what_a_network_has_no_use_for_is_refused(command, option, capsys):
    words = command.split() + (['--out', 'OUT'] if command.startswith('train') else [])
    with pytest.raises(SystemExit):
        main([*words, option, '1'])
    assert f'unrecognized arguments: {option}' in capsys.readouterr().err


class Watched(argparse.Namespace):
    """Remembers what is read of it."""

    def __getattribute__(self, name):
        if name != '__dict__':
            READ.add(name)
        return super().__getattribute__(name)


READ: set[str] = set()


@pytest.mark.parametrize(
    'command',
    [
        'improviser --data D',
        'performance-rnn --data D',
        'transcriber --recordings R --validation D',
        'chunk TEXT --generate 1',
    ],
)
def test_no_option_of_a_network_is_ignored(command, tmp_path, monkeypatch):
    (tmp_path / 'TEXT').write_text('')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_improviser, 'train', lambda *_: tmp_path / 'x.keras')
    monkeypatch.setattr(train_transcriber, 'train', lambda *_: tmp_path / 'x.keras')
    monkeypatch.setattr(chunk_baseline, 'train_chunk_model', lambda *_: [0.0])
    monkeypatch.setattr(chunk_baseline, 'generate', lambda *_: '')
    parser = argparse.ArgumentParser()
    train_command.add_arguments(parser)
    words = [*command.split(), '--out', str(tmp_path), '--minutes', '1']
    arguments = parser.parse_args(words[: -2 if 'chunk' in command else None], Watched())
    declared = set(vars(arguments))
    READ.clear()
    assert train_command.run(arguments) == 0
    assert declared <= READ


def test_a_folder_of_drums_and_an_empty_one_are_named(tmp_path, capsys):
    write_midi(tmp_path / 'drums' / 'a.mid', [note_on(i * 10**8, 40, 99, 9) for i in range(99)])
    (tmp_path / 'empty').mkdir()
    for folder, complaint in (('drums', 'only 0 piano notes'), ('empty', 'holds no .mid')):
        words = ['train', 'performance-rnn', '--data', str(tmp_path / folder)]
        assert main([*words, '--out', str(tmp_path / 'out'), '--epochs', '1', '--quiet']) == 1
        assert complaint in capsys.readouterr().err
    assert not list((tmp_path / 'out').glob('*.keras'))


def test_what_chooses_the_network_and_what_is_reported_share_no_composer(tmp_path, music):
    held_out = folder_of_scales(tmp_path / 'held-out', 6, 30)
    rows = [f'scale{i:02}.mid,{"Bach" if i < 4 else "Cage"}' for i in range(6)]
    (held_out / 'index.csv').write_text('\n'.join(['file,composer', *rows]))
    chosen = options(music, tmp_path / 'out', validation=str(held_out), test=[str(music)])
    dataset, training, validation, numbers = train_improviser.read_data(chosen, False)
    assert [validation.composers[number] for number in numbers] == ['Bach'] * 4
    one, other = train_improviser.reported_sets(chosen, dataset, training, False)
    assert one[0].endswith('held-out, the composers that did not choose the network')
    assert [one[1].composers[number] for number in one[2]] == ['Cage'] * 2
    assert other[0] == str(music) and other[2] == list(range(8))


@pytest.mark.nightly
@pytest.mark.parametrize(
    ('model', 'told', 'played'),
    [
        (['performance-rnn'], '388 tokens', False),
        (
            ['improviser', '--pedal', 'applied', '--dropout', '0.2'],
            'lengthens the notes',
            False,
        ),
        (['improviser', '--recurrence', 'per_note'], 'one step per note', True),
    ],
)
def test_trains_with_weights_noise_and_mixed_precision(tmp_path, music, model, told, played):
    (music / 'index.csv').write_text('file,composer\nscale00.mid,Anon\n')
    out = tmp_path / 'out'
    words = ['train', *model, '--data', str(music), '--out', str(out)]
    words += ['--units', '16', '--depth', '2', '--streams', '4', '--steps', '40', '--epochs', '2']
    words += [
        '--weight',
        'Anon=3',
        '--velocity-noise',
        '4',
        '--timing-noise-ms',
        '9',
        '--precision',
        'mixed',
        '--learning-rate',
        '0.01',
    ]
    assert main([*words, '--validation', str(music), '--evaluate-every', '8', '--quiet']) == 0
    card = (out / 'improviser.md').read_text()
    assert 'Anon 3 times per epoch' in card and 'precision mixed' in card and told in card
    assert 'noise on times (standard deviation 9 ms)' in card
    assert ('No node plays it' in card) == (not played)
    assert (out / 'improviser.tflite').exists() == played
    with (out / 'curve.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]['nats_per_note']) < float(rows[0]['nats_per_note'])


@pytest.mark.nightly
def test_fine_tunes_what_was_trained(tmp_path, music, trained):
    out = tmp_path / 'fine'
    found = train(
        options(music, out, epochs=1, start_from=str(trained / 'improviser.keras')), False
    )
    with (out / 'curve.csv').open() as file, (trained / 'curve.csv').open() as before:
        first, anew = next(csv.DictReader(file)), next(csv.DictReader(before))
    assert float(first['nats_per_note']) < float(anew['nats_per_note'])
    assert found.with_suffix('.tflite').is_file()
