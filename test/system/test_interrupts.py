# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Ctrl-C, SIGHUP and the death of the parent, at any moment of real processes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import mido
from std_msgs.msg import String

from graph import Graph, free_port, wait_until
from improv_ros.event_text import SECOND, StreamWriter, note_on
from improv_run import improv_run

ROOT = Path(__file__).parents[2]
QUIET = 3.0  # seconds in which two chains, together, look around many times


def keys_down(path: Path) -> set[int]:
    """Return which keys are down at the end of a MIDI file."""
    down: set[int] = set()
    for message in mido.MidiFile(path):
        if message.type == 'note_on' and message.velocity:
            down.add(message.note)
        elif message.type in ('note_on', 'note_off'):
            down.discard(message.note)
    return down


def test_two_interrupts_in_a_row_end_everything_in_silence(graph: Graph) -> None:
    """`improv bench interrupts` does this 300 times, with a limit of 2 s."""
    result = subprocess.run(
        [sys.executable, '-m', 'improv_ros.cli', 'bench', 'interrupts', '--runs=1', '--limit=20']
        + [f'--domain={graph.env["ROS_DOMAIN_ID"]}'],
        env={**os.environ, **graph.env},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_terminal_that_is_closed_leaves_no_key_down(graph: Graph) -> None:
    file = graph.folder / 'played.mid'
    node = graph.start('midi_player', outputs='file', midi_file=str(file))
    publisher = graph.publisher('generated_notes')
    held = [note_on(graph.now() + SECOND // 5, pitch, 64) for pitch in (60, 64)]
    publisher.publish(String(data=StreamWriter().write(held)[0]))
    wait_until(lambda: len(graph.events['played_notes']) == 2, 'the notes')
    node.leave(signal.SIGHUP)
    assert node.process.returncode == 0
    assert len(list(mido.MidiFile(file))) > 2
    assert not keys_down(file)


def test_a_chain_whose_terminal_is_closed_leaves_no_key_down(graph: Graph) -> None:
    file = graph.folder / 'played.mid'
    options = {'input': 'keyboard', 'keyboard': f'socket://localhost:{free_port()}'}
    config = {'midi_player': {'midi_file': str(file)}}
    with improv_run(graph.folder, graph.env, config, mode='solo', output='file', **options) as run:
        wait_until(lambda: len(graph.events['played_notes']) > 10, 'music')
        os.killpg(run.process.pid, signal.SIGHUP)
        assert run.process.wait(20) == 0, run.said
    assert not run.nodes
    assert not keys_down(file)
    assert 'Traceback' not in run.said


def alive(process: int) -> bool:
    """Tell whether a process is there and no zombie."""
    with contextlib.suppress(OSError):
        return Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    return False


def test_nodes_end_with_their_parent_however_it_ends(graph: Graph) -> None:
    file = graph.folder / 'played.mid'
    options = {'input': 'keyboard', 'keyboard': f'socket://localhost:{free_port()}'}
    config = {'midi_player': {'midi_file': str(file)}}
    with improv_run(graph.folder, graph.env, config, mode='solo', output='file', **options) as run:
        wait_until(lambda: len(graph.events['played_notes']) > 10, 'music')
        nodes = run.nodes
        assert len(nodes) == 3
        run.process.kill()
        killed = time.monotonic()
        wait_until(lambda: not any(map(alive, nodes.values())), 'the end of the nodes')
        print(f'the nodes ended {time.monotonic() - killed:.2f} s after their parent')
    assert not keys_down(file)


def test_parameters_outlive_every_temporary_file(graph: Graph) -> None:
    """What is given by arguments reaches a node that starts again, though no file is left."""
    temporary = graph.folder / 'temporary'
    temporary.mkdir()
    port = f'socket://localhost:{free_port()}'
    env = {**graph.env, 'TMPDIR': str(temporary)}
    config = {'midi_player': {'midi_file': str(graph.folder / 'played.mid')}}
    with improv_run(
        graph.folder, env, config, input='keyboard', keyboard=port, output='file'
    ) as run:
        wait_until(lambda: run.said.count(': active') == 3, 'three nodes')
        assert not [path for path in temporary.iterdir() if path.name.startswith('improv')]
        before = run.nodes['midi_keyboard']
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: run.nodes.get('midi_keyboard', before) != before, 'another')
        wait_until(lambda: run.said.count('midi_keyboard]: active') == 2, 'that it is active')
        assert run.interrupt() == 0, run.said
    assert 'Traceback' not in run.said


def test_a_second_chain_in_the_namespace_is_refused_unless_forced(graph: Graph) -> None:
    def options() -> dict[str, str]:
        port = f'socket://localhost:{free_port()}'
        return {'input': 'keyboard', 'keyboard': port, 'output': 'file', 'mode': 'solo'}

    folders = [graph.folder / name for name in ('first', 'second')]
    for folder in folders:
        folder.mkdir()
    configs = [{'midi_player': {'midi_file': str(folder / 'a.mid')}} for folder in folders]
    with improv_run(folders[0], graph.env, configs[0], **options()) as first:
        wait_until(lambda: len(graph.events['played_notes']) > 10, 'music')
        with improv_run(folders[1], graph.env, configs[1], **options()) as refused:
            assert refused.process.wait(30) == 2
            assert refused.said.startswith('improv run: nodes are already running in the')
            assert refused.said.count('\n') == 1
        with improv_run(folders[1], graph.env, configs[1], force='true', **options()) as second:
            for run in (first, second):
                for node in ('midi_keyboard', 'improviser', 'midi_player'):
                    sentence = f'another node /improv/{node} runs on host'
                    wait_until(lambda r=run, s=sentence: s in r.said, sentence)
            time.sleep(QUIET)
            for run in (first, second):
                assert run.said.count('runs on host') == 3, run.said
                assert 'its publisher has left' not in run.said
            assert second.interrupt() == 0
        assert first.interrupt() == 0
