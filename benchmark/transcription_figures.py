# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Figures of `improv bench transcription`: F1 by latency, pitch and velocity; an excerpt."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np

from benchmark.transcription import played
from improv_ros.training.transcriber.measurement import Measurement, Transcription
from improv_ros.training.transcriber.recordings import Recording
from improv_ros.training.transcriber.scores import compare, match

COLOURS = ('#1f5fa8', '#d1572b', '#3a8f5c', '#8a5fb0', '#7a7a7a')
PLAYED, RIGHT, WRONG = '0.8', '#1f5fa8', '#d1572b'
OCTAVE = 12
ENOUGH = 20  # notes for a point
VELOCITIES = np.arange(0, 129, 16)


def draw(
    measurements: list[Measurement], folder: Path, name: str, start: float, seconds: float = 12.0
) -> None:
    """Write the figures; the excerpt is of the first recording with `name` in its name.

    Raises ValueError if there is no such recording with notes.
    """
    named = [pair for pair in played(measurements[0]) if name in pair[0].name]
    if not named:
        raise ValueError(f'no recording {name!r} has notes')
    folder.mkdir(parents=True, exist_ok=True)
    save(latency(measurements), folder / 'hearing_latency.png')
    save(by_note(measurements), folder / 'hearing_notes.png')
    save(excerpt(*named[0], (start, start + seconds)), folder / 'hearing_excerpt.png')


def latency(measurements: list[Measurement]) -> Figure:
    figure, axes = canvas(8, 5, 1)
    for colour, measurement in zip(COLOURS * 9, measurements, strict=False):
        scores = [
            compare(recording.true_notes, transcription.notes)
            for recording, transcription in played(measurement)
        ]
        live = np.isfinite(measurement.latency)
        name = measurement.model if live else f'{measurement.model} (whole files)'
        for value, marker, line, what in (
            (np.mean([score.onset_f1 for score in scores]), 'o', '-', 'onset'),
            (np.mean([score.offset_f1 for score in scores]), 's', '--', 'onset and offset'),
        ):
            label = f'{name}, {what}'
            if live:
                axes[0].plot(measurement.latency * 1e3, value, marker, color=colour, label=label)
            else:
                axes[0].axhline(value, color=colour, linestyle=line, linewidth=1, label=label)
    axes[0].set(xlabel='algorithmic latency (ms)', ylabel='F1', xlim=(0, 130), ylim=(0, 1))
    axes[0].legend(frameon=False, fontsize=8, loc='upper left', bbox_to_anchor=(1, 1))
    axes[0].set_title('F1 by latency', loc='left')
    return figure


def by_note(measurements: list[Measurement]) -> Figure:
    figure, axes = canvas(12, 4.5, 2)
    pitches = np.arange(21, 109, OCTAVE)
    for colour, measurement in zip(COLOURS * 9, measurements, strict=False):
        reference = np.zeros(len(pitches))
        estimated, matched = np.zeros_like(reference), np.zeros_like(reference)
        loud, loud_matched = np.zeros(len(VELOCITIES) - 1), np.zeros(len(VELOCITIES) - 1)
        for recording, transcription in played(measurement):
            found = recording.true_notes[match(recording.true_notes, transcription.notes)[:, 0]]
            edges = [*pitches, pitches[-1] + OCTAVE]
            reference += np.histogram(recording.true_notes[:, 2], edges)[0]
            estimated += np.histogram(transcription.notes[:, 2], edges)[0]
            matched += np.histogram(found[:, 2], edges)[0]
            loud += np.histogram(recording.true_notes[:, 3], VELOCITIES)[0]
            loud_matched += np.histogram(found[:, 3], VELOCITIES)[0]
        name = measurement.model
        f1 = 2 * matched / np.maximum(1, reference + estimated)
        enough = reference >= ENOUGH
        axes[0].plot(pitches[enough] + OCTAVE / 2, f1[enough], 'o-', color=colour, label=name)
        enough = loud >= ENOUGH
        middles = (VELOCITIES[:-1] + VELOCITIES[1:]) / 2
        recall = loud_matched / np.maximum(1, loud)
        axes[1].plot(middles[enough], recall[enough], 'o-', color=colour, label=name)
    axes[0].set(xlabel='MIDI pitch, by octaves from A0', ylabel='onset F1', ylim=(0, 1))
    axes[1].set(xlabel='velocity', ylabel='recall', ylim=(0, 1))
    axes[0].legend(frameon=False, fontsize=9)
    axes[0].set_title('By pitch', loc='left')
    axes[1].set_title('By velocity', loc='left')
    return figure


def excerpt(
    recording: Recording, transcription: Transcription, span: tuple[float, float]
) -> Figure:
    figure, axes = canvas(12, 5.5, 1)
    right = np.isin(
        np.arange(len(transcription.notes)), match(recording.true_notes, transcription.notes)[:, 1]
    )
    bars(axes[0], recording.true_notes, span, 0.9, PLAYED, 'played')
    bars(axes[0], transcription.notes[right], span, 0.4, RIGHT, 'transcribed')
    bars(axes[0], transcription.notes[~right], span, 0.4, WRONG, 'transcribed, not played')
    axes[0].set(xlabel='time (s)', ylabel='MIDI pitch', xlim=span)
    axes[0].legend(loc='upper right', frameon=False, ncols=3, bbox_to_anchor=(1, 1.09))
    axes[0].set_title(recording.name, loc='left')
    return figure


def bars(
    axes: Axes,
    notes: np.ndarray,
    span: tuple[float, float],
    height: float,
    colour: str,
    label: str,
) -> None:
    seen = notes[(notes[:, 0] < span[1]) & (notes[:, 1] > span[0])]
    axes.barh(
        seen[:, 2],
        seen[:, 1] - seen[:, 0],
        left=seen[:, 0],
        height=height,
        color=colour,
        label=label,
    )


def canvas(width: float, height: float, columns: int) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(width, height), dpi=120, layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for one in axes:
        one.grid(color='0.9')
        one.set_axisbelow(True)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    figure.savefig(path)
    print(path)
