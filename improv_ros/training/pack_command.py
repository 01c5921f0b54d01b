"""`improv pack`: folders of MIDI files as one small file to train from elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
import tempfile

from .dataset import load_dataset, pack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('folders', nargs='+', help='folders of MIDI files')
    parser.add_argument('--out', required=True, help='the .npz file, for --data and --develop')
    parser.add_argument('--cache', help='folder to keep what was read, for the next time')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')


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
