# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The piano roll of a session: heard and generated notes in two colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from improv_ros.bags.session import Note
from improv_ros.event_text import SECOND

PERSON, ROBOT = '#1f5fa8', '#d1572b'


def draw(path: Path, heard: list[Note], generated: list[Note], began: int, caption: str) -> None:
    """Write a PNG; the time axis is in seconds since `began` (ns)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.5), dpi=120, layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for notes, colour, label in (
        (heard, PERSON, f'heard: the person ({len(heard)} notes)'),
        (generated, ROBOT, f'generated: the robot ({len(generated)} notes)'),
    ):
        if notes:
            axes.barh(
                [note.pitch for note in notes],
                [(note.end - note.start) / SECOND for note in notes],
                left=[(note.start - began) / SECOND for note in notes],
                height=0.8,
                color=[(colour, 0.35 + 0.65 * note.velocity / 127) for note in notes],
                label=label,
            )
    axes.set_xlabel('time (s)')
    octaves = range(24, 109, 12)
    axes.set_yticks(octaves, [f'C{pitch // 12 - 1}' for pitch in octaves])
    pitches = [note.pitch for note in heard + generated] or [60]
    axes.set_ylim(min(pitches) - 3, max(pitches) + 3)
    axes.set_xlim(left=0)
    axes.grid(color='0.9')
    axes.set_axisbelow(True)
    axes.set_title('improv_ros: heard and generated notes', loc='left')
    legend = axes.legend(loc='upper right', frameon=False, ncols=2, bbox_to_anchor=(1, 1.09))
    handles: list[Any] = legend.legend_handles
    for handle, colour in zip(handles, (PERSON, ROBOT), strict=False):
        handle.set_color(colour)
    figure.supxlabel(caption, fontsize=9, color='0.3')
    figure.savefig(path)
