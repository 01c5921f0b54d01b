# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Speed of the improviser on one core, in a separate process: observing a note, generating a note
of a solo with all constraints, and the first event of an answer. The node: the time from the start
of its process until it is active, and its resident memory then.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import Any

from benchmark.harness import Column, Result, option
from benchmark.performances import add_model_argument
from benchmark.process_usage import usage_of
from improv_ros.training.improviser.speed import measure_speed

START_TIMEOUT = 120  # seconds
STARTS = 3


def node_start(runtime: str, model: str) -> tuple[float, float]:
    """Return the seconds from the start of a node until it is active, and its memory in MiB."""
    from lifecycle_msgs.msg import State
    from lifecycle_msgs.srv import GetState
    import rclpy

    rclpy.init()
    probe = rclpy.create_node('probe')
    client: Any = probe.create_client(GetState, '/improv/improviser/get_state')
    parameters = ['-p', f'runtime:={runtime}', *(['-p', f'model:={model}'] if model else [])]
    words = ['--ros-args', '-r', '__ns:=/improv', *parameters]
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, '-m', 'improv_ros.nodes.improviser', *words])
    try:
        while time.monotonic() - began < START_TIMEOUT:
            if client.wait_for_service(timeout_sec=0.02):
                answer = client.call_async(GetState.Request())
                rclpy.spin_until_future_complete(probe, answer, timeout_sec=0.1)
                state = answer.result() if answer.done() else None
                if state and state.current_state.id == State.PRIMARY_STATE_ACTIVE:
                    return time.monotonic() - began, usage_of(process.pid).memory
            if process.poll() is not None:
                raise RuntimeError(f'the node ended with {process.returncode}')
        raise RuntimeError(f'the node was not active within {START_TIMEOUT} s')
    finally:
        process.terminate()
        process.wait()
        rclpy.shutdown()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_argument(parser)
    option(parser, '--notes', 1000, 'notes to time')
    option(
        parser,
        '--runtimes',
        ['litert', 'tensorflow'],
        'runtimes of the network to measure',
        choices=['litert', 'tensorflow'],
    )


def run(arguments: argparse.Namespace, result: Result) -> None:
    os.environ.setdefault('ROS_DOMAIN_ID', str(50 + os.getpid() % 50))
    table = result.table(
        'Speed on one core',
        Column('runtime', width=10),
        Column('load, s', '.2f'),
        Column('memory, MB', '.0f'),
        Column('observing a note, ms, p50', '.2f'),
        Column('p99', '.2f'),
        Column('generating a note, ms, p50', '.2f'),
        Column('p99', '.2f'),
        Column('first event of an answer, ms, p99', '.1f'),
    )
    for runtime in arguments.runtimes:
        speed = measure_speed(runtime, arguments.model, arguments.notes)
        table.add(
            runtime, speed.load, speed.memory, *speed.observing, *speed.generating, speed.answering
        )
    table = result.table(
        'The node',
        Column('runtime', width=10),
        Column(f'active, s, {STARTS} starts'),
        Column('memory, MB', '.0f'),
    )
    for runtime in arguments.runtimes:
        starts = [node_start(runtime, arguments.model) for _ in range(STARTS)]
        seconds = ', '.join(f'{start:.2f}' for start, _ in starts)
        table.add(runtime, seconds, max(memory for _, memory in starts))
