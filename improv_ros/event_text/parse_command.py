"""`improv parse`: a MIDI file to event text."""

from __future__ import annotations

import argparse
import io
import sys

from improv_ros.event_text.formatting import format_text
from improv_ros.event_text.kinds import KINDS, kind_named
from improv_ros.event_text.midi_files import MidiFileError, midi_to_text, read_midi
from improv_ros.event_text.shell import STANDARD, CommandError, read_input, write_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument('file', metavar='FILE.mid', help='MIDI file; - for standard input')
    parser.add_argument(
        '-o',
        '--output',
        metavar='FILE.txt',
        default=STANDARD,
        help='where the text goes (default: standard output)',
    )
    parser.add_argument(
        '--kinds',
        type=_kinds,
        help=f'only these kinds of events, such as no,st,cc (default: all of {",".join(KINDS)})',
    )
    parser.add_argument('--track', type=int, metavar='N', help='only this track, counted from 0')


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    source = arguments.file
    try:
        midi = read_midi(io.BytesIO(read_input(source)))
        text = format_text(midi_to_text(midi, arguments.kinds, arguments.track))
        write_output(arguments.output, text.encode('ascii'))
    except CommandError as error:
        print(f'improv parse: {error}', file=sys.stderr)
        return 1
    except (MidiFileError, ValueError) as error:
        print(f'improv parse: {source}: {error}', file=sys.stderr)
        return 1
    return 0


def _kinds(names: str) -> frozenset[str]:
    try:
        return frozenset(kind_named(name).name for name in names.split(','))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
