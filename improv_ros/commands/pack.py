# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv pack`: pack folders of MIDI files into one data set file."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
import tempfile

from improv_ros.training.improviser.dataset import load_dataset, pack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        'folders', nargs='+', metavar='FOLDER', help='folders of MIDI files, searched recursively'
    )
    parser.add_argument(
        '--out',
        required=True,
        metavar='FILE.npz',
        help='file to write, for --data and --validation of `improv train`',
    )
    parser.add_argument(
        '--cache',
        metavar='FOLDER',
        help='folder in which the decoded MIDI files are kept (default: none)',
    )
    parser.add_argument('--quiet', action='store_true', help='show no progress bar')


def run(arguments: argparse.Namespace) -> int:
    """Pack; return the exit code."""
    try:
        with tempfile.TemporaryDirectory() as temporary:
            cache = Path(arguments.cache or temporary)
            dataset = load_dataset(arguments.folders, cache, not arguments.quiet)
        pack(dataset, Path(arguments.out))
    except (OSError, ValueError) as error:
        print(f'improv pack: {error}', file=sys.stderr)
        return 1
    print(dataset.report())
    return 0
