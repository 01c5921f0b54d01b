"""The transcription network: the same whether it reads a window or goes hop by hop."""

import numpy as np
import pytest

keras = pytest.importorskip('keras')

from keras import ops  # noqa: E402

from improv_ros.listening.front_end import BANDS, WINDOWS  # noqa: E402
from improv_ros.listening.network import (  # noqa: E402
    BELIEFS,
    State,
    TranscriptionNetwork,
)

HOPS = 12


@pytest.fixture(scope='module')
def network() -> TranscriptionNetwork:
    keras.utils.set_random_seed(1)
    network = TranscriptionNetwork(channels=4, units=6, delays=(1, 2))
    network.build()
    return network


@pytest.fixture(scope='module')
def spectra() -> np.ndarray:
    shape = (2, HOPS, BANDS, len(WINDOWS))
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def begin(network, batch=2) -> State:
    return State(*(ops.convert_to_tensor(value) for value in network.start(batch)))


def test_a_window_and_its_hops_one_by_one_give_the_same_beliefs(network, spectra):
    at_once, _ = network.read(spectra, begin(network))
    state, by_hop = begin(network), []
    for hop in range(HOPS):
        beliefs, state = network.advance(spectra[:, hop], state)
        by_hop.append(ops.convert_to_numpy(beliefs))
    assert at_once.shape == (2, HOPS, 88, 2, len(BELIEFS))
    np.testing.assert_allclose(np.stack(by_hop, axis=1), at_once, atol=1e-4)


def test_the_state_carries_everything_from_window_to_window(network, spectra):
    at_once, _ = network.read(spectra, begin(network))
    first, state = network.read(spectra[:, :5], begin(network))
    second, _ = network.read(spectra[:, 5:], state)
    in_two = np.concatenate((ops.convert_to_numpy(first), ops.convert_to_numpy(second)), axis=1)
    np.testing.assert_allclose(in_two, at_once, atol=1e-4)


def test_what_is_believed_does_not_depend_on_what_comes_later(network, spectra):
    changed = spectra.copy()
    changed[:, 7:] += 0.5
    before, _ = network.read(spectra, begin(network))
    after, _ = network.read(changed, begin(network))
    np.testing.assert_allclose(before[:, :7], after[:, :7], atol=1e-5)
    assert np.abs(ops.convert_to_numpy(before - after)[:, 7:]).max() > 1e-3


def test_at_first_a_network_believes_in_no_note(network):
    silence = np.full((1, 4, BANDS, len(WINDOWS)), -1, np.float32)
    beliefs, _ = network.read(silence, begin(network, 1))
    assert ops.convert_to_numpy(ops.sigmoid(beliefs)).mean() < 0.3
