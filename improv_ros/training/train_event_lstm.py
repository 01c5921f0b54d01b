"""Training the improviser, or its peer: stateful truncated back-propagation over performances."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from improv_ros.improvising.runtime import KINDS

from .checkpoint import Checkpoint
from .dataset import Dataset, load_dataset
from .evaluation import Surprise, measure
from .improviser_card import improviser_card
from .loop import Course, Plan, Progress, learn_from
from .ngram import NGram
from .parallel import ALONE, Together
from .record import write_record
from .representations import AS_PLAYED, PERFORMANCE_RNN, SOUNDING
from .windows import Batch, Windows

REPRESENTATIONS = {
    'as-played': AS_PLAYED,
    'sounding': SOUNDING,
    'performance-rnn': PERFORMANCE_RNN,
}
PRECISIONS = {'full': 'float32', 'mixed': 'mixed_bfloat16'}


@dataclass
class Options:
    """What a training run is made of."""

    data: list[str]
    out: str
    representation: str = 'as-played'
    memory: str = 'events'  # what moves it: 'events' or 'notes'
    develop: str = ''  # folder of performances to judge by; '': some works held out of the data
    develop_notes: int = 100_000  # about how many of their notes to judge by
    weight: dict[str, int] = field(default_factory=dict)  # composer: how often in an epoch
    shake: float = 0.0  # of each velocity at random, in MIDI velocities
    jitter: float = 0.0  # of each event's time at random, in milliseconds
    start_from: str = ''  # a .keras file to fine-tune
    minutes: float = 0.0  # 0: no limit on time
    epochs: float = 0.0  # 0: no limit on epochs
    seed: int = 1
    units: int = 384
    depth: int = 1
    dropout: float = 0.0
    streams: int = 64
    steps: int = 128
    rate: float = 3e-3
    precision: str = 'full'
    evaluate_every: int = 300  # batches
    patience: int = 12  # evaluations without a better one
    threads: int = 0  # 0: as many as the machine has
    measure: list[str] = field(default_factory=list)  # further folders for the model card
    cache: str = ''  # folder to keep what was read of the data; '': in `out`
    terms: str = 'not stated'  # of the data, for the model card
    command: str = ''  # that started this run, for the model card

    def __post_init__(self) -> None:
        if self.representation not in REPRESENTATIONS:
            raise ValueError(f'the representation {self.representation!r} is unknown')
        if self.memory not in KINDS:
            raise ValueError(f'the memory is moved by {" or ".join(KINDS)}')
        if self.precision not in PRECISIONS:
            raise ValueError(f'the precision is {" or ".join(PRECISIONS)}')
        Plan(minutes=self.minutes, batches=int(self.epochs > 0))  # a run has an end


_FREE = (
    'out',
    'data',
    'develop',
    'minutes',
    'epochs',
    'threads',
    'patience',
    'measure',
    'cache',
    'terms',
    'command',
)
"""Options that may change when a run goes on."""


def train(options: Options, progress_bar: bool = True, together: Together = ALONE) -> Path:
    """Train a network and return the path of the best one, `improviser.keras` in `out`.

    A run whose folder holds a checkpoint goes on from it. Raises DatasetError for data that
    cannot be used, CheckpointError if the checkpoint is of a run with other options, and
    ModelError for a network to start from that does not fit.
    """
    import keras

    from . import networks
    from .export import save
    from .streams import Streams, surprise

    together.check(options.streams, options.minutes)
    _limit_threads(options.threads)
    representation = REPRESENTATIONS[options.representation]
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    dataset, learning, judges, judged = read_data(options, progress_bar and together.leader)
    if together.leader:
        (out / 'dataset.txt').write_text(dataset.report() + '\n', encoding='utf-8')
        write_record(out, options.command, options=asdict(options), data=dataset.checksum)
    windows = Windows(
        dataset,
        learning,
        options.streams,
        options.steps,
        options.seed,
        representation,
        options.shake,
        options.jitter,
    )
    with _precision(options.precision), together.sharing():
        keras.utils.set_random_seed(options.seed)
        sizes = {'units': options.units, 'depth': options.depth, 'moved_by': options.memory}
        network = networks.build(representation, **sizes, dropout=options.dropout)
        if options.start_from:
            networks.start_from(network, representation, Path(options.start_from))
        model = Streams(network, options.streams)
        optimizer = keras.optimizers.Adam(options.rate, global_clipnorm=1.0)
        model.compile(optimizer=optimizer, loss=surprise)
        optimizer.build(model.trainable_variables)
        with together.apart():
            alone = networks.build(representation, **sizes)
            listener = Streams(alone, min(options.streams, len(judged)))

        def learn(batch: Batch) -> float:
            mine = Batch(*(together.share(array) for array in batch))
            everywhere = np.ones_like(mine.real)
            loss = learn_from(model, (mine.events, mine.fresh), mine.real[..., None], everywhere)
            return loss * batch.real.size / float(batch.real.sum())

        def judge() -> dict[str, float]:
            with together.apart():
                alone.set_weights(_weights(network))
                found = measure(listener, judges, judged, representation)
            return {'development': found.per_step, 'nats_per_note': found.per_note}

        progress = Course(
            model,
            windows.batches,
            learn,
            judge,
            'nats_per_note',
            lambda: save(network, out / 'improviser.keras', representation.name),
            Checkpoint(out / 'checkpoint.npz', identity(options, dataset.checksum)),
            plan(options, len(windows)),
            unit='nats per step',
            leader=together.leader,
        ).run(progress_bar and together.leader)
    if not together.leader:
        return out / 'improviser.keras'
    return finish(options, dataset, learning, progress, progress_bar)


def read_data(
    options: Options, progress_bar: bool
) -> tuple[Dataset, list[int], Dataset, list[int]]:
    """Return what to learn from, and what to judge by: each a data set and numbers in it.

    What is judged by is of `develop` if that is given, else of works held out of the data, and
    of everything where there are too few works for that.
    """
    cache = Path(options.cache or Path(options.out) / 'cache')
    dataset = load_dataset(options.data, cache, progress_bar)
    learning = judged = list(range(len(dataset)))
    if options.develop:
        judges = load_dataset([options.develop], cache, progress_bar)
        judged = judges.sample(options.develop_notes)
    else:
        judges = dataset
        held_in, held_out = dataset.split()
        if held_in and held_out:
            learning, judged = held_in, held_out
    weighted = list(learning)
    for composer, factor in options.weight.items():
        theirs = set(dataset.by(composer))
        weighted += [number for number in learning if number in theirs] * (factor - 1)
    return dataset, weighted, judges, judged


def finish(
    options: Options,
    dataset: Dataset,
    learning: list[int],
    progress: Progress,
    progress_bar: bool,
) -> Path:
    """Export and measure the best network of a run, write its card, return its path."""
    import keras

    from . import networks
    from .export import export
    from .streams import Streams

    best = Path(options.out) / 'improviser.keras'
    network, representation = networks.load(best)
    if representation is AS_PLAYED and keras.backend.backend() == 'tensorflow':
        export(network, best)  # trained by another backend, `improv export` makes that file
    model = Streams(network, 32)
    cache = Path(options.cache or best.parent / 'cache')
    tables: list[tuple[str, Dataset, list[int]]] = []
    if not options.develop:
        held_out = dataset.split()[1]
        tables.append(('performances held out', dataset, held_out or learning))
    for folder in dict.fromkeys(
        [*([options.develop] if options.develop else []), *options.measure]
    ):
        other = load_dataset([folder], cache, progress_bar)
        tables.append((folder, other, list(range(len(other)))))
    trivial = [
        (f'{name} counted in the same performances', NGram(representation, order))
        for name, order in (('unigram', 1), ('5-gram', 5))
    ]
    for _, model_without_network in trivial:
        model_without_network.learn(dataset, sorted(set(learning)))
    figures: list[tuple[str, dict[str, Surprise]]] = [
        (
            name,
            {
                **{title: each.measure(data, numbers) for title, each in trivial},
                'this network': measure(model, data, numbers, representation),
            },
        )
        for name, data, numbers in tables
    ]
    improviser_card(best, network, representation, options, dataset, learning, progress, figures)
    return best


def plan(options: Options, epoch: int) -> Plan:
    """Return the plan of a run whose epoch has so many batches."""
    return Plan(
        minutes=options.minutes,
        batches=max(1, round(options.epochs * epoch)) if options.epochs else 0,
        rate=options.rate,
        measure_every=options.evaluate_every,
        patience=options.patience,
    )


def identity(options: Options, checksum: str) -> dict[str, Any]:
    """Return what must stay the same for a run to go on."""
    fixed = {name: value for name, value in asdict(options).items() if name not in _FREE}
    return {**fixed, 'checksum': checksum}


def _weights(network: Any) -> list[Any]:
    """Return a network's numbers, without the state of its dice."""
    from keras import ops

    return [ops.convert_to_numpy(variable) for variable in network.trainable_variables]


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """Build networks that reckon with this precision; their weights are float32 in any."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(PRECISIONS[name])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _limit_threads(threads: int) -> None:
    import keras

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
