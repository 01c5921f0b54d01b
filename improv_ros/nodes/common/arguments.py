# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The command line of a node: its options, and an error for everything else.

Arguments after `--ros-args` are read by ROS, which has errors of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
import sys

from improv_ros.nodes.common.managed_node import UNUSABLE
from improv_ros.nodes.common.parameters import Setting, nearest

ROS_OPTIONS = ('-p', '--param', '--params-file', '-r', '--remap', '-e', '--enclave', '--log-level')


def parse_arguments(
    name: str,
    settings: Iterable[Setting],
    listing: str = '',
    words: Sequence[str] | None = None,
) -> argparse.Namespace:
    """Return the options of a node; end the process with an error for an unknown argument.

    `listing` describes the option `--list`, for a node that has it.
    """
    parser = argparse.ArgumentParser(
        name,
        allow_abbrev=False,
        epilog='Parameters follow --ros-args: -p NAME:=VALUE or --params-file FILE.',
    )
    if listing:
        parser.add_argument('--list', action='store_true', help=listing)
    own = own_arguments(sys.argv[1:] if words is None else words)
    arguments, unknown = parser.parse_known_args(own)
    if unknown:
        options = ['--help', '--list'] if listing else ['--help']
        parameters = [setting.name for setting in settings]
        parser.exit(UNUSABLE, f'{name}: {refusal(unknown, options, parameters)}\n')
    return arguments


def own_arguments(words: Iterable[str]) -> list[str]:
    """Return the arguments that are not for ROS: `--ros-args` begins those, `--` ends them."""
    own = []
    is_ros = False
    for word in words:
        if is_ros:
            is_ros = word != '--'
        elif word == '--ros-args':
            is_ros = True
        else:
            own.append(word)
    return own


def refusal(
    unknown: Sequence[str], options: Sequence[str] = (), parameters: Sequence[str] = ()
) -> str:
    """Return an error for the first unknown argument, with the most similar known one."""
    word, *after = unknown
    if word in ROS_OPTIONS:
        return f'{word} is for ROS: give --ros-args before it'
    option, _, value = word.replace(':=', '=').partition('=')
    value = value or next((word for word in after if not word.startswith('-')), 'VALUE')
    sentence = f'there is no argument {word}'
    if option == word and not word.startswith('-'):
        return f'{sentence}; parameters are given as --ros-args -p NAME:=VALUE'
    names = {name: f'--ros-args -p {name}:={value}' for name in parameters}
    names |= {name.lstrip('-'): name for name in options}
    meant = nearest(option.lstrip('-').replace('-', '_'), names)
    return f'{sentence}; did you mean {names[meant]}?' if meant else f'{sentence}; see --help'
