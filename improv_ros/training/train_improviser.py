"""`improv train --model improviser` or `performance-rnn`: an LSTM over performances."""

from __future__ import annotations

import argparse
import shlex
import sys

from .parallel import Together

# Sizes and learning rate where none are said: the shipped network's, and those published.
DEFAULTS = {
    'improviser': {'units': 384, 'depth': 1, 'rate': 3e-3},
    'performance-rnn': {'units': 512, 'depth': 3, 'rate': 1e-3},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what these models need."""
    group = parser.add_argument_group('improviser and performance-rnn')
    group.add_argument(
        '--data', nargs='+', default=[], help='folders of MIDI files, searched through'
    )
    group.add_argument(
        '--develop', default='', help='folder to judge by; default: works held out of the data'
    )
    group.add_argument(
        '--develop-notes', type=int, default=100_000, help='judge by about so many notes'
    )
    group.add_argument('--measure', nargs='*', default=[], help='more folders for the card')
    group.add_argument('--cache', default='', help='folder to keep what was read of the data')
    group.add_argument(
        '--pedal',
        choices=['played', 'applied'],
        default='played',
        help='improviser: an event of its own, or, to compare with performance-rnn, applied to '
        'the ends of notes',
    )
    group.add_argument(
        '--memory',
        choices=['events', 'notes'],
        default='events',
        help='improviser: what moves the memory: every event, or each note once',
    )
    group.add_argument(
        '--weight',
        nargs='+',
        default=[],
        type=_weight,
        metavar='COMPOSER=N',
        help='hear a composer N times an epoch (the folders have an index.csv)',
    )
    group.add_argument(
        '--shake', type=float, default=0, help='move each velocity at random (deviation)'
    )
    group.add_argument(
        '--jitter', type=float, default=0, help="move each event's time at random (deviation, ms)"
    )
    group.add_argument('--start-from', default='', help='a .keras file to fine-tune')
    group.add_argument('--units', type=int, help='of each LSTM layer')
    group.add_argument('--depth', type=int, help='how many LSTM layers')
    group.add_argument('--dropout', type=float, default=0, help='between layers')
    group.add_argument('--streams', type=int, default=64, help='performances side by side')
    group.add_argument('--steps', type=int, default=128, help='steps between two updates')
    group.add_argument('--rate', type=float, help='highest learning rate')
    group.add_argument(
        '--precision',
        choices=['full', 'mixed'],
        default='full',
        help='mixed: bfloat16 arithmetic, for a GPU or a processor that has it',
    )
    group.add_argument('--evaluate-every', type=int, default=300, help='batches')
    group.add_argument('--patience', type=int, default=12, help='evaluations without a better')
    group.add_argument('--processes', type=int, default=1, help='training together (JAX)')
    group.add_argument('--process', type=int, default=0, help='which of them this is, from 0')
    group.add_argument('--meet', default='', metavar='HOST:PORT', help='of process 0')


def run(arguments: argparse.Namespace) -> int:
    """Train; return the exit code."""
    from .train_event_lstm import Options, train

    if not arguments.data:
        raise ValueError('name one or more folders of MIDI files: --data FOLDER')
    for name, value in DEFAULTS[arguments.model].items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    if arguments.model == 'performance-rnn':
        arguments.representation = 'performance-rnn'
    else:
        arguments.representation = {'played': 'as-played', 'applied': 'sounding'}[arguments.pedal]
    arguments.weight = dict(arguments.weight)
    together = Together(arguments.processes, arguments.process, arguments.meet)
    options = {
        name: getattr(arguments, name)
        for name in Options.__dataclass_fields__
        if name != 'command'
    }
    command = f'improv {shlex.join(sys.argv[1:])}'
    model = train(Options(**options, command=command), not arguments.quiet, together)
    print(f'{model}: trained; its card is {model.with_suffix(".md")}')
    return 0


def _weight(text: str) -> tuple[str, int]:
    composer, _, factor = text.rpartition('=')
    if not composer or not factor.isdecimal() or not int(factor):
        raise argparse.ArgumentTypeError(f'{text!r} is not COMPOSER=N with a whole N from 1')
    return composer, int(factor)
