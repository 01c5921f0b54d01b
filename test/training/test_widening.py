# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A larger network that begins with the outputs of a smaller one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from improv_ros.listening.transcription.spectra import BANDS, WINDOWS
from improv_ros.listening.transcription.transcription_network import TranscriptionNetwork
from improv_ros.training.transcriber.transcriber_files import save
from improv_ros.training.transcriber.widening import start_from
from listening.transcriber_models import DELAYS, LATE_DELAYS, lively_network

CHANNELS, UNITS = 4, 6


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TranscriptionNetwork, Path]:
    network = lively_network(CHANNELS, UNITS)
    path = tmp_path_factory.mktemp('trained') / 'transcriber.keras'
    save(network, path, 5)
    return network, path


def built(channels: int, units: int, delays=DELAYS) -> TranscriptionNetwork:
    network = TranscriptionNetwork(channels, units, delays, LATE_DELAYS)
    network.build()
    return network


@pytest.mark.parametrize('units', [UNITS, 11])
def test_it_outputs_the_same(trained, units: int) -> None:
    shape = (1, 30, BANDS, len(WINDOWS))
    spectra = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
    smaller, path = trained
    larger = built(CHANNELS, units)
    start_from(larger, path)
    before, _ = smaller.read(spectra, smaller.start())
    after, _ = larger.read(spectra, larger.start())
    assert np.asarray(before).std() > 0.1  # there is something to be the same
    np.testing.assert_allclose(after, before, atol=1e-3)


def test_what_does_not_contain_it_is_refused(trained) -> None:
    _, path = trained
    with pytest.raises(ValueError, match='6 units, more than 5'):
        start_from(built(CHANNELS, 5), path)
    with pytest.raises(ValueError, match='other channels or other delays'):
        start_from(built(CHANNELS + 1, UNITS), path)
    with pytest.raises(ValueError, match='other channels or other delays'):
        start_from(built(CHANNELS, UNITS, (3, 5)), path)
