"""Real performances for benchmarks of playing, and how music is summed up."""

from collections.abc import Callable, Iterable
from pathlib import Path
import time

import numpy as np

from improv_ros.event_text import (
    TimedEvent,
    is_note_on,
    midi_to_text,
    read_midi,
    to_timed,
)

SECOND = 1_000_000_000
MS = SECOND // 1000
PLAYED = ('no', 'nf', 'cc')
PROCESSOR_TIME = 'count only the time that this process ran, where the machine does other work too'


def clock_of(processor_time: bool) -> Callable[[], float]:
    """Return the clock to measure with: of the wall, or of the time that this process ran."""
    return time.process_time if processor_time else time.perf_counter


def performances(folder: Path, number: int, seed: int = 1) -> list[list[TimedEvent]]:
    """Return so many performances of a folder, drawn at random, each from its first note on."""
    files = sorted(folder.rglob('*.mid*'))
    if not files:
        raise SystemExit(f'{folder} holds no MIDI file')
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
    """Return the notes that begin: seconds, pitch and velocity, float (notes, 3)."""
    begun = [(event.time / SECOND, *event.values[:2]) for event in events if is_note_on(event)]
    return np.array(begun, np.float64).reshape(-1, 3)
