# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Which heard note is which sent note, and how well a transcription did."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

TOLERANCE = 0.05  # seconds; the usual one of transcription


class Note(Protocol):
    """What both sides of a match have. onset: seconds."""

    @property
    def onset(self) -> float: ...
    @property
    def pitch(self) -> int: ...
    @property
    def velocity(self) -> int: ...


class Figures(NamedTuple):
    """Counts of a transcription, over one recording or several."""

    sent: int
    heard: int
    matched: int

    @property
    def f1(self) -> float:
        """The F1 of onsets."""
        return 2 * self.matched / max(1, self.sent + self.heard)

    def plus(self, other: Figures) -> Figures:
        """Return the sums."""
        return Figures(*(a + b for a, b in zip(self, other, strict=True)))


def match(
    sent: Sequence[Note],
    heard: Sequence[Note],
    lag: Callable[[int], float] = lambda velocity: 0.0,
    tolerance: float = TOLERANCE,
) -> list[tuple[int, int]]:
    """Return the pairs of indices of notes with the same pitch and onset, each note in one pair.

    lag: seconds from sending a note to hearing it, by velocity. The closest pairs are taken first.
    """
    by_pitch: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for place, note in enumerate(heard):
        by_pitch[note.pitch].append((note.onset, place))
    for found in by_pitch.values():
        found.sort()
    near = []
    for place, note in enumerate(sent):
        expected = note.onset + lag(note.velocity)
        found = by_pitch.get(note.pitch, [])
        for onset, other in found[bisect_left(found, (expected - tolerance, -1)) :]:
            if onset > expected + tolerance:
                break
            near.append((abs(onset - expected), place, other))
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, place, other in sorted(near):
        if place not in pairs and other not in taken:
            pairs[place] = other
            taken.add(other)
    return sorted(pairs.items())


def figures(
    sent: Sequence[Note],
    heard: Sequence[Note],
    lag: Callable[[int], float] = lambda velocity: 0.0,
) -> Figures:
    """Return the counts of a transcription."""
    return Figures(len(sent), len(heard), len(match(sent, heard, lag)))


def loop_lag(sent: Sequence[Note], heard: Sequence[Note], longest: float) -> float | None:
    """Return the lag, up to `longest` seconds, near which most notes were heard; None: none is.

    Lags of unrelated notes of a pitch are spread wide; those of a sent note and its sound cluster.
    """
    by_pitch: dict[int, list[float]] = defaultdict(list)
    for note in sent:
        by_pitch[note.pitch].append(note.onset)
    lags = sorted(
        note.onset - onset
        for note in heard
        for onset in by_pitch.get(note.pitch, [])
        if -TOLERANCE <= note.onset - onset <= longest
    )
    if not lags:
        return None
    sizes = [bisect_left(lags, lag + 2 * TOLERANCE) - place for place, lag in enumerate(lags)]
    size = max(sizes)
    first = sizes.index(size)
    if size < max(3, 0.1 * len(sent)):
        return None
    return lags[first + size // 2]
