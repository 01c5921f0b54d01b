# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The transcription network: it returns the same for a window as hop by hop."""

import numpy as np
import pytest

keras = pytest.importorskip('keras')

from keras import ops  # noqa: E402

from improv_ros.listening.transcription.estimator import OUTPUTS  # noqa: E402
from improv_ros.listening.transcription.spectra import BANDS, WINDOWS  # noqa: E402
from improv_ros.listening.transcription.transcription_network import (  # noqa: E402
    State,
    TranscriptionNetwork,
)
from improv_ros.listening.transcription.transcription_runtime import (  # noqa: E402
    DEFAULT_MODEL,
    load_network,
)

HOPS = 30


@pytest.fixture(scope='module', params=[(), (4, 20)], ids=['one stage', 'two stages'])
def network(request: pytest.FixtureRequest) -> TranscriptionNetwork:
    keras.utils.set_random_seed(1)
    network = TranscriptionNetwork(channels=4, units=6, delays=(1, 2), late_delays=request.param)
    network.build()
    if network.late_delays:
        corrections = network.corrections.kernel
        corrections.assign(np.random.default_rng(2).normal(0, 1, corrections.shape))
    return network


@pytest.fixture(scope='module')
def spectra() -> np.ndarray:
    shape = (2, HOPS, BANDS, len(WINDOWS))
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def begin(network, batch=2) -> State:
    return State(*(ops.convert_to_tensor(value) for value in network.start(batch)))


def test_a_window_and_its_hops_one_by_one_give_the_same_outputs(network, spectra):
    at_once, _ = network.read(spectra, begin(network))
    state, by_hop = begin(network), []
    for hop in range(HOPS):
        logits, state = network.advance(spectra[:, hop], state)
        by_hop.append(ops.convert_to_numpy(logits))
    assert at_once.shape == (2, HOPS, 88, len(network.delays), len(OUTPUTS))
    np.testing.assert_allclose(np.stack(by_hop, axis=1), at_once, atol=1e-4)


def test_the_network_can_be_called_and_summarised(network, spectra, capsys):
    logits, _ = network.read(spectra, begin(network))
    np.testing.assert_allclose(network(spectra), logits, atol=1e-5)
    network.summary()
    assert f'Total params: {network.count_params():,}' in capsys.readouterr().out


def test_the_weights_of_the_shipped_file_are_read():
    network = load_network(DEFAULT_MODEL.with_suffix('.keras'))
    assert not np.allclose(ops.convert_to_numpy(network.output_bias), -2)


def test_the_state_carries_everything_from_window_to_window(network, spectra):
    at_once, _ = network.read(spectra, begin(network))
    first, state = network.read(spectra[:, :5], begin(network))
    second, _ = network.read(spectra[:, 5:], state)
    in_two = np.concatenate((ops.convert_to_numpy(first), ops.convert_to_numpy(second)), axis=1)
    np.testing.assert_allclose(in_two, at_once, atol=1e-4)


def test_outputs_do_not_depend_on_later_input(network, spectra):
    changed = spectra.copy()
    changed[:, 7:] += 0.5
    before, _ = network.read(spectra, begin(network))
    after, _ = network.read(changed, begin(network))
    np.testing.assert_allclose(before[:, :7], after[:, :7], atol=1e-5)
    assert np.abs(ops.convert_to_numpy(before - after)[:, 7:]).max() > 1e-3


def test_an_untrained_network_outputs_no_notes(network):
    silence = np.full((1, 4, BANDS, len(WINDOWS)), -1, np.float32)
    logits, _ = network.read(silence, begin(network, 1))
    assert ops.convert_to_numpy(ops.sigmoid(logits)).mean() < 0.3


def test_an_untrained_second_stage_repeats_the_first(spectra):
    network = TranscriptionNetwork(channels=4, units=6, delays=(1, 2), late_delays=(5,))
    network.build()
    logits, _ = network.read(spectra, begin(network))
    logits = ops.convert_to_numpy(logits)
    np.testing.assert_allclose(logits[:, 3:, :, 2], logits[:, :-3, :, 1], atol=1e-6)


def test_only_the_second_stage_learns_where_the_first_is_frozen():
    network = TranscriptionNetwork(channels=4, units=6, delays=(1, 2), late_delays=(5,))
    network.build()
    before = len(network.trainable_variables)
    network.freeze_first_stage()
    names = {variable.name for variable in network.trainable_variables}
    assert 0 < len(network.trainable_variables) < before
    assert 'late_output_bias' in names and 'output_bias' not in names
