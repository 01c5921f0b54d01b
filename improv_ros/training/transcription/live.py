"""Hears a recording as the transcriber node hears a microphone, and keeps the time it takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import time

import numpy as np

from improv_ros.event_text import TimedEvent, is_note_on
from improv_ros.listening.hearing import Hearing

from .estimators import load_estimator, transcriber
from .heard import Heard, Timing
from .recordings import NANOSECONDS, Recording, chunks, notes_of


def hear(recording: Recording, model: str, settings: Mapping[str, float]) -> Heard:
    """Hear a recording chunk by chunk, each as soon as it and all before it are done with."""
    hearing = Hearing(transcriber(load_estimator(model), settings))
    events: list[TimedEvent] = []
    arrivals: dict[tuple[int, int], tuple[float, float]] = {}
    free = computing = 0.0
    for chunk in chunks(recording):
        complete = (chunk.time + chunk.duration) / NANOSECONDS
        began, processor = time.perf_counter(), time.process_time()
        understood = hearing.hear(chunk)
        free = max(free, complete) + time.perf_counter() - began
        computing += time.process_time() - processor
        _arrive(understood, complete, free, arrivals)
        events += understood
    rest = hearing.flush()
    _arrive(rest, recording.seconds, free, arrivals)
    notes = notes_of(events + rest)
    when = np.array([arrivals[round(note[0] * NANOSECONDS), int(note[2])] for note in notes])
    known, published = when.reshape(-1, 2).T
    return Heard(notes, Timing(known, published, computing, _resident_megabytes()))


def _arrive(
    events: list[TimedEvent],
    known: float,
    published: float,
    arrivals: dict[tuple[int, int], tuple[float, float]],
) -> None:
    for event in events:
        if is_note_on(event):
            arrivals[event.time, event.values[0]] = known, published


def _resident_megabytes() -> float:
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) / 1024
    return float('nan')
