# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Every backend of Keras, and several processes, train the improviser's network."""

import csv
from importlib.util import find_spec
import os
from pathlib import Path
import subprocess
import sys

from backend_run import melody_nats
from midi_folder import folder_of_scales
import numpy as np
import pytest

RUN = [sys.executable, str(Path(__file__).with_name('backend_run.py'))]
ROOT = str(Path(__file__).parents[2])


@pytest.fixture(scope='module')
def music(tmp_path_factory):
    return folder_of_scales(tmp_path_factory.mktemp('music'), 8, 100)


def run(backend, *words):
    environment = {**os.environ, 'PYTHONPATH': ROOT, 'KERAS_BACKEND': backend}
    environment |= {'JAX_PLATFORMS': 'cpu', 'TF_CPP_MIN_LOG_LEVEL': '3'}
    command = [*RUN, *map(str, words)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stderr[-2000:]


def curve(folder):
    with (folder / 'curve.csv').open() as file:
        return [float(row['nats_per_note']) for row in csv.DictReader(file)]


@pytest.mark.nightly
@pytest.mark.parametrize('backend', ['jax', 'torch'])
def test_tensorflow_reads_what_another_backend_trained(backend, music, tmp_path):
    if not find_spec(backend):
        pytest.skip(f'{backend} is not installed')
    run(backend, music, tmp_path)
    there = np.load(tmp_path / 'nats.npy')
    np.testing.assert_allclose(melody_nats(tmp_path / 'improviser.keras'), there, atol=1e-4)
    assert there[1::2, 1].mean() < 4  # an untrained network: 4.5


@pytest.mark.nightly
def test_two_processes_train_one_network(music, tmp_path):
    run('tensorflow', music, tmp_path, 2)
    nats = curve(tmp_path)
    assert nats[-1] < 0.9 * nats[0]
    here = melody_nats(tmp_path / 'improviser.keras')
    np.testing.assert_allclose(here, np.load(tmp_path / 'nats.npy'), atol=1e-4)
