# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv render`: convert event text to a MIDI or WAV file."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
import sys

from improv_ros.commands.standard_streams import STANDARD, CommandError, read_input, write_output
from improv_ros.event_text.events import EventTextError, Text
from improv_ros.event_text.midi_files import MidiFileError, text_to_midi, write_midi
from improv_ros.event_text.tempo import to_timed
from improv_ros.event_text.text_format import parse

SAMPLE_RATE = 44100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('file', metavar='FILE.txt', help='event text; - for standard input')
    parser.add_argument(
        '-o',
        '--output',
        metavar='FILE.mid|FILE.wav',
        required=True,
        help='MIDI or WAV file to write; - writes MIDI to standard output',
    )
    parser.add_argument(
        '--soundfont',
        default='',
        help='soundfont for a WAV file (default: the first one that is installed)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    source, target = arguments.file, arguments.output
    ending = '.mid' if target == STANDARD else Path(target).suffix.lower()
    if ending not in ('.mid', '.midi', '.wav'):
        print(f'improv render: {target} ends neither in .mid nor in .wav', file=sys.stderr)
        return 2
    try:
        # An editor on Windows ends lines with CR LF.
        text = parse(read_input(source).replace(b'\r\n', b'\n'))
        if ending == '.wav':
            _write_sound(text, target, arguments.soundfont)
        else:
            midi = io.BytesIO()
            write_midi(text_to_midi(text), midi)
            write_output(target, midi.getvalue())
    except CommandError as error:
        print(f'improv render: {error}', file=sys.stderr)
        return 1
    except (EventTextError, MidiFileError, ValueError) as error:
        print(f'improv render: {source}: {error}', file=sys.stderr)
        return 1
    return 0


def _write_sound(text: Text, target: str, soundfont: str) -> None:
    from improv_ros.playing import PlayingError
    from improv_ros.playing.synth.rendering import render, write_wav

    # From tick zero, so that the file keeps a rest at the beginning.
    events = to_timed(text, start=0)
    try:
        write_wav(target, render(events, soundfont, SAMPLE_RATE, start=0), SAMPLE_RATE)
    except (PlayingError, ImportError) as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f'{target}: {error.strerror or error}') from None
