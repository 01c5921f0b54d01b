# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The table of a measurement: a line for each recording when it is done, then totals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from improv_ros.training.transcriber.measurement import Timing, Transcription
from improv_ros.training.transcriber.recordings import Recording
from improv_ros.training.transcriber.scores import GROUPS, Score, compare, match, total

HEADER = (
    f'{"":32} {"onset":>6} {"prec.":>6} {"recall":>6} {"on+off":>6} {"on+vel":>6}'
    f' {"error":>6} {"sd":>5} {"latency":>9} {"of it:":>9} {"compu-":>9} {"cpu":>6} {"":>5}'
    f' {"":>6}\n'
    f'{"recording":32} {"F1":>6} {"":>6} {"":>6} {"F1":>6} {"F1":>6}'
    f' {"ms":>6} {"ms":>5} {"50,95 %":>9} {"algorithm":>9} {"ting":>9} {"time x":>6} {"MB":>5}'
    f' {"notes":>6}'
)


class Report:
    """Collects the scores of recordings and prints them as lines of text."""

    def __init__(self) -> None:
        self._scores: list[Score] = []
        self._latencies: list[np.ndarray] = []  # (2, matched) seconds: algorithm, computing
        self._computing = self._seconds = self._megabytes = 0.0
        self._invented = 0
        self._noise_seconds = 0.0

    def add(self, recording: Recording, transcription: Transcription) -> str:
        """Add the transcription of a recording; return its line."""
        timing = transcription.timing
        if timing:
            self._computing += timing.computing
            self._seconds += recording.seconds
            self._megabytes = max(self._megabytes, timing.megabytes)
        if recording.notes is None:
            notes = len(transcription.notes)
            self._invented += notes
            self._noise_seconds += recording.seconds
            return f'{recording.name[:32]:32} {_invented(notes, recording.seconds)}'
        score = compare(recording.notes, transcription.notes)
        self._scores.append(score)
        line = _line(recording.name, score)
        if timing:
            latencies = _latencies(recording, transcription, timing)
            self._latencies.append(latencies)
            line += _cost(latencies, timing.computing, recording.seconds, timing.megabytes)
        return f'{line} {score.reference:6}'

    def summary(self) -> str:
        """Return the lines about all recordings together."""
        lines = []
        if self._scores:
            everything = total(self._scores)
            line = _line('all notes', everything)
            if self._latencies:
                latencies = np.concatenate(self._latencies, axis=1)
                line += _cost(latencies, self._computing, self._seconds, self._megabytes)
            lines.append(f'{line} {everything.reference:6}')
            means = np.mean([_figures(score) for score in self._scores], axis=0)
            lines.append(f'{"mean of the recordings":32} ' + _columns(means))
        if self._noise_seconds:
            lines.append(f'{"noise":32} {_invented(self._invented, self._noise_seconds)}')
        return '\n'.join(lines)

    def figures(self) -> dict[str, float]:
        """Return the figures of all recordings together, by name; NaN where there is no note."""
        score = total(self._scores) if self._scores else total([compare(_NO_NOTES, _NO_NOTES)])
        played, found = score.in_groups.T
        with np.errstate(invalid='ignore'):
            groups = dict(zip(GROUPS, found / played, strict=True))
        late = score.errors * 1e3 if score.matched else np.array([np.nan])
        invented = np.float64(3600 * self._invented)
        with np.errstate(invalid='ignore', divide='ignore'):
            invented /= self._noise_seconds
        names = ('onset F1', 'precision', 'recall', 'onset+offset F1', 'onset+velocity F1')
        figures = _figures(score) if self._scores else (np.nan,) * len(names)
        return {
            **dict(zip(names, figures, strict=True)),
            **groups,
            'onset error, mean, ms': late.mean(),
            'onset error, sd, ms': late.std(),
            'invented per hour of noise': invented,
        }


_NO_NOTES = np.zeros((0, 4))


def side_by_side(columns: Mapping[str, Mapping[str, float]]) -> str:
    """Return a Markdown table of the figures of several reports, one column each."""
    names = list(next(iter(columns.values())))
    lines = ['| | ' + ' | '.join(columns) + ' |', '|---|' + '---|' * len(columns)]
    for name in names:
        digits = 1 if 'ms' in name or 'hour' in name else 3
        values = [figures[name] for figures in columns.values()]
        cells = ['–' if np.isnan(value) else f'{value:.{digits}f}' for value in values]
        lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def _figures(score: Score) -> tuple[float, ...]:
    return (score.onset_f1, score.precision, score.recall, score.offset_f1, score.velocity_f1)


def _columns(figures: np.ndarray | tuple[float, ...]) -> str:
    return ' '.join(f'{figure:6.3f}' for figure in figures)


def _line(name: str, score: Score) -> str:
    mean, deviation = (score.errors.mean(), score.errors.std()) if score.matched else (0.0, 0.0)
    return f'{name[:32]:32} {_columns(_figures(score))} {mean * 1e3:6.1f} {deviation * 1e3:5.1f}'


def _latencies(recording: Recording, transcription: Transcription, timing: Timing) -> np.ndarray:
    assert recording.notes is not None
    played, found = match(recording.notes, transcription.notes).T
    known = timing.known[found]
    return np.stack((known - recording.notes[played, 0], timing.published[found] - known))


def _cost(latencies: np.ndarray, computing: float, seconds: float, megabytes: float) -> str:
    columns = ''
    for part in (latencies.sum(axis=0), *latencies):
        median, late = np.percentile(part * 1e3, (50, 95)) if part.size else (0.0, 0.0)
        columns += f' {median:4.0f} {late:4.0f}'
    return f'{columns} {computing / seconds:6.3f} {megabytes:5.0f}'


def _invented(notes: int, seconds: float) -> str:
    minutes = seconds / 60
    return f'{notes} notes invented in {minutes:.1f} minutes: {notes / minutes:.2f} per minute'
