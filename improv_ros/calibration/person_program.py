# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The keys that a calibration asks a person to press, and which of them were heard.

A person presses a few keys of any pitch, at any time, with the dynamics asked for. Which key it
was, the transcriber finds; when it sounded, the samples tell. Nobody knows when it was pressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.calibration.hop_outputs import HeardNote
from improv_ros.calibration.note_program import SentNote
from improv_ros.calibration.onset_times import onset_time

_ALONE = 0.1  # seconds; what is heard closer together is one key and its partials
_AS_LOUD = 10  # MIDI velocities; a key's octave may be heard a little louder than the key


class Request(NamedTuple):
    """What a person is asked for. velocity: what it stands for. notes: how many are needed."""

    what: str
    velocity: int
    notes: int


# The velocities of p, mf and f as notation programs play them (MuseScore: 49, 80, 96).
TEST = (Request('press six keys at medium loudness, low, middle and high', 80, 6),)
REQUESTS = (
    Request('press single keys softly, low, middle and high', 49, 24),
    Request('press single keys at medium loudness, low, middle and high', 80, 24),
    Request('press single keys loudly, low, middle and high', 96, 24),
)


class Span(NamedTuple):
    """When a request was played, in seconds of the recording, and the velocity it stands for."""

    begin: float
    end: float
    velocity: int


def person_notes(
    heard: Sequence[HeardNote],
    spans: Sequence[Span],
    samples: npt.NDArray[np.float32],
    sample_rate: int,
    onset_bias: float,
) -> list[SentNote]:
    """Return the keys that a person pressed, in the order of time.

    heard: what a network heard, `onset_bias` seconds late. samples: mono. A note's onset is when
    it begins to sound; notes without a clear beginning are left out. Its velocity is the one that
    was asked for.
    """
    notes = []
    for note in _key_of_each_stroke(heard):
        span = next((s for s in spans if s.begin <= note.onset < s.end), None)
        if span is None:
            continue
        begin = onset_time(samples, sample_rate, note.pitch, note.onset - onset_bias)
        if begin is not None:
            notes.append(SentNote(begin, max(note.offset, begin), note.pitch, span.velocity))
    return sorted(notes)


def _key_of_each_stroke(heard: Sequence[HeardNote]) -> list[HeardNote]:
    """Return one note of each stroke: the lowest of those about as loud as the loudest."""
    strokes: list[list[HeardNote]] = []
    for note in sorted(heard):
        if strokes and note.onset - strokes[-1][0].onset < _ALONE:
            strokes[-1].append(note)
        else:
            strokes.append([note])
    keys = []
    for stroke in strokes:
        loudest = max(note.velocity for note in stroke)
        loud = [note for note in stroke if note.velocity >= loudest - _AS_LOUD]
        keys.append(min(loud, key=lambda note: note.pitch))
    return keys
