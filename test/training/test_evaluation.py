from midi_folder import write_midi
import numpy as np
import pytest

from improv_ros.event_text import note_off, note_on
from improv_ros.training.dataset import load_dataset
from improv_ros.training.evaluation import Surprise, measure, unigram

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


def test_the_unigram_is_the_entropy_of_what_occurs(dataset):
    found = unigram(dataset, [0])
    assert (found.events, found.notes) == (64, 32)
    assert found.what == pytest.approx(64 * np.log(8))  # four keys down, four keys up
    assert found.velocity == 0
    first, rest = 1, 63
    assert found.time == pytest.approx(-np.log(first / 64) - rest * np.log(rest / 64))


def test_a_network_is_measured_alike_however_it_is_cut(dataset):
    from improv_ros.improvising.network import EventNetwork
    from improv_ros.training.streams import Streams

    network = EventNetwork(units=8)
    network.build()
    together = measure(Streams(network, 2), dataset, [0, 1])
    apart = [measure(Streams(network, 1), dataset, [number]) for number in (0, 1)]
    assert together.events == 64 + 48 and together.notes == 32 + 24
    assert together.total == pytest.approx(sum(found.total for found in apart), rel=1e-5)


def test_figures_are_per_note_and_per_event():
    found = Surprise(time=10, what=20, velocity=30, events=12, notes=6)
    assert (found.per_event, found.per_note) == (5, 10)
    assert found.report('x') == '| x | 10.000 | 1.667 | 3.333 | 5.000 | 5.000 |'
