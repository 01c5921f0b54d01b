# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The options of a training run of the improviser's network or of Performance RNN."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
import shlex
import sys
from typing import Any

from improv_ros.training.engine.trainer import Plan

REPRESENTATIONS = ('as-played', 'sounding', 'performance-rnn')
RECURRENCES = ('per_event', 'per_note')
PRECISIONS = {'full': 'float32', 'mixed': 'mixed_bfloat16'}

# Defaults of `improv train`: the sizes of the smaller network, and those of Oore et al. 2018.
DEFAULTS = {
    'improviser': {'units': 384, 'depth': 1, 'learning_rate': 3e-3},
    'performance-rnn': {'units': 512, 'depth': 3, 'learning_rate': 1e-3},
}


@dataclass
class ImproviserOptions:
    """What a training run depends on. Raises ValueError for a value that is not allowed."""

    data: list[str]  # folders of MIDI files, or one packed data set
    out: str
    representation: str = 'as-played'
    recurrence: str = 'per_event'
    validation: str = ''  # folder of performances; '': some works of the data, held out
    validation_notes: int = 100_000  # size of the validation set, approximately
    weight: dict[str, int] = field(default_factory=dict)  # composer: repetitions per epoch
    velocity_noise: float = 0.0  # standard deviation, MIDI velocities
    timing_noise_ms: float = 0.0  # standard deviation
    start_from: str = ''  # a .keras file to fine-tune
    minutes: float = 0.0  # 0: no limit
    epochs: float = 0.0  # 0: no limit
    seed: int = 1
    units: int = 384
    depth: int = 1
    dropout: float = 0.0
    streams: int = 64
    steps: int = 128
    learning_rate: float = 3e-3
    precision: str = 'full'
    evaluate_every: int = 300  # batches
    patience: int = 12  # evaluations
    processes: int = 1
    threads: int = 0  # of each process; 0: the cores of the machine, shared by the processes
    test: list[str] = field(default_factory=list)  # folders to evaluate for the model card
    cache: str = ''  # folder; '': `cache` in `out`
    terms: str = 'not stated'  # licence terms of the data, for the model card
    command: str = ''  # for the model card

    def __post_init__(self) -> None:
        for name, allowed in (
            ('representation', REPRESENTATIONS),
            ('recurrence', RECURRENCES),
            ('precision', tuple(PRECISIONS)),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f'{name} must be {" or ".join(allowed)}')
        if self.processes < 1:
            raise ValueError('--processes must be 1 or more')
        Plan(minutes=self.minutes, batches=int(self.epochs > 0))  # checks that there is a limit


RESUMABLE = (
    'out',
    'data',
    'validation',
    'minutes',
    'epochs',
    'processes',
    'threads',
    'patience',
    'test',
    'cache',
    'terms',
    'command',
)
"""Options that may change when a run resumes from its checkpoint."""


def add_arguments(parser: argparse.ArgumentParser, model: str) -> None:
    """Declare the options of `improv train improviser` or `improv train performance-rnn`."""
    defaults = {**vars(ImproviserOptions([], '', epochs=1)), **DEFAULTS[model]}

    def option(name: str, description: str, **more: Any) -> None:
        default = defaults[name.replace('-', '_')]
        more = {'type': type(default), 'default': default, **more}
        shown = more.pop('empty') if default == '' else default
        shown = f'{shown:g}' if isinstance(shown, float) else shown
        parser.add_argument(f'--{name}', help=f'{description} (default: {shown})', **more)

    parser.add_argument(
        '--data',
        nargs='+',
        required=True,
        metavar='FOLDER',
        help='folders of MIDI files, searched recursively, or one .npz file of `improv pack`',
    )
    option(
        'validation',
        'folder or .npz file of performances whose negative log-likelihood selects the best '
        'network',
        empty='some works of the data, held out',
        metavar='FOLDER',
    )
    option('validation-notes', 'approximate size of the validation set in notes')
    parser.add_argument(
        '--test',
        nargs='*',
        default=[],
        metavar='FOLDER',
        help='folders of performances on which the model card reports the best network',
    )
    option(
        'cache',
        'folder in which the decoded MIDI files are kept',
        empty='the folder `cache` in --out',
        metavar='FOLDER',
    )
    option('terms', 'licence terms of the data, for the model card')
    parser.add_argument(
        '--weight',
        nargs='+',
        default=[],
        type=_weight,
        metavar='COMPOSER=N',
        help='repeat the performances of a composer N times per epoch; needs an index.csv',
    )
    option('velocity-noise', 'standard deviation of noise on each velocity, in MIDI velocities')
    option('timing-noise-ms', 'standard deviation of noise on each event time, in milliseconds')
    option('start-from', '.keras file whose weights to fine-tune', empty='none', metavar='FILE')
    option('minutes', 'time limit in minutes; 0: none')
    option('units', 'units of each LSTM layer')
    option('depth', 'number of LSTM layers')
    option('streams', 'number of performances in a batch')
    option('steps', 'number of steps between two weight updates')
    option('learning-rate', 'highest learning rate')
    option(
        'precision',
        'arithmetic: full is float32; mixed is bfloat16 with float32 weights, for a GPU or a '
        'processor that supports it',
        choices=list(PRECISIONS),
    )
    option('evaluate-every', 'number of batches between two evaluations')
    option('patience', 'stop after this many evaluations without an improvement')
    option('processes', 'number of processes on this machine that train together by local SGD')
    option('threads', 'threads of each process; 0: the cores divided by the processes')
    if model == 'performance-rnn':  # always as published
        parser.set_defaults(representation='performance-rnn', recurrence='per_event', dropout=0.0)
        return
    parser.add_argument(
        '--pedal',
        choices=['played', 'applied'],
        default='played',
        help='the sustain pedal: played is an event of its own; applied lengthens the notes, for '
        'comparison with performance-rnn (default: played)',
    )
    option('recurrence', 'the LSTM takes a step per event or per note', choices=list(RECURRENCES))
    option('dropout', 'dropout rate between LSTM layers, 0 to 1')


def from_arguments(arguments: argparse.Namespace) -> ImproviserOptions:
    """Return the options that were given to `improv train`."""
    if arguments.model == 'improviser':
        arguments.representation = {'played': 'as-played', 'applied': 'sounding'}[arguments.pedal]
    options = {
        name: getattr(arguments, name)
        for name in ImproviserOptions.__dataclass_fields__
        if name != 'command'
    }
    options['weight'] = dict(arguments.weight)
    return ImproviserOptions(**options, command=f'improv {shlex.join(sys.argv[1:])}')


def _weight(text: str) -> tuple[str, int]:
    composer, _, factor = text.rpartition('=')
    if not composer or not factor.isdecimal() or not int(factor):
        raise argparse.ArgumentTypeError(f'{text!r} is not COMPOSER=N with a whole N from 1')
    return composer, int(factor)
