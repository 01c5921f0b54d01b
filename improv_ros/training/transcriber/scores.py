# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Scores of transcribed notes against the true ones, computed by mir_eval.

An onset matches within 50 ms at the same pitch; an offset within 50 ms or a fifth of the note,
whichever is longer; a velocity within a tenth of the range, after a linear fit of all velocities.
See Raffel et al., "mir_eval: a transparent implementation of common MIR metrics", ISMIR 2014, and
for velocities Hawthorne et al., "Onsets and Frames", ISMIR 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import mir_eval
import numpy as np
import numpy.typing as npt

from improv_ros.training.transcriber.recordings import Notes

Floats = npt.NDArray[np.float64]
_OFFSET_RATIO = 0.2
_VELOCITY_TOLERANCE = 0.1  # of the range of all velocities


GROUPS: Mapping[str, Callable[[Notes], npt.NDArray[np.bool_]]] = {
    'recall, octave from A0': lambda notes: notes[:, 2] < 33,
    'recall, octave from A1': lambda notes: (notes[:, 2] >= 33) & (notes[:, 2] < 45),
    'recall, velocity below 32': lambda notes: notes[:, 3] < 32,
}
"""Groups of notes that are hard to transcribe, by the name of their figure."""


@dataclass(frozen=True)
class Score:
    """Counts of notes over one recording or several.

    reference: true notes. estimated: transcribed notes. matched: pairs with the same pitch and
    onset. with_offset, with_velocity: of these, those that match in offset or velocity too.
    in_groups: of each of GROUPS, the number of true notes and of those that match, (groups, 2).
    errors: seconds by which the matched onsets are late, (matched,).
    """

    reference: int
    estimated: int
    matched: int
    with_offset: int
    with_velocity: int
    in_groups: npt.NDArray[np.int64]
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
    """Return the score of transcribed notes against the true ones."""
    pairs = match(reference, estimated)
    return Score(
        len(reference),
        len(estimated),
        len(pairs),
        len(match(reference, estimated, _OFFSET_RATIO)),
        _with_velocity(pairs, reference, estimated),
        _in_groups(reference, pairs[:, 0]),
        estimated[pairs[:, 1], 0] - reference[pairs[:, 0], 0],
    )


def _in_groups(reference: Notes, matched: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    members = [belongs(reference) for belongs in GROUPS.values()]
    return np.array([[np.count_nonzero(m), np.count_nonzero(m[matched])] for m in members])


def total(scores: Sequence[Score]) -> Score:
    """Return the score of all recordings together, in which each note counts once."""
    counts = [field.name for field in fields(Score)[:-1]]
    sums: dict[str, Any] = {name: sum(getattr(score, name) for score in scores) for name in counts}
    return Score(**sums, errors=np.concatenate([score.errors for score in scores]))


def match(
    reference: Notes, estimated: Notes, offset_ratio: float | None = None
) -> npt.NDArray[np.int64]:
    """Return the indices, (matched, 2), of the pairs of matching notes."""
    pairs: list[npt.NDArray[np.int64]] = [np.zeros((0, 2), np.int64)]
    # Pitch by pitch: all at once needs memory for every pair of notes.
    for pitch in np.intersect1d(reference[:, 2], estimated[:, 2]):
        played = np.flatnonzero(reference[:, 2] == pitch)
        found = np.flatnonzero(estimated[:, 2] == pitch)
        matched = mir_eval.transcription.match_notes(
            reference[played, :2],
            np.full(len(played), 440.0),
            estimated[found, :2],
            np.full(len(found), 440.0),
            offset_ratio=offset_ratio,
        )
        places = np.array(matched, np.int64).reshape(-1, 2)
        pairs.append(np.column_stack((played[places[:, 0]], found[places[:, 1]])))
    return np.concatenate(pairs)


def _with_velocity(pairs: npt.NDArray[np.int64], reference: Notes, estimated: Notes) -> int:
    """Return how many of the matched notes match in velocity."""
    if not len(pairs):
        return 0
    played, found = reference[pairs[:, 0], 3], estimated[pairs[:, 1], 3]
    line = np.column_stack((found, np.ones_like(found)))
    fitted = line @ np.linalg.lstsq(line, played, rcond=None)[0]
    tolerance = _VELOCITY_TOLERANCE * max(1.0, np.ptp(reference[:, 3]))
    return int(np.count_nonzero(np.abs(fitted - played) < tolerance))
