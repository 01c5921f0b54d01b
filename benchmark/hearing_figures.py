"""Draws what `improv evaluate --save` or `benchmark/transcription.py --save` kept.

Writes to FOLDER hearing_latency.png (onset F1 against the algorithmic latency of each
measurement), hearing_notes.png (by pitch and by loudness) and hearing_excerpt.png (what the first
measurement heard of one recording, over what was played).

    python benchmark/hearing_figures.py docs MEASUREMENT.npz... [--recording NAME --start 20]
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np

from improv_ros.training.transcription.heard import Heard, Measurement
from improv_ros.training.transcription.recordings import Recording, RecordingError
from improv_ros.training.transcription.scores import compare, match

COLOURS = ('#1f5fa8', '#d1572b', '#3a8f5c', '#8a5fb0', '#7a7a7a')
PLAYED, RIGHT, WRONG = '0.8', '#1f5fa8', '#d1572b'
OCTAVE = 12
ENOUGH = 20  # notes for a point
VELOCITIES = np.arange(0, 129, 16)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path)
    parser.add_argument('measurements', type=Path, nargs='+')
    parser.add_argument('--recording', help='the excerpt is of the first whose name holds this')
    parser.add_argument('--start', type=float, default=20.0, help='of the excerpt, in seconds')
    parser.add_argument('--seconds', type=float, default=12.0, help='the excerpt lasts')
    arguments = parser.parse_args()
    try:
        measurements = [Measurement.load(path) for path in arguments.measurements]
    except RecordingError as error:
        print(f'hearing_figures: {error}', file=sys.stderr)
        return 1
    name = arguments.recording or ''
    named = [pair for pair in played(measurements[0]) if name in pair[0].name]
    if not named:
        print(f'hearing_figures: nobody plays in a recording {name!r}', file=sys.stderr)
        return 1
    arguments.folder.mkdir(parents=True, exist_ok=True)
    save(latency(measurements), arguments.folder / 'hearing_latency.png')
    save(by_note(measurements), arguments.folder / 'hearing_notes.png')
    span = arguments.start, arguments.start + arguments.seconds
    save(excerpt(*named[0], span), arguments.folder / 'hearing_excerpt.png')
    return 0


def played(measurement: Measurement) -> list[tuple[Recording, Heard]]:
    """The recordings in which somebody plays, with what was heard."""
    pairs = zip(measurement.recordings, measurement.heard, strict=True)
    return [(recording, heard) for recording, heard in pairs if recording.notes is not None]


def latency(measurements: list[Measurement]) -> Figure:
    figure, axes = canvas(8, 5, 1)
    for colour, measurement in zip(COLOURS * 9, measurements, strict=False):
        scores = [
            compare(recording.notes, heard.notes) for recording, heard in played(measurement)
        ]
        live = np.isfinite(measurement.latency)
        name = measurement.model if live else f'{measurement.model} (hears whole files)'
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
    axes[0].set_title('How well notes are heard, by how late', loc='left')
    return figure


def by_note(measurements: list[Measurement]) -> Figure:
    figure, axes = canvas(12, 4.5, 2)
    pitches = np.arange(21, 109, OCTAVE)
    for colour, measurement in zip(COLOURS * 9, measurements, strict=False):
        reference = np.zeros(len(pitches))
        estimated, matched = np.zeros_like(reference), np.zeros_like(reference)
        loud, loud_matched = np.zeros(len(VELOCITIES) - 1), np.zeros(len(VELOCITIES) - 1)
        for recording, heard in played(measurement):
            found = recording.notes[match(recording.notes, heard.notes)[:, 0]]
            edges = [*pitches, pitches[-1] + OCTAVE]
            reference += np.histogram(recording.notes[:, 2], edges)[0]
            estimated += np.histogram(heard.notes[:, 2], edges)[0]
            matched += np.histogram(found[:, 2], edges)[0]
            loud += np.histogram(recording.notes[:, 3], VELOCITIES)[0]
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
    axes[1].set(xlabel='velocity played', ylabel='share of the notes heard', ylim=(0, 1))
    axes[0].legend(frameon=False, fontsize=9)
    axes[0].set_title('By pitch', loc='left')
    axes[1].set_title('By loudness', loc='left')
    return figure


def excerpt(recording: Recording, heard: Heard, span: tuple[float, float]) -> Figure:
    figure, axes = canvas(12, 5.5, 1)
    right = np.isin(np.arange(len(heard.notes)), match(recording.notes, heard.notes)[:, 1])
    bars(axes[0], recording.notes, span, 0.9, PLAYED, 'played')
    bars(axes[0], heard.notes[right], span, 0.4, RIGHT, 'heard')
    bars(axes[0], heard.notes[~right], span, 0.4, WRONG, 'heard, but not played then')
    axes[0].set(xlabel='time (s)', ylabel='MIDI pitch', xlim=span)
    axes[0].legend(loc='upper right', frameon=False, ncols=3, bbox_to_anchor=(1, 1.09))
    axes[0].set_title(recording.name, loc='left')
    return figure


def bars(axes: Axes, notes: np.ndarray, span: tuple[float, float], *look: object) -> None:
    height, colour, label = look
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


if __name__ == '__main__':
    sys.exit(main())
