# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv synthesize`: synthesize recordings to train the transcriber on."""

import argparse
from pathlib import Path
import shlex
import sys

from improv_ros.training.synthesis.synthesis_error import SynthesisError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument('out', metavar='OUT', help='folder for the recordings')
    parser.add_argument(
        '--hours', type=float, required=True, help='duration of the training set in hours'
    )
    parser.add_argument(
        '--held-out-hours',
        type=float,
        default=0,
        help='duration in hours of a set on the pianos that are held out (default: 0)',
    )
    parser.add_argument(
        '--pianos',
        required=True,
        metavar='FILE',
        help='YAML file that lists the pianos (docs/training_data.md)',
    )
    parser.add_argument(
        '--sounds',
        default='.',
        metavar='FOLDER',
        help='folder of the sample files of the pianos (default: the current folder)',
    )
    parser.add_argument(
        '--music',
        nargs='+',
        default=[],
        metavar='FOLDER',
        help='folders of MIDI files, searched recursively (default: none, exercises alone)',
    )
    parser.add_argument(
        '--terms',
        nargs='+',
        default=[],
        help='licence terms of each folder of --music, in its order (default: not stated)',
    )
    parser.add_argument(
        '--leave-out',
        nargs='+',
        default=[],
        metavar='NAME',
        help='names of MIDI files to leave out, without suffix (default: none)',
    )
    parser.add_argument(
        '--rooms',
        metavar='FOLDER',
        help='folder of measured impulse responses, mono at 16 kHz (default: none)',
    )
    parser.add_argument(
        '--noise',
        nargs='+',
        default=[],
        metavar='FOLDER',
        help='folders of recordings in which nobody plays, mono at 16 kHz (default: none)',
    )
    parser.add_argument(
        '--nobody-plays',
        action='store_true',
        help='make recordings of noise and speech, without a piano; needs espeak-ng',
    )
    parser.add_argument(
        '--seed', type=int, default=1, help='seed of the random numbers (default: 1)'
    )
    parser.add_argument(
        '--processes', type=int, default=1, help='number of processes (default: 1)'
    )
    parser.add_argument(
        '--cache',
        metavar='FOLDER',
        help='folder for decoded MIDI files and sampled pianos (default: OUT/cache)',
    )
    parser.add_argument('--quiet', action='store_true', help='show no progress bar')


def run(arguments: argparse.Namespace) -> int:
    """Make the set; return the exit code. The same command resumes one that was interrupted."""
    from improv_ros.training.synthesis.measured import find_measured
    from improv_ros.training.synthesis.pianos import read_pianos
    from improv_ros.training.synthesis.set_building import SetOptions, build_set

    out = Path(arguments.out)
    try:
        pianos = read_pianos(Path(arguments.pianos), Path(arguments.sounds))
        options = SetOptions(
            out=out,
            hours=arguments.hours,
            held_out_hours=arguments.held_out_hours,
            pianos=pianos,
            music=[Path(folder) for folder in arguments.music],
            terms=arguments.terms,
            leave_out=arguments.leave_out,
            nobody_plays=arguments.nobody_plays,
            measured=find_measured(
                Path(arguments.rooms) if arguments.rooms else None,
                [Path(folder) for folder in arguments.noise],
            ),
            seed=arguments.seed,
            processes=arguments.processes,
            cache=Path(arguments.cache) if arguments.cache else out / 'cache',
            command=f'improv {shlex.join(sys.argv[1:])}',
        )
        manifest = build_set(options, not arguments.quiet)
    except (SynthesisError, OSError) as error:
        print(f'improv synthesize: {error}', file=sys.stderr)
        return 1
    counts = ', '.join(f'{len(made)} in {part}' for part, made in manifest['recordings'].items())
    print(f'{out}: {counts}')
    return 0
