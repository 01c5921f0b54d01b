# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv parse`: convert a MIDI file to event text."""

from __future__ import annotations

import argparse
import io
import sys

from improv_ros.commands.standard_streams import STANDARD, CommandError, read_input, write_output
from improv_ros.event_text.kinds import KINDS, kind_named
from improv_ros.event_text.midi_files import MidiFileError, midi_to_text, read_midi
from improv_ros.event_text.text_format import format_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('file', metavar='FILE.mid', help='MIDI file; - for standard input')
    parser.add_argument(
        '-o',
        '--output',
        metavar='FILE.txt',
        default=STANDARD,
        help='file for the text (default: standard output)',
    )
    parser.add_argument(
        '--kinds',
        type=_kinds,
        help=f'kinds of events to keep, such as no,st,cc (default: {",".join(KINDS)})',
    )
    parser.add_argument(
        '--track', type=int, metavar='N', help='number of the only track to keep, from 0'
    )


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
