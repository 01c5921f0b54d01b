# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv evaluate`: evaluate an improviser on performances, or a transcriber on recordings."""

import argparse

from improv_ros.training.improviser import evaluate_improviser
from improv_ros.training.transcriber import evaluate_transcriber

# What is evaluated: the module with its options, which evaluates it, and a description.
NETWORKS = {
    'improviser': (evaluate_improviser, "the improviser's network, on piano performances"),
    'transcriber': (evaluate_transcriber, 'a transcriber, on recordings'),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare a sub-command with its options for each network."""
    networks = parser.add_subparsers(dest='network', required=True, metavar='NETWORK')
    for name, (module, summary) in NETWORKS.items():
        command = networks.add_parser(name, help=summary, description=f'Evaluate {summary}.')
        module.add_arguments(command)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; return the exit code."""
    return NETWORKS[arguments.network][0].run(arguments)
