# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The tables of `improv evaluate improviser`: nats per note of networks and n-grams, the chunk
baseline, speed, and the overlap of the statistics of generated and real music. The options of this
command come before FOLDER, those of `improv evaluate improviser` after it, for example

    improv bench likelihood --markdown docs/measurements.md FOLDER --notes 60000 --speed
"""

from __future__ import annotations

import argparse
import contextlib
import io
from pathlib import Path
import re
import tempfile

from benchmark.harness import Column, Result
from improv_ros import cli

PLOT = 'measured.png'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--plot', type=Path, metavar='FILE.png', help='write histograms and learning curves here'
    )
    parser.add_argument(
        'folder', metavar='FOLDER', help='folder of MIDI files of piano performances'
    )
    parser.add_argument(
        'options',
        nargs=argparse.REMAINDER,
        metavar='OPTIONS',
        help='options of `improv evaluate improviser`, except --write',
    )


def run(arguments: argparse.Namespace, result: Result) -> None:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, PLOT).with_suffix('.md')
        words = [
            'evaluate',
            'improviser',
            arguments.folder,
            *arguments.options,
            '--write',
            str(page),
        ]
        with contextlib.redirect_stdout(io.StringIO()):
            if cli.main(words):
                raise ValueError('improv evaluate improviser failed')
        read_page(page.read_text(encoding='utf-8'), result)
        plot = page.with_suffix('.png')
        if arguments.plot and plot.is_file():
            arguments.plot.write_bytes(plot.read_bytes())


def read_page(page: str, result: Result) -> None:
    """Add the tables of a Markdown page, with their headings, and its sentences to a result."""
    title = ''
    for part in page.split('\n\n'):
        if part.startswith('## '):
            title = part.removeprefix('## ')
        elif part.startswith('|'):
            header, _, *rows = [line.strip('| ').split(' | ') for line in part.splitlines()]
            columns = [_column(name, [row[i] for row in rows]) for i, name in enumerate(header)]
            table = result.table(title, *columns)
            for row in rows:
                cells = zip(columns, row, strict=True)
                table.add(*(float(cell) if column.form else cell for column, cell in cells))
        elif not part.startswith(('#', '![')):
            result.note(part.strip())


def _column(name: str, cells: list[str]) -> Column:
    """Return a column of numbers with as many decimals as its cells have, or one of text."""
    numbers = [re.fullmatch(r'-?\d+(?:\.(\d+))?', cell) for cell in cells]
    decimals = [len(number[1] or '') for number in numbers if number]
    if len(decimals) == len(cells):
        return Column(name, f'.{decimals[0]}f', 8)
    return Column(name, width=max(map(len, cells)))
