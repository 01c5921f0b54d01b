# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A phrase that the person plays, and its statistics: density, register, loudness, tonality."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from improv_ros.event_text import SECOND

MAX_NOTES = 200  # the statistics of a longer phrase are those of its end
MIN_NOTES_FOR_DENSITY = 3
MIN_SECONDS_FOR_DENSITY = 0.5


class PhraseStatistics(NamedTuple):
    """What an answer imitates.

    density: notes per second, None for fewer than three notes; pitch, velocity: means, as MIDI
    numbers, each with its standard deviation; tonic: pitch class, 0 (C) to 11.
    """

    density: float | None
    pitch: float
    pitch_deviation: float
    velocity: float
    velocity_deviation: float
    tonic: int


class Phrase:
    """A heard phrase, from the first onset to the latest press or release, in nanoseconds."""

    def __init__(self, start: int) -> None:
        self.start = self.latest = start
        self._notes: deque[tuple[int, int, int]] = deque(maxlen=MAX_NOTES)

    def add_note(self, time: int, pitch: int, velocity: int) -> None:
        """Add the onset of a note."""
        self._notes.append((time, pitch, velocity))
        self.add_release(time)

    def revise_note(
        self, before: tuple[int, int, int] | None, after: tuple[int, int, int] | None
    ) -> None:
        """Put right a note (onset, pitch, velocity); None: there was, or is, none.

        When the phrase ends is not changed.
        """
        if before is not None:
            if before not in self._notes:
                return
            self._notes.remove(before)
        if after is not None and after not in self._notes:
            self._notes.append(after)

    @property
    def notes(self) -> int:
        """The number of its notes, up to `MAX_NOTES`."""
        return len(self._notes)

    def add_release(self, time: int) -> None:
        """Add the release of a key."""
        self.latest = max(self.latest, time)

    @property
    def duration(self) -> int:
        """Nanoseconds from the first onset to the latest press or release."""
        return self.latest - self.start

    @property
    def statistics(self) -> PhraseStatistics:
        """The statistics of the latest `MAX_NOTES` notes."""
        notes = np.array(self._notes, np.float64)
        onsets, pitches, velocities = notes.T
        seconds = max((self.latest - onsets.min()) / SECOND, MIN_SECONDS_FOR_DENSITY)
        return PhraseStatistics(
            len(notes) / seconds if len(notes) >= MIN_NOTES_FOR_DENSITY else None,
            float(pitches.mean()),
            float(pitches.std()),
            float(velocities.mean()),
            float(velocities.std()),
            tonic_of(pitch for _, pitch, _ in self._notes),
        )


# How well each degree, in semitones above the tonic, fits a major and a minor tonality: the
# probe-tone ratings of Krumhansl and Kessler, "Tracing the dynamic changes in perceived tonal
# organization in a spatial representation of musical keys", Psychological Review 89 (1982).
_DEGREE_RATINGS = np.array(
    [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    ]
)
_TONALITIES = np.concatenate(
    [[np.roll(ratings, tonic) for tonic in range(12)] for ratings in _DEGREE_RATINGS]
)
_TONALITIES -= _TONALITIES.mean(axis=1, keepdims=True)
_TONALITIES /= np.linalg.norm(_TONALITIES, axis=1, keepdims=True)


def tonic_of(pitches: Iterable[int]) -> int:
    """Return the tonic, 0 (C) to 11, of the tonality that fits MIDI pitches best; 0 for none.

    It is the tonality whose ratings correlate best with how often each pitch class occurs
    (Krumhansl and Schmuckler; in Krumhansl, "Cognitive Foundations of Musical Pitch", 1990).
    """
    counts = np.bincount(np.fromiter(pitches, int) % 12, minlength=12)
    return int((_TONALITIES @ counts).argmax()) % 12
