from midi_folder import write_midi
import pytest

from improv_ros.event_text import note_off, note_on
from improv_ros.training.dataset import load_dataset
from improv_ros.training.evaluation import Surprise, measure
from improv_ros.training.representations import AS_PLAYED, PERFORMANCE_RNN, SOUNDING

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
    ('representation', 'steps'), [(AS_PLAYED, 2), (SOUNDING, 2), (PERFORMANCE_RNN, 4)]
)
def test_a_network_is_measured_alike_however_it_is_cut(dataset, representation, steps):
    from improv_ros.training.networks import build
    from improv_ros.training.streams import Streams

    network = build(representation, units=8, depth=2)
    together = measure(Streams(network, 2), dataset, [0, 1], representation)
    apart = [measure(Streams(network, 1), dataset, [n], representation) for n in (0, 1)]
    assert together.notes == 32 + 24
    assert together.steps_per_note == pytest.approx(steps, abs=0.04)
    for factor in ('time', 'what', 'velocity'):
        parts = sum(getattr(found, factor) for found in apart)
        assert getattr(together, factor) == pytest.approx(parts, rel=1e-5)
        assert parts > 0
    assert together.seconds == pytest.approx(6.3 + 4.7)


def test_figures_are_per_note_per_second_and_per_step():
    found = Surprise(time=10, what=20, velocity=30, steps=12, notes=6, seconds=4)
    assert (found.per_step, found.per_note, found.per_second) == (5, 10, 15)
    assert found.report('x') == '| x | 10.000 | 1.667 | 3.333 | 5.000 | 15.000 | 5.000 | 2.000 |'
