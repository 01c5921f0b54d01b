# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Mixed precision processes a window like the network itself, and has the same gradients.

Run as a program, this file compares them on Keras's PyTorch backend.
"""

from importlib.util import find_spec
import json
import os
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory

import numpy as np
import pytest

ROOT = str(Path(__file__).parents[2])
HOPS = 24
LOGITS = ('logits', 'second window')


@pytest.fixture(scope='module')
def errors():
    """How far mixed precision is from float32, relative to the largest value, by name."""
    if not find_spec('torch'):
        pytest.skip('torch is not installed')
    environment = {**os.environ, 'PYTHONPATH': ROOT, 'KERAS_BACKEND': 'torch'}
    words = [sys.executable, __file__]
    process = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stderr[-2000:]
    return json.loads(process.stdout)


@pytest.mark.nightly
def test_the_logits_are_those_of_float32(errors):
    assert 0 < errors['logits'] < 0.02


@pytest.mark.nightly
def test_a_window_goes_on_where_the_last_one_ended(errors):
    assert errors['second window'] < 0.02


@pytest.mark.nightly
def test_a_run_can_start_from_another_network(errors):
    assert errors['start from'] == 0


@pytest.mark.nightly
def test_the_gradients_are_right(errors):
    """They are compared with products in float32: rounded ones differ by much more."""
    gradients = {name: error for name, error in errors.items() if name.startswith('gradient')}
    assert len(gradients) == 38
    assert max(gradients.values()) < 1e-3, max(gradients, key=gradients.get)


def compare(folder):
    """Return the errors of mixed precision on random spectra; a network is saved in `folder`."""
    import keras
    import torch

    from improv_ros.listening.transcription.transcription_network import (
        State,
        TranscriptionNetwork,
    )
    from improv_ros.training.transcriber import bfloat16_network, transcriber_files
    from improv_ros.training.transcriber.widening import start_from

    keras.utils.set_random_seed(1)
    network = TranscriptionNetwork(16, 24, late_delays=(15, 20))
    network.build()
    random = np.random.default_rng(1)
    for variable in network.trainable_variables:  # none begins at 0
        variable.assign(variable + random.normal(0, 0.05, variable.shape))
    spectra = torch.tensor(random.uniform(-1, 0, (2, 2 * HOPS, 294, 4)), dtype=torch.float32)
    weights = torch.tensor(random.normal(size=(2, HOPS, 88, 6, 4)), dtype=torch.float32)

    def results(read):
        state = State(*map(torch.tensor, network.start(2)))
        logits, state = read(network, spectra[:, :HOPS], state)
        after, _ = read(network, spectra[:, HOPS:], State(*(each.detach() for each in state)))
        variables = network.trainable_variables
        gradients = torch.autograd.grad(
            (logits * weights).sum(), [each.value for each in variables]
        )
        named = {
            f'gradient of {number}: {variable.path}': gradient
            for number, (variable, gradient) in enumerate(zip(variables, gradients, strict=True))
        }
        return {**dict(zip(LOGITS, (logits.detach(), after.detach()), strict=True)), **named}

    exact, mixed = results(TranscriptionNetwork.read), results(bfloat16_network.read)
    bfloat16_network._HALF = torch.float32
    copy = TranscriptionNetwork(16, 24, late_delays=(15, 20))
    copy.build()
    path = folder / 'transcriber.keras'
    transcriber_files.save(network, path, 4)
    start_from(copy, path)
    pairs = zip(copy.trainable_variables, network.trainable_variables, strict=True)
    copied = max(float((ours.value - theirs.value).abs().max()) for ours, theirs in pairs)
    mixed = {**results(bfloat16_network.read), **{name: mixed[name] for name in LOGITS}}
    return {'start from': copied} | {
        name: float((mixed[name] - value).abs().max() / value.abs().max())
        for name, value in exact.items()
    }


if __name__ == '__main__':
    with TemporaryDirectory() as folder:
        print(json.dumps(compare(Path(folder))))
