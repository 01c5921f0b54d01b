"""`improv train`: train a network."""

import argparse
from importlib.util import find_spec
from pathlib import Path
import shlex
import sys

from improv_ros.event_text import EventTextError

from .dataset import DatasetError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        '--model',
        required=True,
        choices=['improviser', 'chunk'],
        help='improviser: the LSTM over events; chunk: the original method, on one text',
    )
    parser.add_argument('text', nargs='?', help='chunk: the event text to learn')
    parser.add_argument('--out', required=True, help='folder for the network and its record')
    parser.add_argument('--seed', type=int, default=1, help='of all chance (default 1)')
    parser.add_argument('--epochs', type=float, default=0, help='how often to hear all the data')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')

    event = parser.add_argument_group('improviser')
    event.add_argument(
        '--data', nargs='+', default=[], help='folders of MIDI files, searched through'
    )
    event.add_argument('--minutes', type=float, default=0, help='how long to train')
    event.add_argument('--units', type=int, default=384, help='of each LSTM layer')
    event.add_argument('--depth', type=int, default=1, help='how many LSTM layers')
    event.add_argument('--streams', type=int, default=64, help='performances side by side')
    event.add_argument('--steps', type=int, default=128, help='events between two updates')
    event.add_argument('--rate', type=float, default=3e-3, help='highest learning rate')
    event.add_argument('--evaluate-every', type=int, default=300, help='batches')
    event.add_argument('--patience', type=int, default=12, help='evaluations without a better')
    event.add_argument('--threads', type=int, default=0, help='0: all the machine has')
    event.add_argument('--measure', nargs='*', default=[], help='more folders for the card')
    event.add_argument('--terms', default='not stated', help='licence of the data, for the card')

    chunk = parser.add_argument_group('chunk')
    chunk.add_argument(
        '--generate', type=int, default=0, metavar='N', help='then write N chunks: generated.txt'
    )


def run(arguments: argparse.Namespace) -> int:
    """Train; return the exit code. A run that was interrupted goes on when started again."""
    if not (find_spec('keras') and find_spec('tensorflow')):
        print("training needs Keras: pip install 'improv_ros[train]'", file=sys.stderr)
        return 1
    try:
        return {'improviser': _improviser, 'chunk': _chunk}[arguments.model](arguments)
    except (DatasetError, EventTextError, OSError, ValueError) as error:
        print(f'improv train: {error}', file=sys.stderr)
        return 1


def _improviser(arguments: argparse.Namespace) -> int:
    from .train_event_lstm import Options, train

    if not arguments.data:
        raise ValueError('name one or more folders of MIDI files: --data FOLDER')
    names = set(Options.__dataclass_fields__) - {'command'}
    options = {name: getattr(arguments, name) for name in names}
    model = train(
        Options(**options, command=f'improv {shlex.join(sys.argv[1:])}'), not arguments.quiet
    )
    print(f'{model}: trained; its card is {model.with_suffix(".md")}')
    return 0


def _chunk(arguments: argparse.Namespace) -> int:
    from .chunk import generate, train_chunk_model

    if not arguments.text:
        raise ValueError('name the event text to learn: improv train --model chunk FILE.txt')
    out = Path(arguments.out)
    text = Path(arguments.text).read_text(encoding='utf-8')
    epochs = max(1, round(arguments.epochs)) if arguments.epochs else 60
    losses = train_chunk_model(text, out, epochs, arguments.seed, not arguments.quiet)
    print(f'{out / "chunk.keras"}: {losses[-1]:.3f} nats per chunk after {epochs} epochs')
    if arguments.generate:
        generated = out / 'generated.txt'
        generated.write_text(generate(out, arguments.generate, arguments.seed), encoding='utf-8')
        print(f'{generated}: {arguments.generate} chunks')
    return 0
