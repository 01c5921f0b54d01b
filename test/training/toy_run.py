"""A training run small enough to be killed often: a line is fitted to noisy points.

python toy_run.py FOLDER says each batch it learns from; the test kills it when it likes.
"""

from itertools import count
from pathlib import Path
import sys

import numpy as np

from improv_ros.training.checkpoint import Checkpoint
from improv_ros.training.loop import Course, Plan, learn_from

STEEPNESS = np.array([[2.0], [-1.0]], np.float32)
PLAN = Plan(batches=120, rate=0.2, warm_up=10, measure_every=20, save_every=0.0)


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

    def learn(batch):
        number, x, y = batch
        seen(number)
        return learn_from(model, x, y)

    def measure():
        x, y = points(10_000)
        return {'development': float(((np.asarray(model(x)) - y) ** 2).mean())}

    return Course(
        model,
        lambda start: ((number, *points(number)) for number in count(start)),
        learn,
        measure,
        'development',
        lambda: model.save(folder / 'best.keras'),
        Checkpoint(folder / 'checkpoint.npz', {'rate': plan.rate}),
        plan,
    )


def weights(course):
    return [np.asarray(value) for value in course.model.get_weights()]


def follow(folder, partners, index):
    """Train the toy beside another process, on points of its own."""
    course = toy(folder)
    batches = course.batches
    course.batches = lambda start: batches(start + 1000 * index)
    course.partners = partners
    course.follow(index)


def leave(folder, partners, index):
    """Meet the others once and never again."""
    course = toy(folder)
    partners.begin(course.learnt(), index)


if __name__ == '__main__':
    toy(Path(sys.argv[1]), seen=lambda number: print(number, flush=True)).run(False)
