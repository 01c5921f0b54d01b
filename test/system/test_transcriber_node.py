# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The transcriber node with a network, with thresholds that change, and with too little time."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os
from pathlib import Path
import signal
import threading
import time

import numpy as np
import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
import soundfile as sf
from std_msgs.msg import Int16MultiArray

from graph import NAMESPACE, Graph, NodeProcess, wait_until
from improv_ros.event_text import is_note_off, is_note_on
from improv_ros.listening.capture.audio_chunk import AudioChunk, to_int16
from improv_ros.nodes.common.audio_topic import audio_message
from improv_ros.nodes.common.note_topics import HEARING_TOPICS
from listening.transcriber_models import export_to, lively_network
from timing import TIMED, promised

RATE = 16000


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a network that hears what it likes, but hears."""
    return export_to(tmp_path_factory.mktemp('model'), lively_network())


def set_threshold(graph: Graph, name: str, value: float) -> None:
    client = graph.probe.create_client(SetParameters, f'{NAMESPACE}/transcriber/set_parameters')
    assert client.wait_for_service(10)
    number = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
    request = SetParameters.Request(parameters=[Parameter(name=name, value=number)])
    future = client.call_async(request)
    wait_until(future.done, 'an answer')
    assert future.result().results[0].successful


def start_noise(graph: Graph, loudness: float) -> None:
    path = graph.folder / 'noise.wav'
    noise = np.random.default_rng(1).normal(0, loudness, 10 * RATE).clip(-1, 1)
    # In bursts, so that a network that has learnt nothing sees something begin.
    noise *= np.repeat(np.arange(100) % 3 == 0, RATE // 10)
    sf.write(path, noise, RATE)
    graph.start('microphone', source='file', file=str(path), loop=True)


def test_a_network_is_run_and_its_thresholds_are_live(graph: Graph, model: Path) -> None:
    graph.start('transcriber', model=str(model), runtime='litert', onset_threshold=0.05)
    wait_until(lambda: 'audio received' in graph.figures('transcriber'), 'a transcriber')
    start_noise(graph, 0.2)
    for topic in HEARING_TOPICS:
        events = graph.events[topic]
        wait_until(lambda e=events: any(map(is_note_off, e)), f'notes on {topic}')
    for count in ('notes heard', 'notes confirmed'):
        wait_until(lambda c=count: graph.figures('transcriber')[c] != '0', 'figures')
    figures = graph.figures('transcriber')
    assert figures['model'] == str(model)
    assert float(figures['computing a hop p50 (ms)']) > 0
    assert float(figures['computing a hop p50 (ms)']) <= float(figures['computing a hop p99 (ms)'])
    # What the network delays at least; less where a chunk is lost, which ends a stream at once.
    least = 50 if TIMED else 0
    for name in ('heard', 'confirmed'):
        assert float(figures[f'sound to {name} p50 (ms)']) > least
    assert -20 < float(figures['peak level (dBFS)']) <= 0
    set_threshold(graph, 'onset_threshold', 1.0)
    time.sleep(1.0)  # what was heard before is on its way
    heard = [sum(map(is_note_on, graph.events[topic])) for topic in HEARING_TOPICS]
    time.sleep(2.0)
    assert [sum(map(is_note_on, graph.events[topic])) for topic in HEARING_TOPICS] == heard


def test_what_is_played_too_quietly_is_told(graph: Graph) -> None:
    """The spectral estimator hears at any level, and what is told holds for every network."""
    graph.start('transcriber', model='spectral', onset_threshold=0.1)
    wait_until(lambda: 'audio received' in graph.figures('transcriber'), 'a transcriber')
    second = np.arange(RATE) / RATE
    strike = np.sin(2 * np.pi * 440 * second) * np.exp(-3 * second) * (second > 0.1)
    path = graph.folder / 'quiet.wav'
    sf.write(path, 0.0045 * np.tile(strike, 5), RATE)
    graph.start('microphone', source='file', file=str(path), loop=True)
    wait_until(lambda: 'below -45 dBFS' in graph.says('transcriber'), 'the warning')


def test_the_package_of_an_audio_type_that_is_missing_is_named(graph: Graph) -> None:
    graph.start('transcriber', model='spectral', audio_type='AudioStamped')
    wait_until(
        lambda: 'clone https://github.com/mgonzs13/audio_common' in graph.says('transcriber'),
        'what to install',
    )


@contextlib.contextmanager
def starved(node: NodeProcess, share: float) -> Iterator[None]:
    """Let a node's process run a share of the time only."""
    over = threading.Event()

    def starve() -> None:
        while not over.is_set():
            os.kill(node.process.pid, signal.SIGSTOP)
            time.sleep(0.02 * (1 - share))
            os.kill(node.process.pid, signal.SIGCONT)
            time.sleep(0.02 * share)

    thread = threading.Thread(target=starve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_node_that_gets_too_little_time_skips_sound_and_recovers(graph: Graph) -> None:
    node = graph.start('transcriber', model='spectral')  # takes any tone for a note
    publisher = graph.publisher('audio', Int16MultiArray)
    over = threading.Event()

    def play() -> None:
        """Strike a key every second, as a microphone would hear it."""
        second = np.arange(RATE) / RATE
        strike = to_int16(0.3 * np.sin(2 * np.pi * 440 * second) * np.exp(-4 * second))
        began, number = time.monotonic(), 0
        while not over.is_set():
            ends = began + (number + 1) / 100
            time.sleep(max(0.0, ends - time.monotonic()))
            at = number % 100 * 160
            stamp = graph.now() - round((time.monotonic() - ends + 0.01) * 1e9)
            samples = strike[at : at + 160, np.newaxis]
            publisher.publish(audio_message(AudioChunk(samples, RATE, stamp, number)))
            number += 1

    def figure(name: str) -> float:
        return float(graph.figures('transcriber').get(name, 0))

    player = threading.Thread(target=play)
    player.start()
    try:
        wait_until(lambda: any(map(is_note_on, graph.events['heard_notes'])), 'a note')
        with starved(node, 0.02):
            wait_until(lambda: figure('audio skipped (s)') > 0.5, 'sound skipped')
            wait_until(lambda: 'stop other programs' in graph.says('transcriber'), 'a warning')
        if TIMED:  # a busy machine may skip more
            wait_until(lambda: graph.healthy('transcriber'), 'a healthy transcriber')
        passed = figure('audio skipped (s)')
        heard = len(graph.events['heard_notes'])
        wait_until(lambda: len(graph.events['heard_notes']) > heard + 4, 'more notes', 240)
        on = next(filter(is_note_on, reversed(graph.events['heard_notes'])))
        assert graph.now() - on.time < promised(2) * 1e9
        assert figure('audio skipped (s)') - passed < promised(0.5)
    finally:
        over.set()
        player.join()
    assert 'Traceback' not in node.said
