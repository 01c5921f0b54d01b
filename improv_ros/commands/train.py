# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv train`: train a network."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec
import sys
from types import ModuleType

from improv_ros.event_text import EventTextError
from improv_ros.inference.model_error import ModelError
from improv_ros.training.improviser.dataset import DatasetError

_IMPROVISER = ('improviser.improviser_options', 'improviser.train_improviser')
_TRANSCRIBER = ('transcriber.transcriber_options', 'transcriber.train_transcriber')
_CHUNK = ('improviser.chunk_baseline', 'improviser.chunk_baseline')

# What is trained: the module with its options, the module that trains it, and a description.
NETWORKS = {
    'improviser': (*_IMPROVISER, "the improviser's network, an LSTM over events"),
    'performance-rnn': (*_IMPROVISER, 'Performance RNN, the published baseline of the improviser'),
    'transcriber': (*_TRANSCRIBER, "the transcriber's network, which detects notes in audio"),
    'chunk': (*_CHUNK, 'the network of the original script pair, on one event text'),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare a sub-command with its options for each network."""
    networks = parser.add_subparsers(dest='model', required=True, metavar='NETWORK')
    for name, (options, _, summary) in NETWORKS.items():
        network = networks.add_parser(name, help=summary, description=f'Train {summary}.')
        network.add_argument(
            '--out', required=True, metavar='FOLDER', help='folder for the network and its record'
        )
        network.add_argument(
            '--seed', type=int, default=1, help='seed of the random numbers (default: 1)'
        )
        network.add_argument(
            '--epochs',
            type=float,
            default=0,
            help='number of passes over the data; 0: '
            + ('60' if name == 'chunk' else 'no limit')
            + ' (default: 0)',
        )
        network.add_argument('--quiet', action='store_true', help='show no progress bar')
        _module(options).add_arguments(network, name)


def run(arguments: argparse.Namespace) -> int:
    """Train; return the exit code. The same command resumes a run that was interrupted."""
    if not find_spec('keras'):
        print("training needs Keras: pip install 'improv_ros[train]'", file=sys.stderr)
        return 1
    try:
        return _module(NETWORKS[arguments.model][1]).run(arguments)
    except (
        ArithmeticError,
        DatasetError,
        EventTextError,
        ModelError,
        OSError,
        ValueError,
    ) as error:
        print(f'improv train: {error}', file=sys.stderr)
        return 1


def _module(name: str) -> ModuleType:
    return import_module(f'improv_ros.training.{name}')
