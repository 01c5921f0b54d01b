# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Every node of the chain is killed in turn, and the chain goes on."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
from functools import partial
import os
from pathlib import Path
import signal
import threading
import time

import mido
import pytest

from graph import Graph, free_port, wait_until
from improv_ros.bringup.shared_files import shared_file
from improv_ros.event_text import SECOND, is_note_on, parse, to_timed
from improv_ros.playing import PlayingError
from improv_ros.playing.midi.tcp_ports import SocketSender
from improv_ros.playing.synth.rendering import render, write_wav
from improv_run import Run, improv_run
from instrument import Instrument, instrument_at
from timing import promised

BACK = promised(5.0)  # seconds within which the chain is to play again, if it comes up in that
LONGEST = promised(2.0)  # seconds that a note may sound after the death of what should end it
SAID = 0.4  # seconds after which all that the improviser has said is over
RATE = 44100


class Pianist:
    """Somebody who plays without end at a keyboard, and plugs it in again when it was away."""

    def __init__(self, port: str) -> None:
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _play(self) -> None:
        while not self._stop.wait(0.1):
            with contextlib.suppress(PlayingError, OSError):
                sender = SocketSender(self._port)
                with contextlib.closing(sender):
                    while not self._stop.is_set() and not sender.problem:
                        for velocity in (70, 0):
                            message = mido.Message('note_on', note=60, velocity=velocity)
                            sender.send(message.bin())
                            self._stop.wait(0.1)


def recording(folder: Path) -> str:
    """Render some of the demonstration's phrase, without the silence after it."""
    events = to_timed(parse(shared_file('demo/fuer_elise.txt').read_text()))
    samples = render(events, start=0)[: 4 * RATE]
    write_wav(folder / 'phrase.wav', samples, RATE)
    return str(folder / 'phrase.wav')


def flows(graph: Graph, topic: str) -> Callable[[], bool]:
    """Return what tells whether a note has come on a topic that was not on its way before."""
    count, now = len(graph.events[topic]), graph.now()
    return lambda: any(
        is_note_on(event) and event.time > now for event in graph.events[topic][count:]
    )


def await_music(graph: Graph, *topics: str) -> float:
    """Wait for notes on one topic after the other; return how long (s) they took to come."""
    began = time.monotonic()
    for topic in topics:
        wait_until(flows(graph, topic), topic)
    return time.monotonic() - began


def kill_and_await(run: Run, graph: Graph, node: str, *topics: str) -> int:
    """Kill a node, and wait until another is in its place and notes come on one topic after the
    other; return when it was killed (ns, monotonic)."""
    process = run.nodes[node]
    os.kill(process, signal.SIGKILL)
    killed = time.monotonic_ns()
    wait_until(lambda: run.nodes.get(node, process) != process, f'another {node}')
    for topic in topics:
        wait_until(flows(graph, topic), f'{topic} after the {node}')
    return killed


def within_bounds(came_up: float, node: str, attempt: Callable[[], tuple[float, float]]) -> None:
    """Assert that a node's death keeps the chain away for no longer than it may.

    On a machine so busy that it took the chain longer to come up (s), it may take as long. An
    attempt returns after how long (s) notes came again, and how long what sounded went on.
    """
    back = max(BACK, came_up)
    took, longest = attempt()
    print(f'{node}: notes after {took:.2f} s, what sounded ended after {longest:.2f} s')
    assert took < back and longest < LONGEST, node


def freeze_with_a_key_down(process: int, instrument: Instrument) -> int:
    """Freeze the improviser where it has not said a key's end; return when (ns, monotonic)."""

    def freeze() -> int:
        os.kill(process, signal.SIGSTOP)
        frozen = time.monotonic_ns()
        time.sleep(SAID)
        if instrument.down():
            return frozen
        os.kill(process, signal.SIGCONT)
        return 0

    return wait_until(freeze, 'a key without an end')


def ends(instrument: Instrument, down: set[tuple[int, ...]], since: int) -> list[int]:
    """Return when (ns, monotonic) keys and pedals first came up that were down at a time."""
    first = {}
    for event in list(instrument.heard):
        if event.time >= since and event.kind == 'no' and not event.values[1]:
            first.setdefault((event.values[2], event.values[0]), event.time)
        elif event.time >= since and event.kind == 'cc' and event.values[1:] == (64, 0):
            first.setdefault((event.values[0], 64, 'pedal'), event.time)
    return [moment for key, moment in first.items() if key in down]


def test_the_chain_to_an_instrument_outlives_each_of_its_nodes(graph: Graph) -> None:
    port = f'socket://localhost:{free_port()}'

    def ears(node: str) -> tuple[float, float]:
        killed = kill_and_await(run, graph, node, 'heard_notes')
        return (time.monotonic_ns() - killed) / SECOND, 0.0

    def voice(node: str, *topics: str) -> tuple[float, float]:
        if node == 'improviser':
            dead = freeze_with_a_key_down(run.nodes[node], instrument)
        else:
            wait_until(instrument.down, 'a key down')
            dead = time.monotonic_ns()
        down = instrument.down()
        killed = kill_and_await(run, graph, node, *topics)
        wait_until(lambda: instrument.notes(killed), 'a note')
        took = time.monotonic_ns() - killed
        wait_until(lambda: len(ends(instrument, down, dead)) == len(down), 'the end of them')
        return took / SECOND, (max(ends(instrument, down, dead), default=dead) - dead) / SECOND

    config = {
        'microphone': {'loop': True},
        'midi_player': {'midi_file': str(graph.folder / 'played.mid')},
    }
    options = {'input': 'file', 'file': recording(graph.folder), 'mode': 'solo'}
    with (
        instrument_at(port) as instrument,
        improv_run(
            graph.folder, graph.env, config, output='port,file', port=port, **options
        ) as run,
    ):
        came_up = await_music(graph, 'heard_notes', 'generated_notes', 'played_notes')
        for node, attempt in (
            ('microphone', partial(ears, 'microphone')),
            ('transcriber', partial(ears, 'transcriber')),
            ('improviser', partial(voice, 'improviser', 'generated_notes', 'played_notes')),
            ('midi_player', partial(voice, 'midi_player', 'played_notes')),
        ):
            within_bounds(came_up, node, attempt)
            assert f'{node} was killed by SIGKILL; restarting it in 0.2 s' in run.said
        assert run.interrupt() == 0, run.said
    assert 'Traceback' not in run.said


@pytest.mark.nightly
def test_the_chain_from_a_keyboard_to_a_body_outlives_each_of_its_nodes(graph: Graph) -> None:
    port = f'socket://localhost:{free_port()}'

    def attempt(node: str, *topics: str) -> tuple[float, float]:
        killed = kill_and_await(run, graph, node, *topics)
        return (time.monotonic_ns() - killed) / SECOND, 0.0

    options = {'input': 'keyboard', 'keyboard': port, 'mode': 'solo', 'body': 'piano_88'}
    with (
        improv_run(graph.folder, graph.env, {}, **options) as run,
        contextlib.closing(Pianist(port)),
    ):
        came_up = await_music(graph, 'heard_notes', 'performed_notes', 'played_notes')
        for node, topics in (
            ('midi_keyboard', ['heard_notes']),
            ('improviser', ['generated_notes', 'performed_notes']),
            ('robot_performer', ['performed_notes', 'strikes']),
        ):
            within_bounds(came_up, node, partial(attempt, node, *topics))
        assert run.interrupt() == 0, run.said
    assert 'Traceback' not in run.said


@pytest.mark.parametrize('starting', [False, pytest.param(True, marks=pytest.mark.nightly)])
def test_ctrl_c_is_obeyed_while_a_node_is_about_to_start_again(
    graph: Graph, starting: bool
) -> None:
    options = {'input': 'keyboard', 'keyboard': f'socket://localhost:{free_port()}'}
    config = {'midi_player': {'midi_file': str(graph.folder / 'played.mid')}}
    with improv_run(graph.folder, graph.env, config, output='file', **options) as run:
        wait_until(lambda: run.said.count(': active') == 3, 'three nodes')
        process = run.nodes['improviser']
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: 'restarting it' in run.said, 'the plan')
        if starting:
            wait_until(lambda: run.nodes.get('improviser', process) != process, 'a new one')
        assert run.interrupt() == 0, run.said
    assert not run.nodes
    assert 'Traceback' not in run.said
