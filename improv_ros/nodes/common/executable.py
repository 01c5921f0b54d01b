# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The entry points of the nodes: catch signals first, and only then import the node."""

from __future__ import annotations

from functools import partial
import os
import sys

from improv_ros.process import signals
from improv_ros.process.backoff import UNUSABLE


def run_node(name: str) -> int:
    """Run the node of the module `improv_ros.nodes.NAME`; return the exit code."""
    signals.catch()
    from importlib import import_module

    try:
        return int(import_module(f'improv_ros.nodes.{name}').main())
    except ImportError as error:
        from improv_ros.process import packages

        if (error.name or '').partition('.')[0] == 'improv_ros':
            raise
        print(f'{name}: {packages.advice(error)}', file=sys.stderr)
        return UNUSABLE


microphone = partial(run_node, 'microphone')
midi_keyboard = partial(run_node, 'midi_keyboard')
transcriber = partial(run_node, 'transcriber')


def improviser() -> int:
    """Run the improviser; its products of small matrices are slower on several cores."""
    os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')  # read when NumPy is imported
    return run_node('improviser')


midi_player = partial(run_node, 'midi_player')
robot_performer = partial(run_node, 'robot_performer')


def simulated_robot() -> int:
    """Run the simulated robot; to find what it draws with, MuJoCo would start a process."""
    os.environ.setdefault('MUJOCO_GL', 'disable')  # read when MuJoCo is imported
    return run_node('simulated_robot')


keyboard_markers = partial(run_node, 'keyboard_markers')
live_page = partial(run_node, 'live_page')
