"""Training the transcriber: stateful truncated back-propagation over whole recordings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
import shlex
import sys
from typing import Any

import numpy as np

from .checkpoint import Checkpoint
from .loop import Course, Plan
from .record import write_record
from .recordings import Passage, Passages, checksum_of, delayed, read_lesson, recordings_in


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that only the transcriber has."""
    group = parser.add_argument_group('transcriber')
    group.add_argument('--recordings', help='folder made by `improv synthesize`: its train/')
    group.add_argument('--development', help='folder of recordings to measure on')
    group.add_argument('--analysts', type=int, default=1, help='processes that analyse sound')


def run(arguments: argparse.Namespace) -> int:
    """Train as the arguments say; return the exit code."""
    if not (arguments.recordings and arguments.development):
        raise ValueError(
            'name what to learn from and what to measure on: --recordings FOLDER '
            '--development FOLDER'
        )
    options = ListeningOptions(
        recordings=arguments.recordings,
        development=arguments.development,
        out=arguments.out,
        minutes=arguments.minutes,
        epochs=arguments.epochs,
        seed=arguments.seed,
        analysts=arguments.analysts,
        start_from=arguments.start_from,
        command=f'improv {shlex.join(sys.argv[1:])}',
    )
    print(f'{train(options, not arguments.quiet)}: trained')
    return 0


@dataclass
class ListeningOptions:
    """What a training run is made of; the defaults are those of the shipped network."""

    recordings: str  # folder of recordings to learn from, all of one length
    development: str  # folder of recordings to measure on
    out: str
    minutes: float = 0.0  # 0: no limit on time
    epochs: float = 0.0  # 0: no limit on epochs
    seed: int = 1
    channels: int = 24
    units: int = 40
    delays: list[int] = field(default_factory=lambda: [3, 5, 8])  # hops
    groups: int = 8
    streams: int = 2
    hops: int = 50
    rate: float = 3e-3
    measure_every: int = 4000  # passages
    development_seconds: float = 30.0  # of each recording that is measured on
    patience: int = 1000  # measurements without a better one
    analysts: int = 1  # processes that analyse sound beside the one that trains
    start_from: str = ''  # a .keras file of the same size whose weights to begin with
    command: str = ''


_FREE = ('out', 'minutes', 'epochs', 'patience', 'analysts', 'command')


def train(options: ListeningOptions, progress_bar: bool = True) -> Path:
    """Train a network and return the path of the best one, `transcriber.keras` in `out`.

    A run whose folder holds a checkpoint goes on from it. Raises DatasetError for data that
    cannot be used, and CheckpointError if the checkpoint is of a run with other options.
    """
    import keras

    from improv_ros.listening.network import TranscriptionNetwork

    from .listening_streams import ListeningStreams, disbelief

    keras.utils.set_random_seed(options.seed)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    paths = recordings_in(Path(options.recordings))
    checksum = checksum_of(paths)
    write_record(out, options.command, options=asdict(options), data=checksum)

    network = TranscriptionNetwork(options.channels, options.units, tuple(options.delays))
    network.build()
    if options.start_from:
        network.load_weights(options.start_from)
    model = ListeningStreams(network, options.groups, options.streams)
    optimizer = keras.optimizers.Adam(
        options.rate, global_clipnorm=1.0, gradient_accumulation_steps=options.groups
    )
    model.compile(optimizer=optimizer, loss=disbelief)
    optimizer.build(model.trainable_variables)
    supply = Passages(
        paths,
        options.delays,
        options.groups,
        options.streams,
        options.hops,
        options.seed,
        options.analysts,
    )
    examined = Examination(network, recordings_in(Path(options.development)), options)

    def learn(passage: Passage) -> float:
        loss = model.train_on_batch(
            (passage.group, passage.fresh, passage.spectra), passage.targets
        )
        model.reset_metrics()
        return float(loss)

    Course(
        model,
        supply.passages,
        learn,
        examined.measure,
        'development',
        lambda: network.save(out / 'transcriber.keras'),
        Checkpoint(out / 'checkpoint.npz', identity(options, checksum)),
        Plan(
            minutes=options.minutes,
            batches=round(options.epochs * len(supply)),
            rate=options.rate,
            warm_up=50 * options.groups,
            measure_every=options.measure_every,
            patience=options.patience,
        ),
        unit='weighted nats a hop',
    ).run(progress_bar)
    return out / 'transcriber.keras'


def identity(options: ListeningOptions, checksum: str) -> dict[str, Any]:
    """Return what must stay the same for a run to go on."""
    fixed = {name: value for name, value in asdict(options).items() if name not in _FREE}
    return {**fixed, 'checksum': checksum}


class Examination:
    """Measures a network on recordings that it does not learn from."""

    def __init__(self, network: Any, paths: Sequence[Path], options: ListeningOptions) -> None:
        from .listening_streams import ListeningStreams, disbelief

        self._network, self._options = network, options
        lessons = [read_lesson(path, options.development_seconds) for path in paths]
        hops = min(len(lesson.spectra) for lesson in lessons)
        hops -= hops % options.hops
        self._spectra = np.stack([lesson.spectra[:hops] for lesson in lessons])
        self._targets = [delayed(lesson.targets[:hops], options.delays) for lesson in lessons]
        self._model = ListeningStreams(network, len(lessons), 1)
        self._model.compile(loss=disbelief)

    def measure(self) -> dict[str, float]:
        """Return the mean loss: development."""
        total, count = 0.0, 0
        for number, (spectra, targets) in enumerate(
            zip(self._spectra, self._targets, strict=True)
        ):
            for start in range(0, len(spectra), self._options.hops):
                part = slice(start, start + self._options.hops)
                fresh = np.array([start == 0], np.float32)
                group = np.array([number], np.int32)
                loss = self._model.test_on_batch(
                    (group, fresh, spectra[None, part]), targets[None, part]
                )
                self._model.reset_metrics()
                total, count = total + float(loss), count + 1
        return {'development': total / count}
