#!/usr/bin/env python3
# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Write the sections of `config/improv.yaml` from the settings that the nodes declare.

.venv/bin/python tools/write_parameters.py
"""

from importlib import import_module
from pathlib import Path
import textwrap

import yaml

from improv_ros.nodes.common.managed_node import SHARED
from improv_ros.nodes.common.parameters import Setting

FILE = Path(__file__).parents[1] / 'config' / 'improv.yaml'
SECTION = '/**/'
COLUMNS = 99
INDENT = '    '


def parameter_file(text: str) -> str:
    """Return the text of the parameter file anew: its head and its nodes stay, in their order."""
    head = text.partition(f'\n{SECTION}')[0].rstrip()
    nodes = [name.removeprefix(SECTION) for name in yaml.safe_load(text)]
    return '\n'.join([head, *(line for node in nodes for line in section(node))]) + '\n'


def section(node: str) -> list[str]:
    """Return the lines about the parameters of one node."""
    lines = ['', f'{SECTION}{node}:', '  ros__parameters:']
    for setting in (*SHARED, *import_module(f'improv_ros.nodes.{node}').SETTINGS):
        comment = INDENT + '# '
        lines += textwrap.wrap(
            describe(setting),
            COLUMNS,
            initial_indent=comment,
            subsequent_indent=comment,
            break_on_hyphens=False,
        )
        default = setting.default
        value = str(default).lower() if isinstance(default, bool) else repr(default)
        lines.append(f'{INDENT}{setting.name}: {value}')
    return lines


def describe(setting: Setting) -> str:
    """Return the description of a parameter with its unit, range and choices."""
    text = setting.description
    if setting.unit:
        text += f' [{setting.unit}]'
    if setting.low is not None:
        otherwise = '' if setting.unset is None else 'otherwise '
        text += f'; {otherwise}{setting.low} to {setting.high}'
    if not all(choice in setting.description for choice in setting.choices):
        text += f'; {"any of" if setting.many else "one of"} '
        text += ', '.join(filter(None, setting.choices))
    return text + (' (live)' if setting.live else '')


if __name__ == '__main__':
    FILE.write_text(parameter_file(FILE.read_text()))
