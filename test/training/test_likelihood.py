# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from midi_folder import write_midi
import pytest

from improv_ros.event_text import note_off, note_on
from improv_ros.improvising.network.improviser_runtime import load_network
from improv_ros.inference.model_error import ModelError
from improv_ros.training.improviser import likelihood
from improv_ros.training.improviser.dataset import load_dataset
from improv_ros.training.improviser.likelihood import NegativeLogLikelihood, evaluate
from improv_ros.training.improviser.representations import AS_PLAYED, PERFORMANCE_RNN, SOUNDING

MS = 1_000_000


@pytest.fixture
def dataset(tmp_path):
    events = []
    for number in range(32):
        events += [note_on(number * 200 * MS, 60 + number % 4, 64)]
        events += [note_off((number * 200 + 100) * MS, 60 + number % 4)]
    write_midi(tmp_path / 'in' / 'a.mid', events)
    write_midi(tmp_path / 'in' / 'b.mid', events[:48])
    return load_dataset([tmp_path / 'in'], tmp_path / 'cache', progress=False)


@pytest.mark.parametrize(
    ('representation', 'recurrence', 'steps'),
    [
        (AS_PLAYED, 'per_event', 2),
        (SOUNDING, 'per_event', 2),
        (PERFORMANCE_RNN, 'per_event', 4),
        (AS_PLAYED, 'per_note', 1),
    ],
)
def test_a_network_is_measured_alike_however_it_is_cut(
    dataset, representation, recurrence, steps, monkeypatch
):
    from improv_ros.training.improviser.network_files import build
    from improv_ros.training.improviser.performance_streams import Streams

    network = build(representation, units=8, depth=2, recurrence=recurrence)
    together = evaluate(Streams(network, 2), dataset, [0, 1], representation)
    monkeypatch.setattr(likelihood, 'STEPS', 7)
    apart = [evaluate(Streams(network, 1), dataset, [n], representation) for n in (0, 1)]
    assert together.notes == 32 + 24
    assert together.recurrent_steps_per_note == pytest.approx(steps, abs=0.04)
    for factor in ('time', 'event_type', 'velocity'):
        parts = sum(getattr(found, factor) for found in apart)
        assert getattr(together, factor) == pytest.approx(parts, rel=1e-5)
        assert parts > 0
    assert together.seconds == pytest.approx(6.3 + 4.7)


def test_figures_are_per_note_per_second_and_per_step():
    found = NegativeLogLikelihood(
        time=10, event_type=20, velocity=30, steps=12, notes=6, seconds=4
    )
    assert (found.per_step, found.per_note, found.per_second) == (5, 10, 15)
    assert found.row('x') == (
        '| x | 10.000 | 1.667 | 3.333 | 5.000 | 15.000 | 5.000 | 2.000 | 2.000 |'
    )


@pytest.mark.parametrize(
    ('representation', 'recurrence'),
    [
        (AS_PLAYED, 'per_event'),
        pytest.param(SOUNDING, 'per_event', marks=pytest.mark.nightly),
        (PERFORMANCE_RNN, 'per_event'),
        (AS_PLAYED, 'per_note'),
        pytest.param(SOUNDING, 'per_note', marks=pytest.mark.nightly),
    ],
)
def test_a_network_is_read_back_with_its_representation(
    tmp_path, dataset, representation, recurrence
):
    from improv_ros.training.improviser.improviser_files import save
    from improv_ros.training.improviser.network_files import build, load
    from improv_ros.training.improviser.performance_streams import Streams

    network = build(representation, units=8, depth=2, dropout=0.3, recurrence=recurrence)
    path = tmp_path / 'a.keras'
    save(network, path, representation.name)
    again, spoken = load(path)
    assert spoken is representation and again.recurrence == recurrence
    one, other = (evaluate(Streams(n, 2), dataset, [0, 1], spoken) for n in (network, again))
    assert one.total == pytest.approx(other.total, rel=1e-6)
    if representation is not AS_PLAYED:
        with pytest.raises(ModelError, match=spoken.name):
            load_network(path)


def test_what_is_no_network_is_named(tmp_path):
    from improv_ros.training.improviser.improviser_files import save
    from improv_ros.training.improviser.network_files import build, load, start_from

    with pytest.raises(ModelError, match=r'no model file .*absent\.keras'):
        load(tmp_path / 'absent.keras')
    path = tmp_path / 'a.keras'
    save(build(PERFORMANCE_RNN, units=8, depth=1), path, PERFORMANCE_RNN.name)
    with pytest.raises(
        ModelError, match=r'1 layers of 8 units, per_event.*give the --units, --depth'
    ):
        start_from(build(PERFORMANCE_RNN, units=9, depth=1), PERFORMANCE_RNN, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelError, match='damaged'):
        load(path)
    path.with_suffix('.json').write_text('{"vocabulary": "klavier-9", "units": 8, "depth": 1}')
    with pytest.raises(ModelError, match='klavier-9'):
        load(path)
