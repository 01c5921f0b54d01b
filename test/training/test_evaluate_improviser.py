# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Continuations of real performances, and the evaluation of the improviser."""

import json
import shutil
import wave

from midi_folder import folder_of_scales
import numpy as np
import pytest

from improv_ros.cli import main
from improv_ros.event_text import is_note_on
from improv_ros.improvising import load_model
from improv_ros.improvising.network.improviser_runtime import DEFAULT_MODEL
from improv_ros.improvising.network.vocabulary import KeyboardState
from improv_ros.training.improviser.continuation import continue_from, opening_of
from improv_ros.training.improviser.dataset import load_dataset
from improv_ros.training.improviser.likelihood import evaluate_runtime
from improv_ros.training.improviser.representations import AS_PLAYED
from improv_ros.training.improviser.speed import measure_speed


@pytest.fixture(scope='module')
def music(tmp_path_factory):
    return folder_of_scales(tmp_path_factory.mktemp('music'), 4, 650)


@pytest.fixture(scope='module')
def dataset(music):
    return load_dataset([music], music / 'cache', progress=False)


@pytest.fixture(scope='module')
def by_event(tmp_path_factory):
    """Provide the file of an untrained network whose LSTM takes a step per event."""
    from improv_ros.training.improviser.improviser_files import export
    from improv_ros.training.improviser.network_files import build

    path = tmp_path_factory.mktemp('by_event') / 'improviser.tflite'
    export(build(AS_PLAYED, units=128, depth=2), path)
    return path


@pytest.fixture(params=['shipped', 'by_event'])
def model(request):
    return DEFAULT_MODEL if request.param == 'shipped' else request.getfixturevalue(request.param)


def test_the_half_that_chose_no_network_is_evaluated_alone(music, dataset, capsys):
    (music / 'index.csv').write_text('file,composer\n' + composers(music))
    words = ['evaluate', 'improviser', str(music), '--quiet', '--reported-half']
    try:
        assert main(words) == 0
        shown = capsys.readouterr().out
        assert main([*words, '--composer', 'Bach']) == 1
        assert "by 'Bach' is in the half" in capsys.readouterr().err
    finally:
        (music / 'index.csv').unlink()
    assert 'Evaluated on 1 of these performances, 650 notes.' in shown
    assert 'steps per note | LSTM steps per note' in shown and '| 2.003 | 1.000 |' in shown


def composers(music) -> str:
    """Return the rows of an index in which Cage has one performance and Bach has the others."""
    names = sorted(path.name for path in music.glob('*.mid'))
    return ''.join(f'{name},{"Bach" if i else "Cage"}\n' for i, name in enumerate(names))


def test_goes_on_after_an_opening_and_ends_with_all_keys_up(dataset, model):
    opening = opening_of(dataset.performance(0), seconds=5)
    assert 4_000_000_000 < opening[-1].time < 5_000_000_000
    played = continue_from(load_model(model), opening, seconds=8, seed=2)
    assert played == continue_from(load_model(model), opening, seconds=8, seed=2)
    assert played[0].time >= opening[-1].time
    assert sum(is_note_on(event) for event in played) > 8
    keyboard = KeyboardState()
    for event in [*opening, *played]:
        keyboard.apply(event)
    assert not keyboard.down and not keyboard.pedal


def test_what_begins_loud_does_not_fade_away(dataset):
    loud = [
        event._replace(values=(event.values[0], 90, 0)) if is_note_on(event) else event
        for event in opening_of(dataset.performance(0), seconds=5)
    ]
    played = continue_from(load_model(), loud, seconds=60)
    late = [e.values[1] for e in played if is_note_on(e) and e.time > played[-1].time - 2e10]
    assert len(late) > 20 and 70 < np.mean(late) < 110


@pytest.mark.nightly
def test_a_file_of_8_bits_is_a_quarter_and_knows_almost_as_much(tmp_path, dataset, model, capsys):
    out = tmp_path / 'small.tflite'
    source = str(model.with_suffix('.keras'))
    assert main(['export', source, '--int8', '--out', str(out)]) == 0
    assert f'{out.stat().st_size / 1e6:.1f} MB' in capsys.readouterr().out
    about = json.loads(model.with_suffix('.json').read_text())
    assert out.stat().st_size < 1.3 * about['parameters']  # of 4 bytes in full
    from improv_ros.improvising.network.improviser_runtime import load_runtime

    full, small = (
        evaluate_runtime(load_runtime(path, runtime), dataset, [0])
        for path, runtime in ((model, 'tensorflow'), (out, 'litert'))
    )
    assert small.per_note == pytest.approx(full.per_note, rel=0.02)


def test_a_runtime_is_measured_as_the_network_is(dataset, model):
    from improv_ros.improvising.network.improviser_runtime import load_network, load_runtime
    from improv_ros.training.improviser.likelihood import evaluate
    from improv_ros.training.improviser.performance_streams import Streams

    network = Streams(load_network(model.with_suffix('.keras')), 1)
    one = evaluate(network, dataset, [1])
    other = evaluate_runtime(load_runtime(model, 'litert'), dataset, [1])
    assert other.notes == one.notes == 650
    apart = 0.02 if model == DEFAULT_MODEL else 0.001  # what is shipped for LiteRT is in 8 bits
    for factor in ('time', 'event_type', 'velocity'):
        assert getattr(other, factor) == pytest.approx(getattr(one, factor), rel=apart)


def test_writes_what_it_plays_as_sound(music, tmp_path, capsys):
    words = ['continue', str(music), '--out', str(tmp_path), '--openings', '2']
    assert main([*words, '--opening', '3', '--seconds', '3']) == 0
    files = sorted(tmp_path.glob('*.wav'))
    assert [path.name[:2] for path in files] == ['1-', '2-']
    assert len(list(tmp_path.glob('*.mid'))) == 2
    assert 'then the improviser' in capsys.readouterr().out
    with wave.open(str(files[0])) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        assert 5 < sound.getnframes() / sound.getframerate() < 12
    assert np.abs(samples).max() > 3000


def test_speed_is_measured_in_a_process_of_its_own(model):
    speed = measure_speed('litert', str(model), notes=60)
    assert 0 < speed.observing[0] <= speed.observing[1]
    assert 0 < speed.generating[0] <= speed.generating[1]
    assert speed.load > 0 and speed.answering > 0 and 20 < speed.memory < 1000


def test_the_page_has_every_table(music, tmp_path, capsys):
    words = ['evaluate', 'improviser', str(music), '--notes', '1300', '--quiet']
    words += ['--ngrams', str(music)]
    assert main([*words, '--generate', '2', '--write', str(tmp_path / 'page.md')]) == 0
    shown = capsys.readouterr().out
    page = (tmp_path / 'page.md').read_text()
    for row in (
        '| unigram |',
        '| bigram |',
        '| 5-gram |',
        '| improviser (',
        '| improviser by LiteRT (4.4 MB) |',
        '| velocity |',
        '| generated |',
        '| real |',
    ):
        assert row in page and row in shown
    assert (tmp_path / 'page.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.nightly
def test_learning_curves_are_drawn_from_what_lies_beside_a_model(music, tmp_path, by_event):
    shutil.copytree(by_event.parent, tmp_path / 'run')
    pages = []
    for fall in (1, 2):
        rows = [f'{minute},{20 - fall * minute}' for minute in range(5)]
        curve = '\n'.join(['minutes,nats_per_note', *rows]) + '\n'
        (tmp_path / 'run' / 'curve.csv').write_text(curve)
        words = ['evaluate', 'improviser', str(music), '--notes', '60', '--quiet', '--model']
        words += [str(tmp_path / 'run' / 'improviser.keras'), '--write', str(tmp_path / 'page.md')]
        assert main(words) == 0
        assert '(page.png)' in (tmp_path / 'page.md').read_text()
        pages.append((tmp_path / 'page.png').read_bytes())
    assert pages[0] != pages[1]


@pytest.mark.nightly
def test_weights_of_16_bits_are_the_same_in_both_files(tmp_path, dataset, by_event):
    from improv_ros.improvising.network.improviser_runtime import load_runtime

    out = tmp_path / 'half.tflite'
    source = str(by_event.with_suffix('.keras'))
    assert main(['export', source, '--float16', '--out', str(out)]) == 0
    assert out.stat().st_size < 0.6 * by_event.stat().st_size
    full, half, rounded = (
        evaluate_runtime(load_runtime(path, runtime), dataset, [0]).per_note
        for path, runtime in ((by_event, 'litert'), (out, 'litert'), (out, 'tensorflow'))
    )
    assert half == pytest.approx(rounded, rel=1e-5)
    assert half == pytest.approx(full, rel=1e-3)
