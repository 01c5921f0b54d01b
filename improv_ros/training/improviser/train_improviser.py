# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Training of the improviser's network and of Performance RNN.

Stateful truncated back-propagation through time: whole performances are trained on, window by
window, and the state of the LSTM is carried from each window to the next.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
import os
from pathlib import Path
from typing import Any

from improv_ros.training.engine.checkpoint import Checkpoint
from improv_ros.training.engine.run_record import write_record
from improv_ros.training.engine.trainer import (
    Plan,
    Progress,
    Trainer,
    train_in_processes,
    train_on_batch,
)
from improv_ros.training.improviser.dataset import Dataset, load_dataset
from improv_ros.training.improviser.improviser_card import improviser_card
from improv_ros.training.improviser.improviser_options import (
    PRECISIONS,
    RESUMABLE,
    ImproviserOptions,
    from_arguments,
)
from improv_ros.training.improviser.likelihood import NegativeLogLikelihood, evaluate
from improv_ros.training.improviser.ngram import NGram
from improv_ros.training.improviser.representations import AS_PLAYED, PERFORMANCE_RNN, SOUNDING
from improv_ros.training.improviser.windows import Batch, Windows

_REPRESENTATIONS = {
    'as-played': AS_PLAYED,
    'sounding': SOUNDING,
    'performance-rnn': PERFORMANCE_RNN,
}
AVERAGING_INTERVAL = 16
"""Batches between two averages of the weights when several processes train together."""


def run(arguments: argparse.Namespace) -> int:
    """Train as `improv train improviser` or `performance-rnn` says; return the exit code."""
    model = train(from_arguments(arguments), not arguments.quiet)
    print(f'{model}: trained; model card: {model.with_suffix(".md")}')
    return 0


def train(options: ImproviserOptions, progress_bar: bool = True) -> Path:
    """Train a network and return the path of the best one, `improviser.keras` in `out`.

    A run resumes from the checkpoint in `out` if there is one. Raises DatasetError for data that
    cannot be used, CheckpointError for the checkpoint of a run with other options, and
    ModelError if the network to fine-tune has another size.
    """
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    dataset, training, _, _ = read_data(options, progress_bar)
    (out / 'dataset.txt').write_text(dataset.report() + '\n', encoding='utf-8')
    write_record(out, options.command, options=asdict(options), data=dataset.checksum)
    _, progress = train_in_processes(
        make_trainer, (options,), options.processes, AVERAGING_INTERVAL, progress_bar
    )
    return finish(options, dataset, training, progress, progress_bar)


def make_trainer(options: ImproviserOptions, index: int = 0) -> Trainer:
    """Return the trainer of process `index` of a run."""
    import keras

    from improv_ros.training.improviser import network_files
    from improv_ros.training.improviser.improviser_files import save
    from improv_ros.training.improviser.performance_streams import Streams, nll_loss

    _limit_threads(options)
    representation = _REPRESENTATIONS[options.representation]
    dataset, training, validation, numbers = read_data(options, False)
    windows = Windows(
        dataset,
        training,
        options.streams,
        options.steps,
        options.seed + 1000 * index,  # each process trains on batches of its own
        representation,
        options.velocity_noise,
        options.timing_noise_ms,
    )
    keras.utils.set_random_seed(options.seed + index)
    with _precision(options.precision):
        network = network_files.build(
            representation, options.units, options.depth, options.dropout, options.recurrence
        )
        if options.start_from:
            network_files.start_from(network, representation, Path(options.start_from))
        model = Streams(network, options.streams)
        validated = Streams(network, min(options.streams, len(numbers)))
    optimizer = keras.optimizers.Adam(options.learning_rate, global_clipnorm=1.0)
    model.compile(optimizer=optimizer, loss=nll_loss)
    optimizer.build(model.trainable_variables)

    def train_step(batch: Batch) -> float:
        loss = train_on_batch(model, (batch.events, batch.fresh), batch.real[..., None])
        return loss * batch.real.size / float(batch.real.sum())  # the mean over real steps

    def validate() -> dict[str, float]:
        found = evaluate(validated, validation, numbers, representation)
        return {'validation': found.per_step, 'nats_per_note': found.per_note}

    out = Path(options.out)
    return Trainer(
        model,
        windows.batches,
        train_step,
        validate,
        'nats_per_note',
        lambda: save(network, out / 'improviser.keras', representation.name),
        Checkpoint(out / 'checkpoint.npz', identity(options, dataset.checksum)),
        plan(options, len(windows)),
        unit='nats per step',
    )


def read_data(
    options: ImproviserOptions, progress_bar: bool
) -> tuple[Dataset, list[int], Dataset, list[int]]:
    """Return the training set and the validation set: each a data set and numbers in it.

    The validation set is half of that of the options, by composer: the network is reported on the
    other half. Without one, works are held out of the data. If the data has too few works for
    that, it is the training set.
    """
    cache = Path(options.cache or Path(options.out) / 'cache')
    dataset = load_dataset(options.data, cache, progress_bar)
    training = numbers = list(range(len(dataset)))
    if options.validation:
        validation = load_dataset([options.validation], cache, progress_bar)
        numbers = validation.sample(options.validation_notes, validation.halves()[0])
    else:
        validation = dataset
        kept, held_out = dataset.split()
        if kept and held_out:
            training, numbers = kept, held_out
    weighted = list(training)
    for composer, factor in options.weight.items():
        works = set(dataset.by(composer))
        weighted += [number for number in training if number in works] * (factor - 1)
    return dataset, weighted, validation, numbers


def reported_sets(
    options: ImproviserOptions, dataset: Dataset, training: list[int], progress_bar: bool
) -> list[tuple[str, Dataset, list[int]]]:
    """Return what the card of a network reports on: a name, a data set, and numbers in it.

    None of it chose the network, as far as the options have other data.
    """
    cache = Path(options.cache or Path(options.out) / 'cache')
    if options.validation:
        validation = load_dataset([options.validation], cache, progress_bar)
        title = f'{options.validation}, the composers that did not choose the network'
        sets = [(title, validation, validation.halves()[1])]
    else:
        sets = [('performances held out', dataset, dataset.split()[1] or training)]
    for folder in dict.fromkeys(options.test):
        other = load_dataset([folder], cache, progress_bar)
        sets.append((folder, other, list(range(len(other)))))
    return sets


def finish(
    options: ImproviserOptions,
    dataset: Dataset,
    training: list[int],
    progress: Progress,
    progress_bar: bool,
) -> Path:
    """Export and evaluate the best network of a run, write its card, return its path."""
    import keras

    from improv_ros.training.improviser import network_files
    from improv_ros.training.improviser.improviser_files import export
    from improv_ros.training.improviser.performance_streams import Streams

    best = Path(options.out) / 'improviser.keras'
    network, representation = network_files.load(best)
    if representation is AS_PLAYED and keras.backend.backend() == 'tensorflow':
        export(network, best)  # with another backend, `improv export` makes the LiteRT file
    model = Streams(network, 32)
    sets = reported_sets(options, dataset, training, progress_bar)
    baselines = [
        (f'{name} of the training set', NGram(representation, order))
        for name, order in (('unigram', 1), ('5-gram', 5))
    ]
    for _, ngram in baselines:
        ngram.count(dataset, sorted(set(training)))
    results: list[tuple[str, dict[str, NegativeLogLikelihood]]] = [
        (
            name,
            {
                **{title: each.evaluate(data, numbers) for title, each in baselines},
                'this network': evaluate(model, data, numbers, representation),
            },
        )
        for name, data, numbers in sets
    ]
    improviser_card(best, network, representation, options, dataset, training, progress, results)
    return best


def plan(options: ImproviserOptions, batches: int) -> Plan:
    """Return the plan of a run; batches: in one epoch."""
    epochs = options.epochs / options.processes  # each process trains on as many batches
    return Plan(
        minutes=options.minutes,
        batches=max(1, round(epochs * batches)) if options.epochs else 0,
        learning_rate=options.learning_rate,
        evaluate_every=options.evaluate_every,
        patience=options.patience,
    )


def identity(options: ImproviserOptions, checksum: str) -> dict[str, Any]:
    """Return what must not change when a run resumes."""
    fixed = {name: value for name, value in asdict(options).items() if name not in RESUMABLE}
    return {**fixed, 'checksum': checksum}


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """Build networks that compute in this precision; their weights are float32 in both."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(PRECISIONS[name])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _limit_threads(options: ImproviserOptions) -> None:
    import keras

    threads = options.threads
    if not threads and options.processes > 1:
        threads = max(1, len(os.sched_getaffinity(0)) // options.processes)
    if not threads:
        return
    backend = keras.backend.backend()
    if backend == 'tensorflow':
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    elif backend == 'torch':
        import torch

        torch.set_num_threads(threads)
