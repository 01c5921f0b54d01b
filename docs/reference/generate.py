# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Writes the pages of the reference that have a source elsewhere in the repository.

`parameters.md` comes from `config/improv.yaml`, which a test compares with what the nodes declare.
`commands.md` comes from the argument parsers of `improv`. Called by `docs/conf.py`.
"""

import argparse
from collections.abc import Iterator
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
import os
from pathlib import Path
import re
import sys
from types import ModuleType
from unittest import mock

# Imported by commands at the top of their modules, and not needed to describe their options.
NOT_NEEDED = (
    *('rclpy', 'std_msgs', 'std_srvs', 'diagnostic_msgs', 'rcl_interfaces'),
    *('sensor_msgs', 'visualization_msgs', 'rosgraph_msgs', 'trajectory_msgs'),
    *('lifecycle_msgs', 'builtin_interfaces', 'geometry_msgs'),
    *('soundfile', 'soxr', 'tqdm', 'mcap', 'scipy', 'mir_eval'),
)
COLUMNS = '88'  # the width of help texts


def write_pages(root: Path, folder: Path) -> None:
    """Write both pages into `folder`; `root` is the folder of the repository."""
    folder.mkdir(parents=True, exist_ok=True)
    write_if_changed(folder / 'parameters.md', parameters_page(root / 'config' / 'improv.yaml'))
    write_if_changed(folder / 'commands.md', commands_page(root))


def write_if_changed(path: Path, text: str) -> None:
    """Write a page, unless it has this text already: Sphinx builds anew what is newer."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def parameters_page(path: Path) -> str:
    """Return a table of each node's parameters, from the comments of the parameter file."""
    page = [
        '# Parameters',
        '',
        'Generated from `config/improv.yaml`. A parameter marked *live* takes effect at once; '
        'any other one takes effect when the node is next configured.',
    ]
    comments: list[str] = []
    for line in path.read_text().splitlines():
        text = line.strip()
        if text.startswith('#'):
            comments.append(text.lstrip('# '))
        elif node := re.fullmatch(r'/\*\*/(\w+):', line):
            page += ['', f'## {node[1]}', '', '| parameter | default | description | |']
            page += ['|---|---|---|---|']
            comments = []
        elif parameter := re.fullmatch(r'    (\w+): (.*)', line):
            name, default = parameter.groups()
            description, live, _ = ' '.join(comments).replace('|', r'\|').partition(' (live)')
            page.append(f'| `{name}` | `{default}` | {description} | {"live" if live else ""} |')
            comments = []
    return '\n'.join(page) + '\n'


def commands_page(root: Path) -> str:
    """Return the help text of each `improv` command."""
    page = [
        '# Commands',
        '',
        'Generated from the options of `improv`: what `improv COMMAND --help` prints. The '
        'benchmarks, `improv bench NAME`, are described in [measurements](../../measurements.md).',
        '',
        '## improv',
        '',
        *help_text(parser_of(root, [])),
    ]
    for name in subparsers(parser_of(root, [])):
        page += help_of(subparsers(parser_of(root, [name]))[name], name)
    return '\n'.join(page) + '\n'


def help_of(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    """Yield the lines about a command and its sub-commands."""
    yield from ('', f'## improv {name}', '')
    yield from help_text(parser)
    for other, subparser in subparsers(parser).items():
        if name != 'bench':
            yield from help_of(subparser, f'{name} {other}')


def help_text(parser: argparse.ArgumentParser) -> list[str]:
    """Return what `--help` prints, as a block of text."""
    with mock.patch.dict(os.environ, COLUMNS=COLUMNS, NO_COLOR='1'):
        return ['```text', *parser.format_help().rstrip().splitlines(), '```']


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the sub-commands of a parser by their names."""
    found = {}
    for action in parser._actions:  # argparse has no public way
        if isinstance(action, argparse._SubParsersAction):
            found.update(action.choices)
    return found


def parser_of(root: Path, words: list[str]) -> argparse.ArgumentParser:
    """Return the parser that `improv` makes of its options when it is called with `words`."""
    made: list[argparse.ArgumentParser] = []

    def keep(parser: argparse.ArgumentParser, *arguments: object) -> None:
        made.append(parser)
        raise SystemExit

    path = mock.patch.object(sys, 'path', [str(root), *sys.path])
    missing = mock.patch.object(sys, 'meta_path', [*sys.meta_path, Missing()])
    with path, missing, mock.patch.object(argparse.ArgumentParser, 'parse_args', keep):
        from improv_ros import cli

        try:
            cli.main(words)
        except SystemExit:
            return made[0]
    raise RuntimeError('improv has not parsed its arguments')


class Missing(Loader):
    """Imports an empty module for a package of NOT_NEEDED that is not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """Return how to import the module; None if it is not to be replaced."""
        if name.partition('.')[0] not in NOT_NEEDED:
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return a module that has every attribute."""
        module = mock.MagicMock()
        module.__path__ = []
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: there is nothing to execute."""
