"""`improv evaluate`: measure how well a network knows real performances, or hears recordings."""

import argparse

from . import evaluate_improviser
from .transcription import evaluate as evaluate_transcriber


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        'folder', help='folder of MIDI files of piano performances, or of recordings'
    )
    parser.add_argument(
        '--model',
        default='improviser',
        help='a .keras file, or improviser: the one that comes with the package; or transcriber',
    )
    parser.add_argument('--cache', help='folder to keep what was read, for the next time')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    evaluate_improviser.add_arguments(parser)
    evaluate_transcriber.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure; return the exit code."""
    if arguments.model == 'transcriber':
        return evaluate_transcriber.run(arguments)
    return evaluate_improviser.run(arguments)
