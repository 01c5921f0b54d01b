# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv run`: start all nodes, on a machine with or without `ros2 launch`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import Any

from improv_ros.bringup import chain_spec
from improv_ros.bringup.ensemble import Ensemble
from improv_ros.bringup.namespace_claim import Claim, ClaimedError
from improv_ros.bringup.ros_environment import discovery_variables
from improv_ros.calibration.refusal import CalibrationError
from improv_ros.process import packages, signals
from improv_ros.process.backoff import UNUSABLE

CHECK_PERIOD = 0.1  # seconds between checks of the nodes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the launch file as options."""
    for argument in chain_spec.ARGUMENTS:
        default = f' (default: {argument.default})' if argument.default else ''
        flag: dict[str, Any] = {}
        if argument.choices == chain_spec.FLAG:
            flag = {'nargs': '?', 'const': 'true'}
            parser.add_argument(
                f'--no-{argument.name}',
                dest=argument.name,
                action='store_const',
                const='false',
                help=argparse.SUPPRESS,
            )
        parser.add_argument(
            f'--{argument.name.replace("_", "-")}',
            default=argument.default,
            choices=argument.choices or None,
            **flag,
            help=argument.description + default,
        )


def run(arguments: argparse.Namespace) -> int:
    """Run the nodes until a request to end; restart a node that ends."""
    values = {
        argument.name: getattr(arguments, argument.name) for argument in chain_spec.ARGUMENTS
    }
    for module in packages.missing(packages.NEEDED_BY_NODES):
        report(packages.what_to_install(module))
        return UNUSABLE
    try:
        nodes = chain_spec.chain(values)
        config = chain_spec.config_file(values)
        if values['room']:
            from improv_ros.calibration.room_folders import read_room  # needs NumPy

            read_room(values['room'])
        claim = None if values['force'] == 'true' else Claim(values['namespace'], os.environ)
    except (chain_spec.BringupError, ClaimedError, CalibrationError) as error:
        report(str(error))
        return UNUSABLE
    ensemble = Ensemble(
        nodes,
        values['namespace'],
        config,
        values['log_level'],
        discovery_variables(values['discovery'], os.environ),
    )
    try:
        return run_until_stopped(ensemble)
    finally:
        if claim:
            claim.close()


def run_until_stopped(ensemble: Ensemble) -> int:
    """Run nodes until a request to end; restart a node that ends; return the exit code."""
    stop = signals.stop_event()
    try:
        ensemble.start()
        while not stop.wait(CHECK_PERIOD) and not ensemble.over():
            for sentence in ensemble.revive():
                report(sentence)
    finally:
        all_unusable = ensemble.over()
        reported = ensemble.ended()  # these were reported when they ended
        codes = ensemble.stop()
    if all_unusable:
        return UNUSABLE
    return 1 if any(code for name, code in codes.items() if name not in reported) else 0


def report(sentence: str) -> None:
    """Print a sentence to stderr, if that is still open."""
    with contextlib.suppress(OSError):  # the terminal was closed
        print(f'improv run: {sentence}', file=sys.stderr, flush=True)
