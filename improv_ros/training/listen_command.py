"""`improv listen`: hear what a network makes of real openings."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

import numpy as np

from improv_ros.event_text import from_timed, text_to_midi
from improv_ros.inference.errors import ModelError

from .dataset import DatasetError, midi_files, read_performance

SAMPLE_RATE = 44100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('folder', help='folder of MIDI files to take the openings from')
    parser.add_argument('--out', required=True, help='folder for the WAV and MIDI files')
    parser.add_argument('--model', default='', help='model file; default: the shipped one')
    parser.add_argument('--openings', type=int, default=6, help='how many (default 6)')
    parser.add_argument('--opening', type=float, default=10, help='seconds of each (default 10)')
    parser.add_argument('--seconds', type=float, default=50, help='of improvising (default 50)')
    parser.add_argument('--seed', type=int, default=1, help='of all chance (default 1)')
    parser.add_argument('--soundfont', default='', help='default: the first that is installed')


def run(arguments: argparse.Namespace) -> int:
    """Write a WAV and a MIDI file for each opening; return the exit code."""
    from improv_ros.improvising import load_model
    from improv_ros.playing.errors import PlayingError
    from improv_ros.playing.render import render, write_wav

    from .continuation import go_on, opening_of

    out = Path(arguments.out)
    try:
        files = midi_files(Path(arguments.folder))
        model = load_model(arguments.model)
        out.mkdir(parents=True, exist_ok=True)
        places = np.linspace(0, len(files) - 1, min(arguments.openings, len(files)))
        for number, place in enumerate(places.round().astype(int)):
            source = files[place]
            opening = opening_of(read_performance(source), arguments.opening)
            answer = go_on(model, opening, arguments.seconds, arguments.seed + number)
            target = out / f'{number + 1}-{source.stem}.wav'
            music = [*opening, *answer]
            text_to_midi(from_timed(music)).save(target.with_suffix('.mid'))
            write_wav(target, render(music, arguments.soundfont, SAMPLE_RATE), SAMPLE_RATE)
            print(
                f'{target}: {arguments.opening:g} s of {source.name}, then the robot', flush=True
            )
    except (DatasetError, ModelError, OSError, PlayingError, ValueError) as error:
        print(f'improv listen: {error}', file=sys.stderr)
        return 1
    return 0
