"""`improv train`: train a network."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec
import sys

from improv_ros.event_text import EventTextError
from improv_ros.inference.errors import ModelError

from .dataset import DatasetError

# What is trained: the module that declares its arguments and trains it.
MODELS = {
    'improviser': 'train_improviser',
    'performance-rnn': 'train_improviser',
    'transcriber': 'train_transcriber',
    'chunk': 'train_chunk',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        '--model',
        required=True,
        choices=list(MODELS),
        help='improviser: the LSTM over events; performance-rnn: the published peer; '
        'transcriber: the ears; chunk: '
        'the original method, on one text',
    )
    parser.add_argument('--out', required=True, help='folder for the network and its record')
    parser.add_argument('--seed', type=int, default=1, help='of all chance (default 1)')
    parser.add_argument('--epochs', type=float, default=0, help='how often to hear all the data')
    parser.add_argument('--minutes', type=float, default=0, help='how long to train')
    parser.add_argument('--threads', type=int, default=0, help='0: all the machine has')
    parser.add_argument('--terms', default='not stated', help='licence of the data, for the card')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    for module in dict.fromkeys(MODELS.values()):
        _trainer(module).add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train; return the exit code. A run that was interrupted goes on when started again."""
    if not find_spec('keras'):
        print("training needs Keras: pip install 'improv_ros[train]'", file=sys.stderr)
        return 1
    try:
        return _trainer(MODELS[arguments.model]).run(arguments)
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


def _trainer(module: str):
    return import_module(f'.{module}', __package__)
