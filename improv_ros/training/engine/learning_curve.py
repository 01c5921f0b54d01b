# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The learning curve of a training run, as a table and as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
import io
from pathlib import Path

from improv_ros.training.engine.atomic_file import replace_atomically, write_atomically


def write_curve(rows: Sequence[Mapping[str, float]], folder: Path, unit: str) -> None:
    """Write all columns as curve.csv; plot training and validation loss over time as curve.png.

    rows: one per evaluation, each with `minutes`, `training` and `validation`; unit: of the loss.
    """
    table = io.StringIO(newline='')
    writer = csv.DictWriter(table, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(folder / 'curve.csv', lambda file: file.write(table.getvalue().encode()))

    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout='constrained')
    axes = figure.subplots()
    for column in ('training', 'validation'):
        axes.plot([row['minutes'] for row in rows], [row[column] for row in rows], label=column)
    axes.set(xlabel='minutes', ylabel=unit, title='Learning curve')
    axes.legend()
    with replace_atomically(folder / 'curve.png') as unfinished:
        figure.savefig(unfinished, dpi=100)
