# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Real performances for the benchmarks of the improviser, and the options that these share."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
import time

import numpy as np

from improv_ros.event_text import SECOND, TimedEvent, is_note_on, midi_to_text, read_midi, to_timed

MS = SECOND // 1000
PLAYED = ('no', 'nf', 'cc')


def add_folder_argument(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    """Declare the folder of performances."""
    parser.add_argument(
        'folder',
        nargs='?' if optional else None,
        type=Path,
        metavar='FOLDER',
        help='folder of MIDI files of piano performances',
    )


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the model file of the improviser."""
    parser.add_argument(
        '--model',
        default='',
        metavar='FILE',
        help='model file of the improviser (default: the shipped one)',
    )


def add_clock_argument(parser: argparse.ArgumentParser) -> None:
    """Declare which clock is used."""
    parser.add_argument(
        '--processor-time',
        action='store_true',
        help='measure the processor time of this process instead of real time: for a machine '
        'that does other work too',
    )


def clock_of(processor_time: bool) -> Callable[[], float]:
    """Return the clock to measure with, in seconds: real time, or this process's own."""
    return time.process_time if processor_time else time.perf_counter


def performances(folder: Path, number: int, seed: int = 1) -> list[list[TimedEvent]]:
    """Return `number` random performances of a folder, each from its first note-on.

    Raises ValueError if the folder has no MIDI files.
    """
    files = sorted(folder.rglob('*.mid*'))
    if not files:
        raise ValueError(f'{folder} holds no MIDI file')
    chosen = np.random.default_rng(seed).permutation(len(files))[:number]
    return [_from_first_note(to_timed(midi_to_text(read_midi(files[i])))) for i in chosen]


def _from_first_note(events: list[TimedEvent]) -> list[TimedEvent]:
    start = next(event.time for event in events if is_note_on(event))
    return [
        event._replace(time=event.time - start)
        for event in events
        if event.time >= start and event.kind in PLAYED
    ]


def notes(events: Iterable[TimedEvent]) -> np.ndarray:
    """Return the onset (s), pitch and velocity of each note, float (notes, 3)."""
    begun = [(event.time / SECOND, *event.values[:2]) for event in events if is_note_on(event)]
    return np.array(begun, np.float64).reshape(-1, 3)
