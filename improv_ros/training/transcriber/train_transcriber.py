# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Training of the transcriber's network.

Stateful truncated back-propagation through time: whole recordings are trained on, window by
window, and the state of the network is carried from each window to the next.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from improv_ros.training.engine.checkpoint import Checkpoint
from improv_ros.training.engine.run_record import write_record
from improv_ros.training.engine.trainer import Plan, Trainer, train_in_processes
from improv_ros.training.transcriber.examples import (
    RecordingWindow,
    RecordingWindows,
    checksum_of,
    delayed,
    labelled_recordings,
    read_example,
)
from improv_ros.training.transcriber.transcriber_card import transcriber_card
from improv_ros.training.transcriber.transcriber_files import save
from improv_ros.training.transcriber.transcriber_options import (
    RESUMABLE,
    TranscriberOptions,
    from_arguments,
)


def run(arguments: argparse.Namespace) -> int:
    """Train as `improv train transcriber` says; return the exit code."""
    model = train(from_arguments(arguments), not arguments.quiet)
    print(f'{model}: trained; model card: {model.with_suffix(".md")}')
    return 0


def train(options: TranscriberOptions, progress_bar: bool = True) -> Path:
    """Train a network and return its path, `transcriber.keras` in `out`.

    During a run this file is the network with the smallest validation loss so far, at the end the
    last network. A run resumes from the checkpoint in `out` if there is one. Raises DatasetError
    for data that cannot be used, and CheckpointError for the checkpoint of a run with other
    options.
    """
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    paths = [path for folder in options.recordings for path in labelled_recordings(Path(folder))]
    checksum = checksum_of(paths)
    write_record(out, options.command, options=asdict(options), data=checksum)
    trainer, progress = train_in_processes(
        make_trainer,
        (options, paths, checksum),
        options.processes,
        options.averaging_interval,
        progress_bar,
    )
    # Not the smallest loss: F1 is best at the end, when the learning rate is low.
    trainer.save_best()
    model = out / 'transcriber.keras'
    transcriber_card(model, trainer.model.network, options, paths, checksum, progress)
    return model


def make_trainer(
    options: TranscriberOptions, paths: Sequence[Path], checksum: str, index: int = 0
) -> Trainer:
    """Return the trainer of process `index` of a run."""
    import keras

    from improv_ros.listening.transcription.transcription_network import TranscriptionNetwork
    from improv_ros.training.transcriber.recording_streams import (
        RecordingStreams,
        reader,
        transcription_loss,
    )
    from improv_ros.training.transcriber.widening import start_from

    out = Path(options.out)
    keras.utils.set_random_seed(options.seed)
    network = TranscriptionNetwork(
        options.channels, options.units, tuple(options.delays), tuple(options.late_delays)
    )
    network.build()
    if options.start_from:
        start_from(network, Path(options.start_from))
    if options.second_stage:
        network.freeze_first_stage()
    model = RecordingStreams(network, options.groups, options.streams, reader(options.precision))
    accumulated = options.groups if options.groups > 1 else None  # Keras refuses 1
    optimizer = keras.optimizers.Adam(
        options.learning_rate, global_clipnorm=1.0, gradient_accumulation_steps=accumulated
    )
    model.compile(optimizer=optimizer, loss=transcription_loss)
    optimizer.build(model.trainable_variables)
    windows = RecordingWindows(
        paths,
        network.delays,
        options.groups,
        options.streams,
        options.hops,
        options.seed + index,  # each process trains on windows of its own
        options.feature_workers,
    )
    validation = labelled_recordings(Path(options.validation))
    # Process 0 alone evaluates.
    evaluate = TranscriberValidation(network, validation, options).evaluate if index == 0 else dict

    def train_step(window: RecordingWindow) -> float:
        return run_on_batch(model, window, model.train_on_batch)

    return Trainer(
        model,
        windows.windows,
        train_step,
        evaluate,
        'validation',
        lambda: save(network, out / 'transcriber.keras', options.delays[len(options.delays) // 2]),
        Checkpoint(out / 'checkpoint.npz', identity(options, checksum)),
        Plan(
            minutes=options.minutes,
            batches=round(options.epochs * len(windows)),
            learning_rate=options.learning_rate,
            warmup_batches=50 * options.groups,
            evaluate_every=options.evaluate_every,
            patience=options.patience,
        ),
        unit='weighted nats per hop',
    )


def identity(options: TranscriberOptions, checksum: str) -> dict[str, Any]:
    """Return what must be equal for a run to resume from a checkpoint."""
    fixed = {name: value for name, value in asdict(options).items() if name not in RESUMABLE}
    return {**fixed, 'checksum': checksum}


class TranscriberValidation:
    """Evaluates a network on recordings that it is not trained on."""

    def __init__(self, network: Any, paths: Sequence[Path], options: TranscriberOptions) -> None:
        from improv_ros.training.transcriber.recording_streams import (
            RecordingStreams,
            reader,
            transcription_loss,
        )

        self._network, self._options = network, options
        examples = [read_example(path, options.validation_seconds) for path in paths]
        hops = min(len(example.spectra) for example in examples)
        hops -= hops % options.hops
        rows = -(-len(examples) // options.streams) * options.streams
        examples = [examples[row % len(examples)] for row in range(rows)]
        spectra = np.stack([example.spectra[:hops] for example in examples])
        targets = np.stack([delayed(each.targets[:hops], network.delays) for each in examples])
        self._windows = [
            RecordingWindow(
                np.full(options.streams, row // options.streams, np.int32),
                np.full(options.streams, start == 0, np.float32),
                spectra[row : row + options.streams, start : start + options.hops],
                targets[row : row + options.streams, start : start + options.hops],
            )
            for row in range(0, rows, options.streams)
            for start in range(0, hops, options.hops)
        ]
        self._model = RecordingStreams(
            network, rows // options.streams, options.streams, reader(options.precision)
        )
        self._model.compile(loss=transcription_loss)

    def evaluate(self) -> dict[str, float]:
        """Return the mean loss, `validation`, in weighted nats per hop."""
        model = self._model
        losses = [run_on_batch(model, window, model.test_on_batch) for window in self._windows]
        return {'validation': float(np.mean(losses))}


def run_on_batch(model: Any, window: RecordingWindow, on_batch: Callable[..., Any]) -> float:
    """Call `train_on_batch` or `test_on_batch` of a model with a window; return the loss."""
    # Keras 3.12 needs sample weights where several devices share the batch.
    weights = np.ones((len(window.fresh), 1, 1), np.float32)
    loss = on_batch(
        (window.group, window.fresh, window.spectra), window.targets, sample_weight=weights
    )
    model.reset_metrics()
    return float(loss)
