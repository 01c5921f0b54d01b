"""Training the transcriber: stateful truncated back-propagation over whole recordings."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
import shlex
import sys
from typing import Any

import numpy as np

from .averaging import Partners, numbers_in
from .checkpoint import Checkpoint
from .export_transcriber import save
from .loop import Course, Plan, Progress
from .record import write_record
from .recordings import Passage, Passages, checksum_of, delayed, read_lesson, recordings_in
from .transcriber_card import transcriber_card


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that only the transcriber has."""
    group = parser.add_argument_group('transcriber')
    group.add_argument(
        '--recordings',
        nargs='+',
        default=[],
        help='folders made by `improv synthesize`: their train/',
    )
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
        processes=arguments.processes,
        analysts=arguments.analysts,
        start_from=arguments.start_from,
        rate=arguments.rate or ListeningOptions.rate,
        command=f'improv {shlex.join(sys.argv[1:])}',
    )
    print(f'{train(options, not arguments.quiet)}: trained')
    return 0


@dataclass
class ListeningOptions:
    """What a training run is made of; the defaults are those of the shipped network."""

    recordings: list[str]  # folders of recordings to learn from, all of one length
    development: str  # folder of recordings to measure on
    out: str
    minutes: float = 0.0  # 0: no limit on time
    epochs: float = 0.0  # 0: no limit on epochs
    seed: int = 1
    channels: int = 32
    units: int = 48
    delays: list[int] = field(default_factory=lambda: [3, 4, 5, 8])  # hops
    groups: int = 8
    streams: int = 2
    hops: int = 50  # so many of two streams fit a processor's cache
    rate: float = 3e-3
    measure_every: int = 5000  # passages
    development_seconds: float = 30.0  # of each recording that is measured on
    patience: int = 1000  # measurements without a better one
    processes: int = 1  # that train together
    average_every: int = 64  # passages between two meetings of these; a multiple of the groups
    analysts: int = 1  # processes that analyse sound beside each of them
    start_from: str = ''  # a .keras file of the same size whose weights to begin with
    command: str = ''


_FREE = (
    'out',
    'minutes',
    'epochs',
    'patience',
    'processes',
    'average_every',
    'analysts',
    'command',
)


def train(options: ListeningOptions, progress_bar: bool = True) -> Path:
    """Train a network and return its path, `transcriber.keras` in `out`.

    While a run lasts that is the one with the smallest loss so far, in the end the last. A run
    whose folder holds a checkpoint goes on from it. Raises DatasetError for data that cannot be
    used, and CheckpointError if the checkpoint is of a run with other options.
    """
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    paths = [path for folder in options.recordings for path in recordings_in(Path(folder))]
    checksum = checksum_of(paths)
    write_record(out, options.command, options=asdict(options), data=checksum)
    course = _course(options, paths, checksum)
    progress = _together(course, options, paths, checksum, progress_bar)
    course.keep()  # once the rate has fallen notes are found best, whatever the loss says
    model = out / 'transcriber.keras'
    transcriber_card(model, course.model.network, options, paths, checksum, progress)
    return model


def _together(
    course: Course, options: ListeningOptions, paths: list[Path], checksum: str, bar: bool
) -> Progress:
    """Run a course, beside as many other processes as the options want."""
    if options.processes == 1:
        return course.run(bar)
    numbers = numbers_in(course.learnt())
    course.partners = Partners(options.processes, numbers, options.average_every)
    course.partners.start(_follow, options, paths, checksum)
    try:
        return course.run(bar)
    finally:
        course.partners.end()


def _follow(
    options: ListeningOptions, paths: list[Path], checksum: str, partners: Partners, index: int
) -> None:
    course = _course(options, paths, checksum, index)
    course.partners = partners
    course.follow(index)


def _course(options: ListeningOptions, paths: list[Path], checksum: str, index: int = 0) -> Course:
    """Everything that one process needs to train; index: which of several it is."""
    import keras

    from improv_ros.listening.network import TranscriptionNetwork

    from .listening_streams import ListeningStreams, disbelief

    out = Path(options.out)
    keras.utils.set_random_seed(options.seed)
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
        options.seed + index,
        options.analysts,
    )
    development = recordings_in(Path(options.development))
    measure = Examination(network, development, options).measure if index == 0 else dict

    def learn(passage: Passage) -> float:
        return through(model, passage, model.train_on_batch)

    return Course(
        model,
        supply.passages,
        learn,
        measure,
        'development',
        lambda: save(network, out / 'transcriber.keras', options.delays[len(options.delays) // 2]),
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
    )


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
        rows = -(-len(lessons) // options.streams) * options.streams
        lessons = [lessons[row % len(lessons)] for row in range(rows)]
        spectra = np.stack([lesson.spectra[:hops] for lesson in lessons])
        targets = np.stack([delayed(lesson.targets[:hops], options.delays) for lesson in lessons])
        self._passages = [
            Passage(
                np.full(options.streams, row // options.streams, np.int32),
                np.full(options.streams, start == 0, np.float32),
                spectra[row : row + options.streams, start : start + options.hops],
                targets[row : row + options.streams, start : start + options.hops],
            )
            for row in range(0, rows, options.streams)
            for start in range(0, hops, options.hops)
        ]
        self._model = ListeningStreams(network, rows // options.streams, options.streams)
        self._model.compile(loss=disbelief)

    def measure(self) -> dict[str, float]:
        """Return the mean loss: development."""
        model = self._model
        losses = [through(model, passage, model.test_on_batch) for passage in self._passages]
        return {'development': float(np.mean(losses))}


def through(model: Any, passage: Passage, on_batch: Callable[..., Any]) -> float:
    """Put a passage through a model, to train or to test on, and return the loss."""
    # Keras 3.12 needs weights where several devices share the batch.
    weights = np.ones((len(passage.fresh), 1, 1), np.float32)
    loss = on_batch(
        (passage.group, passage.fresh, passage.spectra), passage.targets, sample_weight=weights
    )
    model.reset_metrics()
    return float(loss)
