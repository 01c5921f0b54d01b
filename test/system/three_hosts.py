# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A session on three hosts: ears on one, networks on a second, the robot on a third.

    python three_hosts.py demo|chain|clock DELAY_MS FOLDER

writes what was heard and said, and what came out of the robot's port, to FOLDER/session.json. It
is a program of its own because Fast DDS looks at the network once in a process, and so must meet
the hosts' first.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import itertools
import json
import os
from pathlib import Path
import sys

from mido.sockets import PortServer, SocketPort

from clocks import a_clock_ahead_by
from graph import Graph, free_port, graph_in, wait_until
from hosts import Hosts, NoNamespacesError, hosts_named
from improv_ros.bringup.shared_files import shared_file
from improv_ros.event_text import SECOND, is_note_on, parse, to_timed
from improv_ros.playing.synth.rendering import render, write_wav

LOSS = 1  # percent
NO_NAMESPACES = 77
NODES = ('microphone', 'transcriber', 'improviser', 'midi_player')


def recording(folder: Path, whole: bool) -> Path:
    """Render the demonstration's phrase, or its beginning."""
    events = to_timed(parse(shared_file('demo/fuer_elise.txt').read_text()))
    beginning = itertools.takewhile(lambda event: event.time < 4.5 * SECOND, events)
    samples = render(events if whole else list(beginning), start=0)
    write_wav(folder / 'phrase.wav', samples, 44100)
    return folder / 'phrase.wav'


@contextlib.contextmanager
def session(delay: int, folder: Path) -> Iterator[tuple[Hosts, Graph]]:
    """Provide hosts and a graph over them, its probe on the robot's."""
    # The namespaces share this machine's memory, through which DDS must not talk.
    os.environ['FASTDDS_BUILTIN_TRANSPORTS'] = 'UDPv4'
    with hosts_named('ears', 'mind', 'hands') as hosts:
        hosts.connect(delay, LOSS)
        with hosts.on('hands'), graph_in(folder, 1 + os.getpid() % 100) as graph:
            graph.env['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'SUBNET'
            yield hosts, graph


def start_player(graph: Graph) -> SocketPort:
    """Start the player on the host where we are; return the other end of its port."""
    number = free_port()
    robot = PortServer('127.0.0.1', number)
    graph.start('midi_player', outputs='port', port=f'socket://127.0.0.1:{number}')
    return wait_until(lambda: robot.accept(block=False), 'the player at the port')


def play_the_chain(hosts: Hosts, graph: Graph, delay: int, whole: bool) -> list[tuple[int, int]]:
    """Let the chain hear a phrase and answer it to the end.

    Return the pitch and velocity of each note message that came out of the robot's port.
    """
    port = start_player(graph)
    with hosts.on('mind'):
        graph.start('transcriber')
        graph.start(
            'improviser',
            pause_mode='fixed',
            pause=2.0,  # longer than any in the phrase
            seed=1,
            shortest_answer=2.0,
            longest_answer=3.0,
            lookahead=0.25 + 4 * delay / 1000,  # time for what is lost to be sent again
        )
    wait_until(lambda: graph.healthy('midi_player') and graph.healthy('improviser'), 'the robot')
    with hosts.on('ears'):
        file = str(recording(graph.folder, whole))
        graph.start('microphone', source='file', file=file, min_subscribers=2)
    wait_until(lambda: 'has ended' in graph.says('microphone'), 'the end of the phrase', 90)
    heard, generated = graph.events['heard_notes'], graph.events['generated_notes']
    wait_until(lambda: generated and generated[-1].time > heard[-1].time, 'an answer')
    wait_until(
        lambda: (
            graph.now() > generated[-1].time + 2 * SECOND
            and sum(1 if is_note_on(event) else -1 for event in heard if event.kind == 'no') == 0
            and graph.figures('improviser')['playing'] == 'False'
            and graph.figures('midi_player')['events waiting'] == '0'
        ),
        'its end',
    )
    assert any(map(is_note_on, graph.events['played_notes']))
    notes = (message for message in port.iter_pending() if message.type.startswith('note'))
    return [
        (message.note, message.velocity if message.type == 'note_on' else 0) for message in notes
    ]


def compare_clocks(hosts: Hosts, graph: Graph) -> None:
    """Let two hosts compare their clocks, of which one is 50 ms ahead."""
    with hosts.on('mind'):
        graph.start('improviser')
    with a_clock_ahead_by(0.05):
        start_player(graph)
    wait_until(lambda: 'the clock of' in graph.says('improviser'), 'a warning')
    wait_until(lambda: 'the clock of' in graph.says('midi_player'), 'its mirror image')


def main() -> int:
    """Run the session; return NO_NAMESPACES, and say why, where there can be no hosts."""
    what, delay, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    try:
        with session(delay, folder) as (hosts, graph):
            sent = []
            if what == 'clock':
                compare_clocks(hosts, graph)
            else:
                sent = play_the_chain(hosts, graph, delay, whole=what == 'demo')
            record = {
                'sent': sent,
                'texts': graph.texts,
                'says': {name: graph.says(name) for name in NODES},
                'figures': {name: graph.figures(name) for name in NODES},
            }
    except NoNamespacesError as reason:
        print(reason)
        return NO_NAMESPACES
    (folder / 'session.json').write_text(json.dumps(record))
    return 0


if __name__ == '__main__':
    sys.exit(main())
