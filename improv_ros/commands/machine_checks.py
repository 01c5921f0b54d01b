# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What `improv doctor` looks at: one function per part of a machine.

Each runs in a process of its own, `python -m improv_ros.commands.machine_checks NAME`, and prints
its findings as JSON, a line each: native libraries crash and hang on broken machines. Packages are
imported where they are needed, because any of them may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
import ctypes
from importlib import import_module
import json
import os
from pathlib import Path
import platform
import shutil
import socket
import sys
import time
from typing import NamedTuple

from improv_ros.process import packages
from improv_ros.process.native_stderr import native_stderr_discarded

WORKS, LIMITED, FAILS = 'works', 'limited', 'fails'
OLDEST_PYTHON = (3, 10)
PAGE_PORT = 8765
# Module: what is not possible without it.
OPTIONAL = {
    'soundfile': 'no recordings as input, no WAV files',
    'soxr': 'no microphone and no recordings of another sample rate',
    'ai_edge_litert': 'no network runs without TensorFlow',
    'std_srvs': 'no improviser and no player',
    'trajectory_msgs': 'no robot body',
    'sensor_msgs': 'no robot body',
    'tornado': 'no live page',
    'mcap': 'no improv record and replay',
    'matplotlib': 'no picture from improv demo',
    'tqdm': 'no improv demo',
    'mujoco': 'no simulated body',
}
LEAST_DISK, USUAL_DISK = 0.2, 2.0  # GB
HOP = 0.01  # seconds of sound per step of the transcriber
SOUND = 2.0  # seconds that are transcribed
COMFORTABLE = 0.5  # share of real time: above it a network has no reserve
RTPRIO = 50
TIME_ERROR = 5  # of adjtimex(2): the clock is not synchronised


class Finding(NamedTuple):
    """
    One thing that was looked at.

    state: WORKS, LIMITED (the chain runs, something does not) or FAILS (the chain does not run).
    what: a sentence; remedy: what to do, empty if nothing.
    """

    state: str
    what: str
    remedy: str = ''


def python() -> Iterator[Finding]:
    """Look at Python and the packages."""
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        yield Finding(FAILS, f'Python {version}', 'install Python 3.10 or later')
    else:
        yield Finding(WORKS, f'Python {version}, {platform.machine()}, {_system()}')
    broken = 0
    for module in packages.NEEDED_BY_NODES:
        if problem := _problem_of(module):
            broken += 1
            yield Finding(FAILS, f'no node runs without {module}', problem)
    for module, lost in OPTIONAL.items():
        if problem := _problem_of(module):
            broken += 1
            yield Finding(LIMITED, f'{module}: {lost}', problem)
    if not broken:
        yield Finding(WORKS, 'all Python packages')


def ros() -> Iterator[Finding]:
    """Look at ROS 2: create a node, and pass a message from it to itself."""
    if packages.missing(['rclpy', 'std_msgs']):
        yield Finding(FAILS, 'there is no ROS 2', packages.what_to_install('rclpy'))
        return
    import rclpy
    from std_msgs.msg import String

    from improv_ros.bringup.ros_environment import discovery_variables

    os.environ.update(discovery_variables('auto', os.environ))

    distribution = os.environ.get('ROS_DISTRO', 'from wheels')
    name = f'ROS 2 ({distribution}), domain {os.environ.get("ROS_DOMAIN_ID", "0")}'
    received: list[String] = []
    try:
        rclpy.init(args=[])
        node = rclpy.create_node('doctor')
        topic = f'doctor_{os.getpid()}'
        node.create_subscription(String, topic, received.append, 10)
        publisher = node.create_publisher(String, topic, 10)
        deadline = time.monotonic() + 10
        while not received and time.monotonic() < deadline:
            publisher.publish(String(data=''))
            rclpy.spin_once(node, timeout_sec=0.1)
        node.destroy_node()
        rclpy.try_shutdown()
    except Exception as error:  # whatever rcl and the middleware find wrong
        yield Finding(
            FAILS, f'{name} does not start: {_first_line(error)}', 'source its setup.bash'
        )
        return
    if received:
        yield Finding(WORKS, name)
    else:
        yield Finding(
            FAILS, f'{name} passes no messages', 'allow UDP on the loopback device in the firewall'
        )


def sound() -> Iterator[Finding]:
    """Look at the microphones and the synthesiser."""
    if problem := _problem_of('pyaudio'):
        yield Finding(LIMITED, 'no microphone', problem)
    elif not packages.missing(['numpy', 'soxr']):
        from improv_ros.listening.capture import SourceError, list_devices

        try:
            devices = list_devices()
        except SourceError as error:
            devices, reason = [], f': {error}'
        else:
            reason = ''
        for device in devices:
            yield Finding(
                WORKS,
                f'microphone {device.name} ({device.channels} channels, {device.sample_rate} Hz)',
            )
        if not devices:
            yield Finding(
                LIMITED,
                f'no microphone{reason}',
                'connect one and look at arecord -l; join the group audio; or use '
                '--input keyboard or page',
            )
    from improv_ros.playing import PlayingError

    try:
        with native_stderr_discarded():
            from improv_ros.playing.synth.fluidsynth_synth import Synth, find_soundfont

            synth = Synth(str(font := find_soundfont()), 1.0, 44100)
            try:
                synth.connect_to_audio_device()
            finally:
                synth.close()
    except (PlayingError, ImportError) as error:
        reason = packages.advice(error) if isinstance(error, ImportError) else str(error)
        yield Finding(
            LIMITED,
            f'no synthesiser is heard: {reason}',
            'use --output file, or mend what the sentence says',
        )
    else:
        yield Finding(WORKS, f'synthesiser on the audio device, with {font.name}')


def midi() -> Iterator[Finding]:
    """Look at the MIDI ports."""
    if problem := _problem_of('mido') or _problem_of('rtmidi'):
        yield Finding(LIMITED, 'no MIDI ports', problem)
        return
    from improv_ros.playing import PlayingError
    from improv_ros.playing.midi.port_names import input_names, output_names

    try:
        with native_stderr_discarded():
            inputs, outputs = input_names(), output_names()
    except PlayingError as error:
        yield Finding(LIMITED, 'no MIDI ports', str(error))
        return
    for names, what in ((inputs, 'MIDI input'), (outputs, 'MIDI output')):
        if names:
            yield Finding(WORKS, f'{what}: {", ".join(names)}')
        else:
            yield Finding(LIMITED, f'no {what}', 'connect an instrument, and look at aconnect -l')


def timing() -> Iterator[Finding]:
    """Look at real-time rights and the clock."""
    from improv_ros.playing.realtime import set_fifo_priority

    problem = set_fifo_priority(0, RTPRIO)
    if problem:
        yield Finding(LIMITED, 'no real-time priority', problem.partition(': ')[2])
    else:
        yield Finding(WORKS, f'real-time priority {RTPRIO} is allowed')
    buffer = ctypes.create_string_buffer(512)  # struct timex, mode 0: only read
    state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    if 0 <= state < TIME_ERROR:
        yield Finding(WORKS, 'the clock is synchronised')
    else:
        yield Finding(
            LIMITED,
            'the clock is not known to be synchronised, which several machines need',
            'apt install chrony',
        )


def speed() -> Iterator[Finding]:
    """Run both networks for a moment."""
    yield from _speed_of('transcriber', _transcription_share)
    yield from _speed_of('improviser', _improvisation_share)


def place() -> Iterator[Finding]:
    """Look at the free disk and the port of the live page."""
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    state = WORKS if free >= USUAL_DISK else LIMITED if free >= LEAST_DISK else FAILS
    remedy = '' if state == WORKS else 'free some: recordings and logs need it'
    yield Finding(state, f'{free:.1f} GB free in {Path.cwd()}', remedy)
    try:
        socket.create_server(('localhost', PAGE_PORT)).close()
        yield Finding(WORKS, f'port {PAGE_PORT} for the live page')
    except OSError as error:
        yield Finding(
            LIMITED,
            f'port {PAGE_PORT} of the live page: {error.strerror}',
            'end the ensemble that runs, or give another --page-port',
        )


def _speed_of(network: str, share_of_real_time: Callable[[], float]) -> Iterator[Finding]:
    from improv_ros.inference.model_error import ModelError

    try:
        share = share_of_real_time()
    except (ModelError, ImportError) as error:
        reason = packages.advice(error) if isinstance(error, ImportError) else str(error)
        yield Finding(FAILS, f'the {network} does not run', reason)
        return
    what = f'the {network} uses {100 * share:.0f} % of a processor core'
    if share < COMFORTABLE:
        yield Finding(WORKS, what)
    else:
        yield Finding(
            LIMITED if share < 1 else FAILS, what, 'stop other programs, or use a faster computer'
        )


def _transcription_share() -> float:
    """Return the seconds that a second of sound takes."""
    import numpy as np

    from improv_ros.listening.transcription.streaming_transcriber import StreamingTranscriber
    from improv_ros.listening.transcription.transcription_runtime import load_estimator

    transcriber = StreamingTranscriber(load_estimator())
    hop = round(HOP * transcriber.sample_rate)
    samples = np.random.default_rng(0).normal(0, 0.05, round(SOUND / HOP) * hop)
    transcriber.process(samples[:hop].astype(np.float32))
    began = time.process_time()
    for begin in range(hop, len(samples), hop):
        transcriber.process(samples[begin : begin + hop].astype(np.float32))
    return (time.process_time() - began) / SOUND


def _improvisation_share() -> float:
    """Return the seconds that ten notes take, the most that a person plays in a second."""
    from improv_ros.event_text import note_off, note_on
    from improv_ros.improvising import load_model

    model = load_model()
    count, notes = 100, 10
    began = time.process_time()
    for number in range(count):
        model.observe(note_on(number * 100_000_000, 60, 64))
        model.observe(note_off(number * 100_000_000 + 50_000_000, 60))
    return notes * (time.process_time() - began) / count


def _problem_of(module: str) -> str:
    """Return what is wrong with a module; empty if it can be imported."""
    try:
        with native_stderr_discarded():
            import_module(module)
    except ImportError as error:
        return packages.advice(error)
    except OSError as error:
        return f'{module} cannot be loaded: {_first_line(error)}'
    return ''


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _system() -> str:
    with contextlib.suppress(OSError):
        return platform.freedesktop_os_release()['PRETTY_NAME']
    return platform.system()


CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    'Python': python,
    'ROS 2': ros,
    'Sound': sound,
    'MIDI': midi,
    'Timing': timing,
    'Processor': speed,
    'Disk and network': place,
}

if __name__ == '__main__':
    for finding in CHECKS[sys.argv[1]]():
        print(json.dumps(finding), flush=True)
