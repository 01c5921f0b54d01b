# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A training run small enough to be killed often: a line is fitted to noisy points.

python toy_run.py FOLDER says each batch it learns from; the test kills it when it likes.
"""

from itertools import count
from pathlib import Path
import sys

import numpy as np

from improv_ros.training.engine.checkpoint import Checkpoint
from improv_ros.training.engine.trainer import Plan, Trainer, train_on_batch

STEEPNESS = np.array([[2.0], [-1.0]], np.float32)
PLAN = Plan(
    batches=120, learning_rate=0.2, warmup_batches=10, evaluate_every=20, checkpoint_minutes=0.0
)


def points(number):
    random = np.random.default_rng((7, number))
    x = random.normal(size=(16, 2)).astype(np.float32)
    return x, x @ STEEPNESS + random.normal(0, 0.01, (16, 1)).astype(np.float32)


def toy(folder, plan=PLAN, seen=lambda number: None, layers=1):
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((2,)), *(keras.layers.Dense(1) for _ in range(layers))])
    model.compile('adam', 'mse')
    model.optimizer.build(model.trainable_variables)

    def train_step(batch):
        number, x, y = batch
        seen(number)
        return train_on_batch(model, x, y)

    def evaluate():
        x, y = points(10_000)
        return {'validation': float(((np.asarray(model(x)) - y) ** 2).mean())}

    return Trainer(
        model,
        lambda start: ((number, *points(number)) for number in count(start)),
        train_step,
        evaluate,
        'validation',
        lambda: model.save(folder / 'best.keras'),
        Checkpoint(folder / 'checkpoint.npz', {'learning_rate': plan.learning_rate}),
        plan,
    )


def weights(trainer):
    return [np.asarray(value) for value in trainer.model.get_weights()]


def work(folder, local_sgd, index):
    """Train the toy beside another process, on points of its own."""
    trainer = toy(folder)
    batches = trainer.batches
    trainer.batches = lambda start: batches(start + 1000 * index)
    trainer.local_sgd = local_sgd
    trainer.run_worker(index)


def leave(folder, local_sgd, index):
    """Take part in the broadcast, then end."""
    trainer = toy(folder)
    local_sgd.broadcast(trainer.averaged_variables(), index)


if __name__ == '__main__':
    toy(Path(sys.argv[1]), seen=lambda number: print(number, flush=True)).run(False)
