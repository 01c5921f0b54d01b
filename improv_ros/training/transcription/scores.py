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
        len(_match_velocities(reference, estimated)),
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
    if not len(reference) or not len(estimated):
        return np.zeros((0, 2), np.int64)
    pairs = mir_eval.transcription.match_notes(
        reference[:, :2],
        _hertz(reference),
        estimated[:, :2],
        _hertz(estimated),
        offset_ratio=offset_ratio,
    )
    return np.array(pairs, np.int64).reshape(-1, 2)


def _match_velocities(reference: Notes, estimated: Notes) -> list[tuple[int, int]]:
    if not len(reference) or not len(estimated):
        return []
    pairs: list[tuple[int, int]] = mir_eval.transcription_velocity.match_notes(
        reference[:, :2],
        _hertz(reference),
        reference[:, 3],
        estimated[:, :2],
        _hertz(estimated),
        estimated[:, 3],
        offset_ratio=None,
    )
    return pairs


def _hertz(notes: Notes) -> Floats:
    hertz: Floats = 440 * 2 ** ((notes[:, 2] - 69) / 12)
    return hertz
