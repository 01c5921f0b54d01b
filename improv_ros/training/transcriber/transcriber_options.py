# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The options of a training run of the transcriber's network."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
import shlex
import sys


@dataclass
class TranscriberOptions:
    """What a training run depends on; the defaults are those of the shipped network."""

    recordings: list[str]  # folders of recordings to train on, all of one length
    validation: str  # folder of recordings
    out: str
    minutes: float = 0.0  # 0: no limit
    epochs: float = 0.0  # 0: no limit
    seed: int = 1
    channels: int = 32
    units: int = 48
    delays: list[int] = field(default_factory=lambda: [3, 4, 5, 8])  # hops of 10 ms
    late_delays: list[int] = field(default_factory=list)  # hops, of the second stage
    groups: int = 8  # of streams; each optimizer step takes the gradients of all groups
    streams: int = 2  # recordings side by side in a group
    hops: int = 50  # of a window; the window of two streams fits the cache of a processor
    learning_rate: float = 3e-3  # the highest
    evaluate_every: int = 5000  # windows
    validation_seconds: float = 30.0  # of each recording
    patience: int = 1000  # evaluations
    processes: int = 1
    averaging_interval: int = 64  # windows between two averages; a multiple of the groups
    feature_workers: int = 1  # processes that compute spectra, for each training process
    precision: str = 'full'  # or mixed: matrix products in bfloat16, on the PyTorch backend
    start_from: str = ''  # a .keras file to fine-tune; it may have fewer units
    second_stage: bool = False  # train the second stage alone
    command: str = ''  # for the model card


PRECISIONS = ('full', 'mixed')

RESUMABLE = (
    'out',
    'minutes',
    'epochs',
    'patience',
    'processes',
    'averaging_interval',
    'feature_workers',
    'precision',
    'command',
)
"""Options that may change when a run resumes from its checkpoint."""


def add_arguments(parser: argparse.ArgumentParser, _model: str) -> None:
    """Declare the options of `improv train transcriber`."""
    parser.add_argument(
        '--recordings',
        nargs='+',
        required=True,
        metavar='FOLDER',
        help='folders of recordings to train on: the train/ of sets made by `improv synthesize`',
    )
    parser.add_argument(
        '--validation',
        required=True,
        metavar='FOLDER',
        help='folder of recordings on which the loss is evaluated',
    )
    parser.add_argument(
        '--start-from',
        default='',
        metavar='FILE',
        help='.keras file whose weights to fine-tune; it may have fewer units and no second stage',
    )
    parser.add_argument(
        '--late-delays',
        nargs='+',
        type=int,
        default=[],
        metavar='HOPS',
        help='delays of a second stage in hops of 10 ms (default: none, and no second stage)',
    )
    parser.add_argument(
        '--second-stage',
        action='store_true',
        help='train the second stage alone; the first stage stays as in --start-from',
    )
    parser.add_argument(
        '--precision',
        choices=PRECISIONS,
        default=TranscriberOptions.precision,
        help='mixed: matrix products in bfloat16, which processors with AMX multiply fast; it '
        'needs KERAS_BACKEND=torch (default: full)',
    )
    options: tuple[tuple[str, type, float, str], ...] = (
        ('--channels', int, TranscriberOptions.channels, 'channels of the convolutions'),
        ('--units', int, TranscriberOptions.units, 'units of the GRU of each key'),
        ('--groups', int, TranscriberOptions.groups, 'groups of streams per optimizer step'),
        ('--streams', int, TranscriberOptions.streams, 'recordings side by side in a group'),
        ('--minutes', float, 0.0, 'time limit in minutes; 0: none'),
        (
            '--evaluate-every',
            int,
            TranscriberOptions.evaluate_every,
            'windows of half a second between two evaluations',
        ),
        ('--learning-rate', float, TranscriberOptions.learning_rate, 'highest learning rate'),
        ('--processes', int, 1, 'number of processes that train together by local SGD'),
        ('--feature-workers', int, 1, 'processes that compute spectra, per training process'),
    )
    for name, kind, default, description in options:
        description += f' (default: {default:g})'
        parser.add_argument(name, type=kind, default=default, help=description)


def from_arguments(arguments: argparse.Namespace) -> TranscriberOptions:
    """Return the options that were given to `improv train transcriber`.

    Raises ValueError for a second stage without late delays.
    """
    if arguments.second_stage and not arguments.late_delays:
        raise ValueError('--second-stage needs the delays of that stage: --late-delays HOPS...')
    given = {
        name: getattr(arguments, name)
        for name in TranscriberOptions.__dataclass_fields__
        if hasattr(arguments, name) and name != 'command'
    }
    return TranscriberOptions(**given, command=f'improv {shlex.join(sys.argv[1:])}')
