# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Two ensembles on one host, one of them open to the network, and a stranger on another host.

    python two_hosts.py FOLDER

writes to FOLDER/heard.json which nodes the stranger hears. It is a program of its own because
Fast DDS looks at the network once in a process, and so must meet the hosts' first.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
import sys

from diagnostic_msgs.msg import DiagnosticArray

from graph import free_port, graph_in, wait_until
from hosts import NoNamespacesError, hosts_named
from improv_ros.event_text import SECOND
from improv_run import improv_run
from three_hosts import NO_NAMESPACES

NODES = 3
PERIODS = 4 * SECOND  # of diagnostics, in which every node within hearing says something


def main() -> int:
    """Run the ensembles; return NO_NAMESPACES, and say why, where there can be no hosts."""
    folder = Path(sys.argv[1])
    # The namespaces share this machine's memory, through which DDS must not talk.
    os.environ['FASTDDS_BUILTIN_TRANSPORTS'] = 'UDPv4'
    for variable in ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_LOCALHOST_ONLY'):
        os.environ.pop(variable, None)
    heard: set[str] = set()

    def hear(message: DiagnosticArray) -> None:
        heard.update(status.name for status in message.status)

    try:
        with contextlib.ExitStack() as stack:
            hosts = stack.enter_context(hosts_named('robot', 'stranger'))
            hosts.connect(0, 0)
            with hosts.on('stranger'):
                graph = stack.enter_context(graph_in(folder, 1 + os.getpid() % 100))
            del graph.env['ROS_AUTOMATIC_DISCOVERY_RANGE']
            graph.probe.create_subscription(DiagnosticArray, '/diagnostics', hear, 100)
            runs = {}
            for name, words in (('closed', {}), ('open', {'discovery': 'subnet'})):
                (folder / name).mkdir()
                played = folder / name / 'played.mid'
                with hosts.on('robot'):
                    runs[name] = stack.enter_context(
                        improv_run(
                            folder / name,
                            graph.env,
                            {'midi_player': {'midi_file': str(played)}},
                            namespace=name,
                            input='keyboard',
                            keyboard=f'socket://localhost:{free_port()}',
                            mode='solo',
                            output='file',
                            **words,
                        )
                    )
            for name, run in runs.items():
                wait_until(lambda run=run: run.said.count(': active') == NODES, name)
                played = folder / name / 'played.mid'
                wait_until(
                    lambda played=played: played.exists() and played.stat().st_size > 200, name
                )
            wait_until(lambda: sum(n.startswith('open') for n in heard) == NODES, 'the open one')
            ready = graph.now()
            wait_until(lambda: graph.now() > ready + PERIODS, 'some seconds')
    except NoNamespacesError as reason:
        print(reason)
        return NO_NAMESPACES
    (folder / 'heard.json').write_text(json.dumps(sorted(heard)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
