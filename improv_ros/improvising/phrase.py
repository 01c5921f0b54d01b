"""What the person is playing: how long, how dense, how high and how loud."""

from collections import deque
from typing import NamedTuple

import numpy as np

from .key import tonic_of
from .settings import SECOND

LATEST_NOTES = 200  # a long phrase is answered in the manner of its end
FEWEST_NOTES = 3  # fewer have no density


class Character(NamedTuple):
    """How notes sound on the whole.

    density: notes a second, None where there are too few to tell; pitch and velocity: their
    means in MIDI numbers, each with its standard deviation; tonic: of the key, 0 (C) to 11.
    """

    density: float | None
    pitch: float
    pitch_spread: float
    velocity: float
    velocity_spread: float
    tonic: int


class Phrase:
    """From the first onset to the latest press or release, in nanoseconds."""

    def __init__(self, start: int) -> None:
        self.start = self.latest = start
        self._notes: deque[tuple[int, int, int]] = deque(maxlen=LATEST_NOTES)

    def press(self, time: int, pitch: int, velocity: int) -> None:
        """Take in a note that began."""
        self._notes.append((time, pitch, velocity))
        self.release(time)

    def release(self, time: int) -> None:
        """Take in that a note ended."""
        self.latest = max(self.latest, time)

    @property
    def length(self) -> int:
        """Nanoseconds from the first onset to the latest press or release."""
        return self.latest - self.start

    @property
    def character(self) -> Character:
        """How it sounds."""
        notes = np.array(self._notes, np.float64)
        onsets, pitches, velocities = notes.T
        seconds = max((self.latest - onsets.min()) / SECOND, 0.5)
        return Character(
            len(notes) / seconds if len(notes) >= FEWEST_NOTES else None,
            float(pitches.mean()),
            float(pitches.std()),
            float(velocities.mean()),
            float(velocities.std()),
            tonic_of(pitch for _, pitch, _ in self._notes),
        )
