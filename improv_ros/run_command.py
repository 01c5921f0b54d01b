"""`improv run`: the chain on a machine without `ros2 launch`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from improv_ros import bringup
from improv_ros.ensemble import Ensemble


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments which the launch file has too."""
    for argument in bringup.ARGUMENTS:
        default = f' (default: {argument.default})' if argument.default else ''
        parser.add_argument(
            f'--{argument.name.replace("_", "-")}',
            default=argument.default,
            choices=argument.choices or None,
            help=argument.description + default,
        )


def run(arguments: argparse.Namespace) -> int:
    """Run the chain until Ctrl-C, SIGTERM or the end of one of its nodes."""
    values = {argument.name: getattr(arguments, argument.name) for argument in bringup.ARGUMENTS}
    try:
        nodes = bringup.chain(values)
    except bringup.BringupError as error:
        print(f'improv run: {error}', file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    ensemble = Ensemble(nodes, values['namespace'], values['config'], values['log_level'])
    ensemble.start()
    while not stop.wait(0.2) and not ensemble.ended():
        pass
    ended = ensemble.ended()
    codes = ensemble.stop()
    for name, code in ended.items():
        print(f'improv run: {name} ended by itself with exit code {code}', file=sys.stderr)
    return 1 if ended or any(codes.values()) else 0
