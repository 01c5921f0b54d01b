# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A transcriber that is trained for a moment, from the shell's command on."""

import csv
from itertools import count
import json

import numpy as np
import pytest
from test_examples import record

from improv_ros.cli import main
from improv_ros.listening.transcription.transcription_network import TranscriptionNetwork
from improv_ros.listening.transcription.transcription_runtime import load_network
from improv_ros.training.transcriber.train_transcriber import TranscriberValidation, train
from improv_ros.training.transcriber.transcriber_files import save
from improv_ros.training.transcriber.transcriber_options import TranscriberOptions

SMALL = {'channels': 4, 'units': 6, 'groups': 2, 'streams': 2, 'hops': 10, 'evaluate_every': 20}


def recordings(folder, count=4):
    for number in range(count):
        record(folder, str(number), notes=[(0.1, 0.3, 60 + number, 100)])
    return folder


def losses(out):
    with (out / 'curve.csv').open() as file:
        return [float(row['validation']) for row in csv.DictReader(file)]


def test_training_lowers_the_loss_continues_and_writes_a_card(tmp_path):
    folder, out = str(recordings(tmp_path / 'train')), tmp_path / 'out'
    options = TranscriberOptions([folder], folder, str(out), epochs=10, command='first', **SMALL)
    model = train(options, progress_bar=False)
    assert losses(out)[-1] < 0.95 * losses(out)[0]
    assert load_network(model).units == 6
    assert json.loads(model.with_suffix('.json').read_text())['delay'] == 5

    options.epochs, options.command = 20, 'second'
    train(options, progress_bar=False)
    assert len(losses(out)) == 8
    card = model.with_suffix('.md').read_text()
    assert '    first\n    second' in card
    assert '4 recordings, 0.0 hours' in card


@pytest.mark.nightly
def test_the_network_of_the_end_is_kept_though_its_loss_be_larger(tmp_path, monkeypatch):
    rising = count(1.0)  # no toy's loss rises when it is told to
    monkeypatch.setattr(TranscriberValidation, 'evaluate', lambda _: {'validation': next(rising)})
    folder, out = str(recordings(tmp_path / 'train')), tmp_path / 'out'
    options = TranscriberOptions([folder], folder, str(out), epochs=4, **SMALL)
    network = load_network(train(options, progress_bar=False))
    with np.load(out / 'checkpoint.npz') as last:
        kept = [last[name] for name in last.files]
    assert len(losses(out)) > 1
    for variable in network.trainable_variables:
        value = np.array(variable)
        assert any(value.shape == each.shape and np.allclose(value, each) for each in kept)


@pytest.mark.nightly
def test_the_card_names_the_pianos_and_the_music(tmp_path):
    folder = recordings(tmp_path / 'set' / 'train')
    piano = {'name': 'grand', 'licence': 'CC0', 'source': 'a package', 'held_out': False}
    about = {
        'command': 'improv synthesize set',
        'pianos': [piano, {**piano, 'name': 'other', 'held_out': True}],
        'music': [{'folder': 'rolls', 'terms': 'MIT'}],
    }
    (tmp_path / 'set' / 'manifest.json').write_text(json.dumps(about))
    options = TranscriberOptions(
        [str(folder)], str(folder), str(tmp_path / 'out'), epochs=1, **SMALL
    )
    card = train(options, progress_bar=False).with_suffix('.md').read_text()
    assert 'improv synthesize set' in card
    assert '- grand: CC0 (a package)\n\n- rolls: MIT' in card


def test_the_second_stage_is_trained_alone(tmp_path):
    folder, small = str(recordings(tmp_path / 'train')), TranscriptionNetwork(4, 6)
    small.build()
    save(small, tmp_path / 'small.keras', 4)
    options = TranscriberOptions(
        [folder],
        folder,
        str(tmp_path / 'out'),
        epochs=2,
        late_delays=[15, 20],
        start_from=str(tmp_path / 'small.keras'),
        second_stage=True,
        **SMALL,
    )
    network = load_network(train(options, progress_bar=False))
    assert network.delays == (3, 4, 5, 8, 15, 20)
    assert np.array_equal(network.beliefs.kernel, small.beliefs.kernel)
    assert np.abs(np.array(network.corrections.kernel)).max() > 0


def test_a_second_stage_needs_delays(tmp_path, capsys):
    command = ['train', 'transcriber', '--recordings', 'a', '--validation', 'a']
    assert main([*command, '--out', str(tmp_path), '--second-stage']) == 1
    assert '--late-delays' in capsys.readouterr().err


def test_what_is_missing_is_named(tmp_path, capsys):
    command = ['train', 'transcriber', '--out', str(tmp_path / 'out')]
    with pytest.raises(SystemExit):
        main(command)
    assert '--recordings' in capsys.readouterr().err
    command += ['--recordings', str(tmp_path / 'nowhere'), '--validation', str(tmp_path)]
    assert main([*command, '--epochs', '1']) == 1
    assert 'there is no folder' in capsys.readouterr().err
