"""`improv run`: the chain on a machine without `ros2 launch`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from improv_ros import bringup, discovery
from improv_ros.ensemble import Ensemble

LOOK_PERIOD = 0.1  # seconds between looks at the nodes


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
    """Run the chain until Ctrl-C, SIGTERM or SIGHUP; a node that ends is started again."""
    values = {argument.name: getattr(arguments, argument.name) for argument in bringup.ARGUMENTS}
    try:
        nodes = bringup.chain(values)
    except bringup.BringupError as error:
        print(f'improv run: {error}', file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, lambda *_: stop.set())
    ensemble = Ensemble(
        nodes,
        values['namespace'],
        values['config'],
        values['log_level'],
        discovery.environment(values['discovery'], os.environ),
    )
    ensemble.start()
    while not stop.wait(LOOK_PERIOD):
        for sentence in ensemble.revive():
            print(f'improv run: {sentence}', file=sys.stderr, flush=True)
    away = ensemble.ended()  # of which was told above
    codes = ensemble.stop()
    return 1 if any(code for name, code in codes.items() if name not in away) else 0
