"""Train a small network by whichever backend KERAS_BACKEND names, and say how it judges music.

python backend_run.py MUSIC OUT [PROCESSES PROCESS HOST:PORT]
"""

from pathlib import Path
import sys

import numpy as np

from improv_ros.training import networks, train_event_lstm
from improv_ros.training.parallel import Together
from improv_ros.training.train_event_lstm import Options, train

OPTIONS = {
    'epochs': 3,
    'units': 24,
    'depth': 2,
    'streams': 4,
    'steps': 25,
    'rate': 0.01,
    'evaluate_every': 8,
}


def passage():
    """Return steps, int32 (1, 41, 3), of a melody in the vocabulary."""
    steps = np.zeros((1, 41, 3), np.int32)
    steps[0, 0] = 0, 178, 0
    for number in range(20):
        steps[0, 1 + 2 * number] = 10, 40 + number % 5, 16
        steps[0, 2 + 2 * number] = 8, 88 + 40 + number % 5, 0
    return steps


def judged(model):
    """Return the nats (40, 3) of the passage by the network in a file, on this backend."""
    from keras import ops

    network, _ = networks.load(model)
    start = network.start()
    state = type(start)(*map(ops.convert_to_tensor, start))
    nats, _ = network.nats(ops.convert_to_tensor(passage()), state)
    return ops.convert_to_numpy(nats)[0]


if __name__ == '__main__':
    music, out, *shared = sys.argv[1:]
    together = Together(int(shared[0]), int(shared[1]), shared[2]) if shared else Together()
    train_event_lstm.finish = lambda *_: Path(out) / 'improviser.keras'
    model = train(Options([music], out, **OPTIONS), False, together)
    if not shared:
        np.save(Path(out) / 'judged.npy', judged(model))
