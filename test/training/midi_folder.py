# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Folders of small generated performances."""

from pathlib import Path

import numpy as np

from improv_ros.event_text import (
    TimedEvent,
    control_change,
    from_timed,
    note_off,
    note_on,
    text_to_midi,
)

MS = 1_000_000


def scales(seed: int, notes: int) -> list[TimedEvent]:
    """Return a scale up and down, in a key and tempo of its own: something to learn."""
    random = np.random.default_rng(seed)
    tonic, beat = int(random.integers(45, 65)), int(random.integers(120, 240))
    ladder = [0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5, 4, 2]
    events = [control_change(0, 64, 127)]
    for number in range(notes):
        pitch, onset = tonic + ladder[number % len(ladder)], number * beat * MS
        events += [note_on(onset, pitch, 60 + number % 20)]
        events += [note_off(onset + (beat - 20) * MS, pitch)]
    return [*events, control_change(events[-1].time, 64, 0)]


def write_midi(path: Path, events: list[TimedEvent]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text_to_midi(from_timed(events)).save(path)


def folder_of_scales(folder: Path, pieces: int, notes: int) -> Path:
    for number in range(pieces):
        write_midi(folder / f'scale{number:02}.mid', scales(number, notes))
    return folder
