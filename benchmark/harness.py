# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What all benchmarks share: a Result of tables, printed as they grow, as Markdown and as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
import json
import os
from pathlib import Path
import platform
import re
import sys
from typing import Any, NamedTuple

Cell = str | int | float | None
END = '<!-- end -->'
NUMBER = 7  # characters: the least width of a column of numbers in the terminal


class Column(NamedTuple):
    """A column: its heading, the format of its numbers (`.3f`), its width in the terminal.

    A column without a format holds text.
    """

    name: str
    form: str = ''
    width: int = 0

    def show(self, cell: Cell) -> str:
        """Return a cell as text; an empty one is a dash."""
        if cell is None:
            return '-'
        return cell if isinstance(cell, str) else format(cell, self.form)


class Machine(NamedTuple):
    """The machine that a benchmark ran on; memory in GiB."""

    processor: str
    cores: int
    memory: float
    python: str

    @classmethod
    def here(cls) -> Machine:
        """Return this machine."""
        info = Path('/proc/cpuinfo')
        text = info.read_text(errors='replace') if info.is_file() else ''
        found = re.search(r'^model name\s*:\s*(.+)$', text, re.MULTILINE)
        name = found[1].strip() if found else platform.processor() or platform.machine()
        memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
        return cls(name, os.cpu_count() or 1, round(memory, 1), platform.python_version())

    def __str__(self) -> str:
        return f'{self.processor}, {self.cores} cores, {self.memory:g} GiB, Python {self.python}'


@dataclass
class Table:
    """Rows of numbers and words below columns; `add` prints each row at once."""

    title: str
    columns: list[Column]
    rows: list[list[Cell]] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        """Append a row, one cell per column, and print it."""
        if len(cells) != len(self.columns):
            raise ValueError(f'{len(cells)} cells for {len(self.columns)} columns')
        if not self.rows:
            self._print([column.name for column in self.columns])
        self.rows.append([_plain(cell) for cell in cells])
        self._print(self.rows[-1])

    def markdown(self) -> str:
        """Return the table in Markdown, below its title in bold."""
        lines = [f'**{self.title}**', ''] if self.title else []
        lines.append(_row(column.name for column in self.columns))
        lines.append('|' + '---|' * len(self.columns))
        for row in self.rows:
            lines.append(
                _row(column.show(cell) for column, cell in zip(self.columns, row, strict=True))
            )
        return '\n'.join(lines)

    def _print(self, cells: Sequence[Cell]) -> None:
        shown = []
        for column, cell in zip(self.columns, cells, strict=True):
            width = max(column.width, len(column.name), NUMBER if column.form else 0)
            text = column.show(cell)
            shown.append(text.rjust(width) if column.form else text.ljust(width))
        print('  '.join(shown).rstrip(), flush=True)


@dataclass
class Result:
    """What one run of a benchmark found, and how and where it was found.

    notes: sentences beside the tables. faults: what failed; a run with faults ends with exit
    code 1.
    """

    entry: str
    command: str
    date: str = field(
        default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec='seconds')
    )
    machine: Machine = field(default_factory=Machine.here)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def table(self, title: str, *columns: Column | str) -> Table:
        """Begin a table; a column without a format is given by its heading alone."""
        made = [Column(column) if isinstance(column, str) else column for column in columns]
        self.tables.append(Table(title, made))
        print(f'\n{title}' if title else '', flush=True)
        return self.tables[-1]

    def note(self, sentence: str) -> None:
        """Keep a sentence that belongs to the tables, and print it."""
        self.notes.append(sentence)
        print(sentence, flush=True)

    def fault(self, sentence: str) -> None:
        """Keep a sentence about what failed, and print it as an error."""
        self.faults.append(sentence)
        print(f'improv bench {self.entry}: {sentence}', file=sys.stderr, flush=True)

    def markdown(self) -> str:
        """Return all of it in Markdown."""
        parts = [f'`{self.command}`, {self.date[:10]}, {self.machine}:']
        parts += [table.markdown() for table in self.tables if table.rows]
        parts += self.notes
        parts += [f'Fault: {fault}.' for fault in self.faults]
        return '\n\n'.join(parts) + '\n'

    def json(self) -> str:
        """Return all of it in JSON, numbers unrounded."""
        contents = {**asdict(self), 'machine': self.machine._asdict()}
        for shown, table in zip(contents['tables'], self.tables, strict=True):
            shown['columns'] = [column._asdict() for column in table.columns]
        return json.dumps(contents, indent=1, ensure_ascii=False) + '\n'

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read what `json` returned."""
        contents = json.loads(text)
        contents['machine'] = Machine(**contents['machine'])
        contents['tables'] = [
            Table(table['title'], [Column(**one) for one in table['columns']], table['rows'])
            for table in contents['tables']
        ]
        return cls(**contents)


def option(
    parser: argparse.ArgumentParser, name: str, default: Any, description: str, **more: Any
) -> None:
    """Declare an option with its default, which gives its type; a list takes several values."""
    values = default if isinstance(default, list) else [default]
    shown = ' '.join(f'{value:g}' if isinstance(value, float) else str(value) for value in values)
    if isinstance(default, list):
        more['nargs'] = '+'
    help = f'{description} (default: {shown})'.replace('%', '%%')
    parser.add_argument(name, type=type(values[0]), default=default, help=help, **more)


def replace_block(page: str, name: str, contents: str) -> str:
    """Return a Markdown page with other contents between `<!-- bench: NAME -->` and its end.

    Raises ValueError if the page has no such block, or more than one.
    """
    begin = f'<!-- bench: {name} -->'
    before, *after = page.split(begin)
    inside, end, rest = after[0].partition(END) if len(after) == 1 else ('', '', '')
    if not end or '<!-- bench:' in inside:
        raise ValueError(f'the page has not exactly one block {begin} ... {END}')
    return f'{before}{begin}\n\n{contents.strip()}\n\n{END}{rest}'


def _plain(cell: Any) -> Cell:
    """Return a cell as JSON knows it; numpy's numbers become Python's."""
    return cell.item() if hasattr(cell, 'item') else cell


def _row(cells: Iterable[str]) -> str:
    return '| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |'
