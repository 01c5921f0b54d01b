"""A transcriber that is trained for a moment, from the shell's command on."""

import csv
from itertools import count
import json

import numpy as np
from test_recordings import record

from improv_ros.cli import main
from improv_ros.listening.runtime import load_network
from improv_ros.training.train_transcriber import Examination, ListeningOptions, train

SMALL = {'channels': 4, 'units': 6, 'groups': 2, 'streams': 2, 'hops': 10, 'measure_every': 20}


def recordings(folder, count=4):
    for number in range(count):
        record(folder, str(number), notes=[(0.1, 0.3, 60 + number, 100)])
    return folder


def losses(out):
    with (out / 'curve.csv').open() as file:
        return [float(row['development']) for row in csv.DictReader(file)]


def test_learns_goes_on_and_tells_of_itself(tmp_path):
    folder, out = str(recordings(tmp_path / 'train')), tmp_path / 'out'
    options = ListeningOptions([folder], folder, str(out), epochs=10, command='first', **SMALL)
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


def test_the_network_of_the_end_is_kept_though_its_loss_be_larger(tmp_path, monkeypatch):
    rising = count(1.0)  # no toy's loss rises when it is told to
    monkeypatch.setattr(Examination, 'measure', lambda _: {'development': next(rising)})
    folder, out = str(recordings(tmp_path / 'train')), tmp_path / 'out'
    options = ListeningOptions([folder], folder, str(out), epochs=4, **SMALL)
    network = load_network(train(options, progress_bar=False))
    with np.load(out / 'checkpoint.npz') as last:
        kept = [last[name] for name in last.files]
    assert len(losses(out)) > 1
    for variable in network.trainable_variables:
        value = np.array(variable)
        assert any(value.shape == each.shape and np.allclose(value, each) for each in kept)


def test_the_card_names_the_pianos_and_the_music(tmp_path):
    folder = recordings(tmp_path / 'set' / 'train')
    piano = {'name': 'grand', 'licence': 'CC0', 'source': 'a package', 'held_out': False}
    about = {
        'command': 'improv synthesize set',
        'pianos': [piano, {**piano, 'name': 'other', 'held_out': True}],
        'music': [{'folder': 'rolls', 'terms': 'MIT'}],
    }
    (tmp_path / 'set' / 'manifest.json').write_text(json.dumps(about))
    options = ListeningOptions(
        [str(folder)], str(folder), str(tmp_path / 'out'), epochs=1, **SMALL
    )
    card = train(options, progress_bar=False).with_suffix('.md').read_text()
    assert 'improv synthesize set' in card
    assert '- grand: CC0 (a package)\n\n- rolls: MIT' in card


def test_what_is_missing_is_named(tmp_path, capsys):
    command = ['train', '--model', 'transcriber', '--out', str(tmp_path / 'out')]
    assert main(command) == 1
    assert '--recordings' in capsys.readouterr().err
    command += ['--recordings', str(tmp_path / 'nowhere'), '--development', str(tmp_path)]
    assert main([*command, '--epochs', '1']) == 1
    assert 'there is no folder' in capsys.readouterr().err
