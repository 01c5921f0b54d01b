# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv bench`: list the benchmarks, or run one and save its tables."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
import shlex
import sys

from improv_ros.bringup.shared_files import shared_file

FOLDER = 'benchmark'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        'name', nargs='?', metavar='NAME', help='the benchmark to run; without it, all are listed'
    )
    parser.add_argument(
        'options',
        nargs=argparse.REMAINDER,
        metavar='OPTIONS',
        help='options of the benchmark; `improv bench NAME --help` describes them',
    )


def run(arguments: argparse.Namespace) -> int:
    """List or run; return the exit code."""
    try:
        folder = shared_file(f'{FOLDER}/harness.py').parent
    except FileNotFoundError as error:
        print(
            f'improv bench: {error}; the benchmarks are in the source of improv_ros',
            file=sys.stderr,
        )
        return 1
    if str(folder.parent) not in sys.path:
        sys.path.insert(0, str(folder.parent))  # also in processes that benchmarks start
    entries = import_module(FOLDER).ENTRIES
    if not arguments.name:
        for name, entry in entries.items():
            print(f'{name:15}{entry.summary}')
            print(f'{"":15}Takes {entry.duration}; needs {entry.needs}.')
        print('\n`improv bench NAME --help` describes the options of one.')
        return 0
    if arguments.name not in entries:
        print(
            f'improv bench: no benchmark is called {arguments.name!r}; '
            f'there are {", ".join(entries)}',
            file=sys.stderr,
        )
        return 2
    return _run_entry(arguments.name, entries[arguments.name].summary, arguments.options)


def entry_parser(name: str, summary: str) -> argparse.ArgumentParser:
    """Return the parser of one benchmark: its options, and those that save the result."""
    module = import_module(f'{FOLDER}.{name}')
    parser = argparse.ArgumentParser(
        prog=f'improv bench {name}',
        description=f'{summary}\n\n{module.__doc__}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    kept = parser.add_argument_group('result')
    kept.add_argument(
        '--markdown',
        type=Path,
        metavar='FILE',
        help='write the tables to this Markdown file; in a file that exists, they replace what '
        'stands between `<!-- bench: NAME -->` and `<!-- end -->`',
    )
    kept.add_argument(
        '--block',
        metavar='NAME',
        default=name,
        help=f'name of the block in the Markdown file (default: {name})',
    )
    kept.add_argument('--json', type=Path, metavar='FILE', help='write the result to this file')
    return parser


def _run_entry(name: str, summary: str, options: list[str]) -> int:
    from benchmark.harness import Result

    arguments = entry_parser(name, summary).parse_args(options)
    result = Result(name, shlex.join(['improv', 'bench', name, *_without_files(options)]))
    try:
        if arguments.markdown:  # fail now, not after an hour
            _with_block(arguments.markdown, arguments.block, '')
        import_module(f'{FOLDER}.{name}').run(arguments, result)
        if arguments.markdown:
            page = _with_block(arguments.markdown, arguments.block, result.markdown())
            arguments.markdown.write_text(page, encoding='utf-8')
        if arguments.json:
            arguments.json.write_text(result.json(), encoding='utf-8')
    except (OSError, ValueError, RuntimeError) as error:
        print(f'improv bench {name}: {error}', file=sys.stderr)
        return 1
    return 1 if result.faults else 0


def _with_block(path: Path, block: str, contents: str) -> str:
    """Return the page at a path, or a new one, with the contents in its block."""
    from benchmark.harness import END, replace_block

    exists = path.is_file()
    page = path.read_text(encoding='utf-8') if exists else f'<!-- bench: {block} -->\n{END}\n'
    try:
        return replace_block(page, block, contents)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def _without_files(options: list[str]) -> list[str]:
    """Return the options without those that name the files of the result."""
    kept, skip = [], False
    for option in options:
        name, _, value = option.partition('=')
        if skip or name in ('--markdown', '--json', '--block'):
            skip = not skip and not value
            continue
        kept.append(option)
    return kept
