"""Training the improviser: stateful truncated back-propagation over whole performances."""

from collections.abc import Iterator
import csv
from dataclasses import asdict, dataclass, field
import json
import math
import os
from pathlib import Path
import time
from typing import Any

import numpy as np

from improv_ros.improvising.runtime import load_network

from .dataset import Dataset, load_dataset
from .evaluation import Surprise, measure, unigram
from .model_card import write_card
from .windows import Windows


@dataclass
class Options:
    """What a training run is made of; the defaults are those of the shipped network."""

    data: list[str]
    out: str
    minutes: float = 0.0  # 0: no limit on time
    epochs: float = 0.0  # 0: no limit on epochs
    seed: int = 1
    units: int = 384
    depth: int = 1
    streams: int = 64
    steps: int = 128
    rate: float = 3e-3
    evaluate_every: int = 300  # batches
    patience: int = 12  # evaluations without a better one
    threads: int = 0  # 0: as many as the machine has
    measure: list[str] = field(default_factory=list)  # further folders for the model card
    terms: str = 'not stated'  # of the data, for the model card
    command: str = ''  # that started this run, for the model card

    def __post_init__(self) -> None:
        if not (self.minutes > 0 or self.epochs > 0):
            raise ValueError('say how long to train: --minutes or --epochs')


@dataclass
class Progress:
    """How far a run has come; kept in its checkpoint."""

    batch: int = 0
    seconds: float = 0.0
    best: float = math.inf
    worse: int = 0  # evaluations since the best
    curve: list[dict[str, float]] = field(default_factory=list)


def train(options: Options, progress_bar: bool = True) -> Path:
    """Train a network and return the path of the best one, `improviser.keras` in `out`.

    A run whose folder holds a checkpoint goes on from it. Raises DatasetError for data that
    cannot be used, and ValueError if the checkpoint is of a run with other options.
    """
    import keras

    from improv_ros.improvising.network import EventNetwork

    from .export import save
    from .streams import Streams, surprise

    _limit_threads(options.threads)
    keras.utils.set_random_seed(options.seed)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    dataset = load_dataset(options.data, out / 'cache', progress_bar)
    (out / 'dataset.txt').write_text(dataset.report() + '\n', encoding='utf-8')
    learning, development = split(dataset)
    windows = Windows(dataset, learning, options.streams, options.steps, options.seed)
    batches_in_all = max(1, round(options.epochs * len(windows))) if options.epochs else math.inf

    network = EventNetwork(options.units, options.depth)
    network.build()
    model = Streams(network, options.streams)
    listener = Streams(network, min(options.streams, len(development)))
    optimizer = keras.optimizers.Adam(options.rate, global_clipnorm=1.0)
    model.compile(optimizer=optimizer, loss=surprise)
    optimizer.build(model.trainable_variables)
    checkpoint = Checkpoint(out / 'checkpoint.npz', options, dataset.checksum)
    progress = checkpoint.load(model)

    def done() -> float:
        """Return how much of the run is over, 0 to 1."""
        in_time = progress.seconds / (60 * options.minutes) if options.minutes else 0.0
        return max(in_time, progress.batch / batches_in_all)

    batches = windows.batches(progress.batch)
    bar = _bar(progress_bar)
    recent: list[float] = []
    while done() < 1 and progress.worse < options.patience:
        began = time.monotonic()
        optimizer.learning_rate = options.rate * learning_rate(done(), progress.batch)
        batch = next(batches)
        loss = model.train_on_batch((batch.events, batch.fresh), batch.real[..., None])
        model.reset_metrics()
        recent.append(float(np.asarray(loss).ravel()[0]) * batch.real.size / batch.real.sum())
        progress.batch += 1
        progress.seconds += time.monotonic() - began
        if progress.batch % options.evaluate_every == 0 or done() >= 1:
            began = time.monotonic()
            found = measure(listener, dataset, development)
            _note(progress, found, recent, len(windows))
            recent.clear()
            if progress.worse == 0:
                save(network, out / 'improviser.keras')
            progress.seconds += time.monotonic() - began
            checkpoint.save(model, progress)
            write_curve(progress.curve, out)
        bar.n = round(1000 * min(done(), 1))
        bar.set_postfix(nats=f'{np.mean(recent[-50:] or [math.nan]):.3f}', best=progress.best)
    bar.close()
    return finish(options, dataset, progress, progress_bar)


def finish(options: Options, dataset: Dataset, progress: Progress, progress_bar: bool) -> Path:
    """Export and measure the best network of a run, write its card, return its path."""
    from .export import export
    from .streams import Streams

    best = Path(options.out) / 'improviser.keras'
    network = load_network(best)
    export(network, best)
    model = Streams(network, 32)
    learning, development = split(dataset)
    tables = [('performances held out', dataset, development)]
    for folder in options.measure:
        other = load_dataset([folder], best.parent / 'cache', progress_bar)
        tables.append((folder, other, list(range(len(other)))))
    figures = [
        (name, measure(model, data, numbers), unigram(data, numbers))
        for name, data, numbers in tables
    ]
    write_card(best, network, options, dataset, len(learning), progress, figures)
    return best


def split(dataset: Dataset) -> tuple[list[int], list[int]]:
    """Return the numbers to learn from and to develop on; a tiny set serves for both."""
    learning, development = dataset.split()
    if learning and development:
        return learning, development
    everything = list(range(len(dataset)))
    return everything, everything


def learning_rate(done: float, batch: int, warm_up: int = 50) -> float:
    """Return the factor on the learning rate: a short rise, then half a cosine to nothing."""
    return min(1.0, (batch + 1) / warm_up) * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)


_FREE = (
    'out',
    'data',
    'minutes',
    'epochs',
    'threads',
    'patience',
    'measure',
    'terms',
    'command',
)
"""Options that may change when a run goes on."""


class Checkpoint:
    """Everything a run needs to go on: weights, the optimiser's, streams' states, progress."""

    def __init__(self, path: Path, options: Options, checksum: str) -> None:
        fixed = asdict(options)
        for free in _FREE:
            del fixed[free]
        self.path = path
        self.identity = json.dumps({**fixed, 'checksum': checksum}, sort_keys=True)

    def save(self, model: Any, progress: Progress) -> None:
        """Write the checkpoint; a kill at any moment leaves the old one or the new one."""
        arrays: dict[str, Any] = {
            f'v{i}': np.asarray(value) for i, value in enumerate(_variables(model))
        }
        unfinished = self.path.with_name('checkpoint.part.npz')
        np.savez(
            unfinished,
            identity=np.array(self.identity),
            progress=np.array(json.dumps(asdict(progress))),
            **arrays,
        )
        os.replace(unfinished, self.path)

    def load(self, model: Any) -> Progress:
        """Put a kept checkpoint into the model and return its progress, or a new one."""
        if not self.path.is_file():
            return Progress()
        with np.load(self.path, allow_pickle=False) as kept:
            if str(kept['identity']) != self.identity:
                raise ValueError(
                    f'{self.path} is the checkpoint of a run with other options or data; '
                    'train into another folder, or remove it'
                )
            for i, variable in enumerate(_variables(model)):
                variable.assign(kept[f'v{i}'])
            return Progress(**json.loads(str(kept['progress'])))


def _variables(model: Any) -> Iterator[Any]:
    yield from model.variables
    yield from model.optimizer.variables


def _note(progress: Progress, found: Surprise, recent: list[float], epoch: int) -> None:
    progress.curve.append(
        {
            'batch': progress.batch,
            'epoch': progress.batch / epoch,
            'minutes': progress.seconds / 60,
            'training_nats_per_event': float(np.mean(recent)),
            'development_nats_per_event': found.per_event,
            'development_nats_per_note': found.per_note,
        }
    )
    better = found.per_note < progress.best
    progress.best = min(progress.best, found.per_note)
    progress.worse = 0 if better else progress.worse + 1


def write_curve(curve: list[dict[str, float]], out: Path) -> None:
    """Write the learning curve as curve.csv and curve.png."""
    from matplotlib.figure import Figure

    with (out / 'curve.csv').open('w', newline='', encoding='utf-8') as file:
        rows = csv.DictWriter(file, curve[0].keys())
        rows.writeheader()
        rows.writerows(curve)
    figure = Figure(figsize=(7, 4), layout='constrained')
    axes = figure.subplots()
    for side in ('training', 'development'):
        axes.plot(
            [row['minutes'] for row in curve],
            [row[f'{side}_nats_per_event'] for row in curve],
            label=side,
        )
    axes.set(xlabel='minutes', ylabel='nats per event', title='Learning curve')
    axes.legend()
    figure.savefig(out / 'curve.png', dpi=100)


def _limit_threads(threads: int) -> None:
    import keras

    if threads and keras.backend.backend() == 'tensorflow':
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def _bar(shown: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=1000, desc='training', unit='‰', disable=not shown, mininterval=1)
