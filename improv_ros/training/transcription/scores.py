"""How much of what was played was heard, and when. The figures are those of mir_eval.

An onset counts within 50 ms at the right pitch; an offset within 50 ms or a fifth of the note,
whichever is more; a velocity within a tenth, after a line has been fitted to all of them. See
Raffel et al., "mir_eval: a transparent implementation of common MIR metrics", ISMIR 2014, and for
velocities Hawthorne et al., "Onsets and Frames", ISMIR 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import mir_eval
import numpy as np
import numpy.typing as npt

from .recordings import Notes

Floats = npt.NDArray[np.float64]
_OFFSET_RATIO = 0.2
_VELOCITY_TOLERANCE = 0.1  # of the span of all velocities


@dataclass(frozen=True)
class Score:
    """Counts over one recording or several, and each matched note.

    pairs: (matched, 2), places in the true and in the heard notes. errors: seconds by which the
    matched notes were dated late.
    """

    reference: int
    estimated: int
    matched: int
    with_offset: int
    with_velocity: int
    errors: Floats

    @property
    def precision(self) -> float:
        return self.matched / max(1, self.estimated)

    @property
    def recall(self) -> float:
        return self.matched / max(1, self.reference)

    @property
    def onset_f1(self) -> float:
        return self._f1(self.matched)

    @property
    def offset_f1(self) -> float:
        return self._f1(self.with_offset)

    @property
    def velocity_f1(self) -> float:
        return self._f1(self.with_velocity)

    def _f1(self, matched: int) -> float:
        return 2 * matched / max(1, self.reference + self.estimated)


def compare(reference: Notes, estimated: Notes) -> Score:
    """Score what was heard against what was played."""
    pairs = match(reference, estimated)
    return Score(
        len(reference),
        len(estimated),
        len(pairs),
        len(match(reference, estimated, _OFFSET_RATIO)),
        _with_velocity(pairs, reference, estimated),
        estimated[pairs[:, 1], 0] - reference[pairs[:, 0], 0],
    )


def total(scores: Sequence[Score]) -> Score:
    """All recordings taken together, each note counting once."""
    sums = [sum(getattr(score, field.name) for score in scores) for field in fields(Score)[:-1]]
    return Score(*sums, np.concatenate([score.errors for score in scores]))


def match(
    reference: Notes, estimated: Notes, offset_ratio: float | None = None
) -> npt.NDArray[np.int64]:
    """Return pairs of places, (matched, 2), of the notes that are the same in both."""
    pairs = [np.zeros((0, 2), np.int64)]
    # Pitch by pitch: all at once takes the memory of every note against every other.
    for pitch in np.intersect1d(reference[:, 2], estimated[:, 2]):
        played = np.flatnonzero(reference[:, 2] == pitch)
        heard = np.flatnonzero(estimated[:, 2] == pitch)
        matched = mir_eval.transcription.match_notes(
            reference[played, :2],
            np.full(len(played), 440.0),
            estimated[heard, :2],
            np.full(len(heard), 440.0),
            offset_ratio=offset_ratio,
        )
        places = np.array(matched, np.int64).reshape(-1, 2)
        pairs.append(np.column_stack((played[places[:, 0]], heard[places[:, 1]])))
    return np.concatenate(pairs)


def _with_velocity(pairs: npt.NDArray[np.int64], reference: Notes, estimated: Notes) -> int:
    """Of the matched notes, how many are as loud as they should be."""
    if not len(pairs):
        return 0
    played, heard = reference[pairs[:, 0], 3], estimated[pairs[:, 1], 3]
    line = np.column_stack((heard, np.ones_like(heard)))
    fitted = line @ np.linalg.lstsq(line, played, rcond=None)[0]
    tolerance = _VELOCITY_TOLERANCE * max(1.0, np.ptp(reference[:, 3]))
    return int(np.count_nonzero(np.abs(fitted - played) < tolerance))
