# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv continue`: render continuations of real performances by the improviser."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

import numpy as np

from improv_ros.event_text import from_timed, text_to_midi
from improv_ros.inference.model_error import ModelError
from improv_ros.training.improviser.dataset import DatasetError, midi_files, read_performance

SAMPLE_RATE = 44100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument('folder', metavar='FOLDER', help='folder of MIDI files to continue')
    parser.add_argument(
        '--out', required=True, metavar='FOLDER', help='folder for the WAV and MIDI files'
    )
    parser.add_argument(
        '--model',
        default='',
        metavar='FILE',
        help='model file of the improviser (default: the network of this package)',
    )
    parser.add_argument(
        '--openings',
        type=int,
        default=6,
        help='number of MIDI files to continue, evenly spaced in the folder (default: 6)',
    )
    parser.add_argument(
        '--opening',
        type=float,
        default=10,
        help='duration of each opening in seconds (default: 10)',
    )
    parser.add_argument(
        '--seconds',
        type=float,
        default=50,
        help='duration of each continuation in seconds (default: 50)',
    )
    parser.add_argument(
        '--seed', type=int, default=1, help='seed of the random numbers (default: 1)'
    )
    parser.add_argument(
        '--soundfont',
        default='',
        metavar='FILE',
        help='soundfont to render with (default: the first one that is installed)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Write a WAV and a MIDI file for each opening; return the exit code."""
    from improv_ros.improvising import load_model
    from improv_ros.playing import PlayingError
    from improv_ros.playing.synth.rendering import render, write_wav
    from improv_ros.training.improviser.continuation import continue_from, opening_of

    out = Path(arguments.out)
    try:
        files = midi_files(Path(arguments.folder))
        model = load_model(arguments.model)
        out.mkdir(parents=True, exist_ok=True)
        places = np.linspace(0, len(files) - 1, min(arguments.openings, len(files)))
        for number, place in enumerate(places.round().astype(int)):
            source = files[place]
            opening = opening_of(read_performance(source), arguments.opening)
            answer = continue_from(model, opening, arguments.seconds, arguments.seed + number)
            target = out / f'{number + 1}-{source.stem}.wav'
            music = [*opening, *answer]
            text_to_midi(from_timed(music)).save(target.with_suffix('.mid'))
            write_wav(target, render(music, arguments.soundfont, SAMPLE_RATE), SAMPLE_RATE)
            print(
                f'{target}: {arguments.opening:g} s of {source.name}, then the improviser',
                flush=True,
            )
    except (DatasetError, ModelError, OSError, PlayingError, ValueError) as error:
        print(f'improv continue: {error}', file=sys.stderr)
        return 1
    return 0
