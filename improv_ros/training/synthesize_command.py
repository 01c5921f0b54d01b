"""`improv synthesize`: make recordings to train the transcriber on."""

import argparse
from pathlib import Path
import shlex
import sys

from .synthesis.errors import SynthesisError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('out', metavar='OUT', help='folder for the recordings')
    parser.add_argument('--hours', type=float, required=True, help='to train on')
    parser.add_argument(
        '--held-out-hours', type=float, default=0, help='on the piano that is held out'
    )
    parser.add_argument(
        '--pianos',
        required=True,
        metavar='FILE',
        help='YAML: the pianos, as in docs/training_data.md',
    )
    parser.add_argument(
        '--sounds', default='.', metavar='FOLDER', help='where the sample files of the pianos are'
    )
    parser.add_argument(
        '--music', nargs='+', default=[], metavar='FOLDER', help='MIDI files, searched through'
    )
    parser.add_argument(
        '--terms', nargs='+', default=[], help='licence of each folder of music, in turn'
    )
    parser.add_argument(
        '--leave-out', nargs='+', default=[], metavar='NAME', help='MIDI files not to use'
    )
    parser.add_argument(
        '--nobody-plays', action='store_true', help='noise and speech alone; needs espeak-ng'
    )
    parser.add_argument('--seed', type=int, default=1, help='of all chance (default 1)')
    parser.add_argument('--processes', type=int, default=1, help='side by side (default 1)')
    parser.add_argument(
        '--cache', metavar='FOLDER', help='for what is read once (default: OUT/cache)'
    )
    parser.add_argument('--quiet', action='store_true', help='no progress bar')


def run(arguments: argparse.Namespace) -> int:
    """Make the set; return the exit code. One that was interrupted goes on when started again."""
    from .synthesis.building import Order, build_set
    from .synthesis.pianos import read_pianos

    out = Path(arguments.out)
    try:
        pianos = read_pianos(Path(arguments.pianos), Path(arguments.sounds))
        order = Order(
            out=out,
            hours=arguments.hours,
            held_out_hours=arguments.held_out_hours,
            pianos=pianos,
            music=[Path(folder) for folder in arguments.music],
            terms=arguments.terms,
            leave_out=arguments.leave_out,
            nobody_plays=arguments.nobody_plays,
            seed=arguments.seed,
            processes=arguments.processes,
            cache=Path(arguments.cache) if arguments.cache else out / 'cache',
            command=f'improv {shlex.join(sys.argv[1:])}',
        )
        manifest = build_set(order, not arguments.quiet)
    except (SynthesisError, OSError) as error:
        print(f'improv synthesize: {error}', file=sys.stderr)
        return 1
    counts = ', '.join(f'{len(made)} in {part}' for part, made in manifest['recordings'].items())
    print(f'{out}: {counts}')
    return 0
