# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Train a small network with the backend in KERAS_BACKEND and evaluate it on a melody.

python backend_run.py MUSIC OUT [PROCESSES]
"""

from pathlib import Path
import sys

import numpy as np

from improv_ros.training.improviser import network_files, train_improviser
from improv_ros.training.improviser.improviser_options import ImproviserOptions

OPTIONS = {
    'epochs': 3,
    'units': 24,
    'depth': 2,
    'streams': 4,
    'steps': 25,
    'learning_rate': 0.01,
    'evaluate_every': 8,
}


def melody():
    """Return steps, int32 (1, 41, 3), of a melody in the vocabulary."""
    steps = np.zeros((1, 41, 3), np.int32)
    steps[0, 0] = 0, 178, 0
    for number in range(20):
        steps[0, 1 + 2 * number] = 10, 40 + number % 5, 16
        steps[0, 2 + 2 * number] = 8, 88 + 40 + number % 5, 0
    return steps


def melody_nats(model):
    """Return the nats (40, 3) of the melody by the network in a file, on this backend."""
    from keras import ops

    network, _ = network_files.load(model)
    start = network.start()
    state = type(start)(*map(ops.convert_to_tensor, start))
    nats, _ = network.negative_log_likelihood(ops.convert_to_tensor(melody()), state)
    return ops.convert_to_numpy(nats)[0]


if __name__ == '__main__':
    music, out, processes = [*sys.argv[1:], '1'][:3]
    train_improviser.finish = lambda *_: Path(out) / 'improviser.keras'
    options = ImproviserOptions([music], out, processes=int(processes), **OPTIONS)
    model = train_improviser.train(options, progress_bar=False)
    np.save(Path(out) / 'nats.npy', melody_nats(model))
