import csv
from importlib.util import find_spec
import os
from pathlib import Path
import socket
import subprocess
import sys

from backend_run import judged
from midi_folder import folder_of_scales
import numpy as np
import pytest

from improv_ros.training.parallel import Together

RUN = [sys.executable, str(Path(__file__).with_name('backend_run.py'))]
ROOT = str(Path(__file__).parents[2])


@pytest.fixture(scope='module')
def music(tmp_path_factory):
    return folder_of_scales(tmp_path_factory.mktemp('music'), 8, 100)


def start(backend, *words):
    environment = {**os.environ, 'PYTHONPATH': ROOT, 'KERAS_BACKEND': backend}
    environment |= {'JAX_PLATFORMS': 'cpu', 'TF_CPP_MIN_LOG_LEVEL': '3'}
    return subprocess.Popen(
        [*RUN, *map(str, words)], env=environment, stderr=subprocess.PIPE, text=True
    )


def finished(*processes):
    for process in processes:
        _, complaint = process.communicate(timeout=600)
        assert process.returncode == 0, complaint[-2000:]


@pytest.fixture(scope='module')
def by_jax(music, tmp_path_factory):
    """Provide the folder of a run on JAX."""
    if not find_spec('jax'):
        pytest.skip('JAX is not installed')
    out = tmp_path_factory.mktemp('jax')
    finished(start('jax', music, out))
    return out


def curve(folder):
    with (folder / 'curve.csv').open() as file:
        return [
            (float(row['training']), float(row['nats_per_note'])) for row in csv.DictReader(file)
        ]


def test_what_jax_trained_is_the_same_to_tensorflow(by_jax):
    there = np.load(by_jax / 'judged.npy')
    here = judged(by_jax / 'improviser.keras')
    np.testing.assert_allclose(here, there, atol=1e-4)
    assert there[1::2, 1].mean() < 4  # it has learnt: knowing nothing is 4.5


def test_what_torch_trained_is_the_same_to_tensorflow(music, tmp_path):
    if not find_spec('torch'):
        pytest.skip('PyTorch is not installed')
    finished(start('torch', music, tmp_path))
    np.testing.assert_allclose(
        judged(tmp_path / 'improviser.keras'), np.load(tmp_path / 'judged.npy'), atol=1e-4
    )


def test_two_processes_train_as_one_does(by_jax, music, tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        meet = f'127.0.0.1:{free.getsockname()[1]}'
    finished(*(start('jax', music, tmp_path, 2, number, meet) for number in range(2)))
    np.testing.assert_allclose(curve(tmp_path), curve(by_jax), rtol=2e-3)
    assert len(curve(by_jax)) >= 3
    np.testing.assert_allclose(
        judged(tmp_path / 'improviser.keras'), judged(by_jax / 'improviser.keras'), atol=0.02
    )


@pytest.mark.parametrize(
    ('together', 'complaint'),
    [
        ({'processes': 2, 'process': 2, 'meet': 'x:1'}, 'counts from 0'),
        ({'processes': 2}, '--meet HOST:PORT'),
    ],
)
def test_mistakes_in_sharing_are_named(together, complaint):
    with pytest.raises(ValueError, match=complaint):
        Together(**together)


def test_sharing_needs_jax():
    with pytest.raises(ValueError, match='KERAS_BACKEND=jax'):
        Together(2, 0, 'localhost:1').check(streams=4, minutes=0)
