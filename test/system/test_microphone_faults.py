# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A microphone that vanishes, crashes, is muted or overdriven: it is said, and survived."""

from __future__ import annotations

from collections.abc import Callable
import os
import signal
import subprocess
import time

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import pytest
import soundfile as sf

from fixtures_audio import VirtualMicrophone, virtual_microphone  # noqa: F401
from graph import Graph, NodeProcess, wait_until
from timing import promised

NIGHTLY = pytest.mark.nightly
RATE = 44100
NOTICED = promised(2.0)  # seconds until diagnostics tell of a loss
RESUMED = promised(5.0)  # seconds from the return of a device to its first sound


def level(graph: Graph) -> bytes | None:
    status = graph.diagnostics.get('microphone')
    return status and status.level


def captured(graph: Graph) -> NodeProcess:
    """Start a microphone and wait until it publishes."""
    node = graph.start('microphone', device='pulse')
    wait_until(lambda: len(graph.chunks) > 5, 'the first sound')
    wait_until(lambda: level(graph) in (DiagnosticStatus.OK, DiagnosticStatus.WARN), 'health')
    return node


def crash_of_the_library(node: NodeProcess) -> None:
    children = subprocess.run(
        ['pgrep', '-P', str(node.process.pid), '-f', 'capture_process'],
        capture_output=True,
        text=True,
        check=True,
    )
    os.kill(int(children.stdout), signal.SIGSEGV)


@pytest.mark.parametrize(
    ('vanish', 'return_'),
    [
        pytest.param(VirtualMicrophone.unplug, VirtualMicrophone.plug_in, marks=NIGHTLY),
        (VirtualMicrophone.kill, VirtualMicrophone.start),
        pytest.param(VirtualMicrophone.pause, VirtualMicrophone.resume, marks=NIGHTLY),
    ],
    ids=['unplugged', 'the server killed', 'the server hung'],
)
def test_a_microphone_that_vanishes_is_missed_and_found_again(
    graph: Graph,
    virtual_microphone: VirtualMicrophone,  # noqa: F811
    vanish: Callable[[VirtualMicrophone], None],
    return_: Callable[[VirtualMicrophone], None],
) -> None:
    node = captured(graph)
    vanish(virtual_microphone)
    wait_until(lambda: level(graph) == DiagnosticStatus.ERROR, 'the loss', NOTICED)
    time.sleep(3)  # long enough for the pauses between attempts to have grown
    assert node.process.poll() is None
    assert level(graph) == DiagnosticStatus.ERROR
    graph.chunks.clear()
    return_(virtual_microphone)
    wait_until(lambda: graph.chunks, 'sound again', RESUMED)
    wait_until(lambda: level(graph) != DiagnosticStatus.ERROR, 'health again')
    node.leave()
    assert node.process.returncode == 0
    assert 'Traceback' not in node.said


@pytest.mark.usefixtures('virtual_microphone')
def test_a_crash_of_the_native_library_leaves_the_node_alive(graph: Graph) -> None:
    node = captured(graph)
    crash_of_the_library(node)
    wait_until(lambda: 'SIGSEGV' in node.said, 'the crash in the log')
    graph.chunks.clear()
    wait_until(lambda: graph.chunks, 'sound again')
    assert node.process.poll() is None


def test_a_muted_and_an_overdriven_microphone_are_told_apart_from_a_good_one(
    graph: Graph,
    virtual_microphone: VirtualMicrophone,  # noqa: F811
) -> None:
    captured(graph)
    wait_until(lambda: 'nothing but zeros' in graph.says('microphone'), 'a muted microphone')
    assert level(graph) == DiagnosticStatus.WARN
    assert 'unmute' in graph.says('microphone')
    assert graph.figures('microphone')['peak level (dBFS)'] == '-inf'

    seconds = np.arange(8 * RATE) / RATE
    tone = np.sin(2 * np.pi * 440 * seconds)
    for name, sound in (('good', 0.3 * tone), ('overdriven', np.clip(2 * tone, -1, 1))):
        sf.write(graph.folder / f'{name}.wav', sound, RATE, subtype='PCM_16')

    player = virtual_microphone.play(graph.folder / 'good.wav')
    wait_until(lambda: graph.healthy('microphone'), 'a good microphone')
    figures = graph.figures('microphone')
    assert figures['clipped samples'] == '0'
    player.kill()
    player.wait()

    player = virtual_microphone.play(graph.folder / 'overdriven.wav')
    wait_until(lambda: 'overdriven' in graph.says('microphone'), 'an overdriven microphone')
    assert level(graph) == DiagnosticStatus.WARN
    assert 'gain down' in graph.says('microphone')
    wait_until(lambda: graph.figures('microphone')['clipped samples'] != '0', 'a count of them')
    player.kill()
    player.wait()
    wait_until(lambda: 'overdriven' not in graph.says('microphone'), 'a good one again')


def test_a_recording_that_cannot_be_read_to_its_end_is_a_state(graph: Graph) -> None:
    recording = graph.folder / 'damaged.flac'
    noise = np.random.default_rng(3).normal(0, 0.1, 5 * RATE)
    sf.write(recording, noise, RATE)
    data = bytearray(recording.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    recording.write_bytes(data)
    node = graph.start('microphone', source='file', file=str(recording), loop=True)
    wait_until(lambda: 'damaged' in graph.says('microphone'), 'the damage')
    assert str(recording) in graph.says('microphone')
    assert node.process.poll() is None
    node.leave()
