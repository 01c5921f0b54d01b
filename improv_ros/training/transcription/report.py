"""The table of a measurement: a line for each recording as soon as it was heard, then all."""

from __future__ import annotations

import numpy as np

from .heard import Heard, Timing
from .recordings import Recording
from .scores import Score, compare, match, total

HEADER = (
    f'{"":32} {"onset":>6} {"prec.":>6} {"recall":>6} {"on+off":>6} {"on+vel":>6}'
    f' {"error":>6} {"sd":>5} {"latency":>9} {"of it:":>9} {"compu-":>9} {"cpu":>6} {"":>5}'
    f' {"":>6}\n'
    f'{"recording":32} {"F1":>6} {"":>6} {"":>6} {"F1":>6} {"F1":>6}'
    f' {"ms":>6} {"ms":>5} {"50,95 %":>9} {"algorithm":>9} {"ting":>9} {"time x":>6} {"MB":>5}'
    f' {"notes":>6}'
)


class Report:
    """Collects what was heard of recordings and says it in lines of text."""

    def __init__(self) -> None:
        self._scores: list[Score] = []
        self._latencies: list[np.ndarray] = []  # (2, matched) seconds: algorithm, computing
        self._computing = self._heard_seconds = self._megabytes = 0.0
        self._invented = 0
        self._noise_seconds = 0.0

    def add(self, recording: Recording, heard: Heard) -> str:
        """Take in what was heard of one more recording; return its line."""
        timing = heard.timing
        if timing:
            self._computing += timing.computing
            self._heard_seconds += recording.seconds
            self._megabytes = max(self._megabytes, timing.megabytes)
        if recording.notes is None:
            self._invented += len(heard.notes)
            self._noise_seconds += recording.seconds
            return f'{recording.name[:32]:32} {_invented(len(heard.notes), recording.seconds)}'
        score = compare(recording.notes, heard.notes)
        self._scores.append(score)
        line = _line(recording.name, score)
        if timing:
            latencies = _latencies(recording, heard, timing)
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
                line += _cost(latencies, self._computing, self._heard_seconds, self._megabytes)
            lines.append(f'{line} {everything.reference:6}')
            means = np.mean([_figures(score) for score in self._scores], axis=0)
            lines.append(f'{"mean of the recordings":32} ' + _columns(means))
        if self._noise_seconds:
            lines.append(f'{"noise":32} {_invented(self._invented, self._noise_seconds)}')
        return '\n'.join(lines)


def _figures(score: Score) -> tuple[float, ...]:
    return (score.onset_f1, score.precision, score.recall, score.offset_f1, score.velocity_f1)


def _columns(figures: np.ndarray | tuple[float, ...]) -> str:
    return ' '.join(f'{figure:6.3f}' for figure in figures)


def _line(name: str, score: Score) -> str:
    mean, deviation = (score.errors.mean(), score.errors.std()) if score.matched else (0.0, 0.0)
    return f'{name[:32]:32} {_columns(_figures(score))} {mean * 1e3:6.1f} {deviation * 1e3:5.1f}'


def _latencies(recording: Recording, heard: Heard, timing: Timing) -> np.ndarray:
    played, found = match(recording.notes, heard.notes).T
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
    return f'{notes} notes invented in {minutes:.1f} minutes: {notes / minutes:.2f} a minute'
