"""The learning curve, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
import io
from pathlib import Path

from .whole_file import replacing, write_whole


def write_curve(
    rows: Sequence[Mapping[str, float]],
    folder: Path,
    lines: Mapping[str, str],
    unit: str,
    across: str = 'minutes',
) -> None:
    """Write rows of figures as curve.csv, and some of them as curve.png.

    lines: the name in the picture of each column to draw; unit: of what is drawn; across: the
    column along the picture's lower edge.
    """
    table = io.StringIO(newline='')
    writer = csv.DictWriter(table, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / 'curve.csv', lambda file: file.write(table.getvalue().encode()))

    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout='constrained')
    axes = figure.subplots()
    for name, column in lines.items():
        axes.plot([row[across] for row in rows], [row[column] for row in rows], label=name)
    axes.set(xlabel=across, ylabel=unit, title='Learning curve')
    axes.legend()
    with replacing(folder / 'curve.png') as unfinished:
        figure.savefig(unfinished, dpi=100)
