# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Plays a recording into the real chain, from `microphone` to a MIDI port, and lists the modules
of this package whose functions are called in each node while notes pass (`sys.setprofile`).

A module of BESIDE is called for the note, but neither transforms it nor hands it on.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from types import FrameType

from benchmark.harness import Column, Result, option
from improv_ros.bringup.chain_spec import NodeSpec, parameter_file

PACKAGE = 'improv_ros.'
BESIDE = {
    'types of events and audio': (
        'event_text.events',
        'event_text.kinds',
        'listening.capture.audio_chunk',
        'listening.transcription.estimator',
        'improvising.dialogue.improviser_settings',
    ),
    'clocks': (
        'listening.capture.pace',
        'nodes.common.clock_jumps',
        'nodes.common.clock_offset',
        'nodes.common.clock_watch',
        'nodes.common.local_time',
        'nodes.common.simulated_playing',
    ),
    'figures for diagnostics': ('listening.capture.input_level', 'nodes.common.latency_figures'),
    'what learns from the person by a copy of the note': (
        'improvising.partner.learner_process',
        'improvising.partner.partner',
    ),
    'lifecycle, parameters and signals of a node': (
        'nodes.common.arguments',
        'nodes.common.managed_node',
        'nodes.common.parameters',
        'nodes.common.problem_log',
        'nodes.common.rclpy_internals',
        'process.backoff',
        'process.native_stderr',
        'process.packages',
        'process.signals',
    ),
}
ROOT = Path(__file__).parents[1]
QUIET = ('--log-level', 'error')
TIMEOUT = 90.0  # seconds until the first note must be heard at the MIDI port
MORE = 3.0  # seconds that notes pass after the first one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option(parser, '--model', '', 'network file of the transcriber; empty: the shipped one')


def run(arguments: argparse.Namespace, result: Result) -> None:
    with tempfile.TemporaryDirectory() as name:
        called = modules_called(Path(name), arguments.model)
    table = result.table('', Column('node', width=11), 'a note passes', 'also called')
    beside = {module for modules in BESIDE.values() for module in modules}
    for node, modules in called.items():
        kinds = set(modules) - beside, set(modules) & beside
        # No two modules have the same name, so the last part is enough.
        table.add(node, *(', '.join(sorted(m.rpartition('.')[2] for m in kind)) for kind in kinds))
    passed = {module for modules in called.values() for module in modules} - beside
    result.note(f'One note passes {len(passed)} modules that transform it or hand it on.')
    reasons = ', '.join(BESIDE)
    result.note(
        f'The other modules that are called neither transform it nor hand it on: {reasons}.'
    )


def modules_called(folder: Path, model: str) -> dict[str, list[str]]:
    """Run the chain; return by node the modules that were called while notes passed."""
    import mido

    from improv_ros.playing.midi.tcp_ports import SocketReceiver

    recording = folder / 'chord.wav'
    write_chord(recording)
    with socket.create_server(('localhost', 0)) as server:
        port = f'socket://localhost:{server.getsockname()[1]}'
    heard = threading.Event()

    def receive(message: mido.Message, _: int) -> None:
        if message.type == 'note_on' and message.velocity:
            heard.set()

    nodes = [
        NodeSpec('microphone', {'source': 'file', 'file': str(recording), 'loop': True}),
        NodeSpec('transcriber', {'model': model}),
        NodeSpec('improviser', {'pause': 0.5}),
        NodeSpec('midi_player', {'outputs': 'port', 'port': port}),
    ]
    receiver = SocketReceiver(port, receive, lambda: None)
    processes = [start(node, folder) for node in nodes]
    try:
        if not heard.wait(TIMEOUT):
            raise RuntimeError(f'no note was played within {TIMEOUT:g} s')
        time.sleep(MORE)
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            process.wait()
        receiver.close()
    return {
        node.executable: json.loads((folder / f'{node.executable}.json').read_text())
        for node in nodes
    }


def write_chord(path: Path) -> None:
    """Write a second of three decaying tones with harmonics, and two seconds of silence."""
    import numpy as np
    import soundfile as sf

    rate = 44100
    times = np.arange(rate) / rate
    sound = sum(
        np.sin(2 * np.pi * frequency * harmonic * times) / harmonic**1.5
        for frequency in (261.6, 329.6, 392.0)
        for harmonic in range(1, 9)
    ) * np.exp(-3 * times)
    sf.write(path, np.concatenate([0.15 * sound, np.zeros(2 * rate)]), rate)


def start(node: NodeSpec, folder: Path) -> subprocess.Popen[bytes]:
    """Start a node in a process that reports its modules in a file of the folder."""
    parameters = folder / f'{node.executable}.yaml'
    parameters.write_text(parameter_file(node))
    report = folder / f'{node.executable}.json'
    ros = ['--ros-args', '-r', '__ns:=/improv', '--params-file', str(parameters)]
    return subprocess.Popen(
        [sys.executable, '-m', __name__, node.executable, str(report), *ros, *QUIET],
        env={
            **os.environ,
            'PYTHONPATH': str(ROOT),
            'ROS_DOMAIN_ID': str(os.getpid() % 99 + 1),
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        },
    )


def run_profiled(name: str, report: Path) -> int:
    """Run a node; write which modules are called while it is active."""
    from improv_ros.nodes.common.executable import run_node
    from improv_ros.nodes.common.managed_node import ManagedNode

    begins, ends = ManagedNode.on_activate.__code__, ManagedNode.leave.__code__
    active = False
    called: set[str] = set()

    def profile(frame: FrameType, event: str, _: object) -> None:
        nonlocal active
        if event == 'call' and active:
            called.add(frame.f_globals.get('__name__', ''))
        if event == 'call' and frame.f_code is ends:
            active = False
        elif event == 'return' and frame.f_code is begins:
            active = True

    threading.setprofile(profile)
    sys.setprofile(profile)
    code = run_node(name)
    sys.setprofile(None)
    ours = (module for module in called if module.startswith(PACKAGE))
    report.write_text(json.dumps([module.removeprefix(PACKAGE) for module in sorted(ours)]))
    return code


if __name__ == '__main__':
    node_name, report_name = sys.argv[1:3]
    del sys.argv[1:3]
    raise SystemExit(run_profiled(node_name, Path(report_name)))
