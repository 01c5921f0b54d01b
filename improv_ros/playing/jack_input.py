"""The port of a JACK server which KeyboardInput hears, in a process of its own.

    python -m improv_ros.playing.jack_input PORT VIRTUAL

Each message that comes in is a line of standard output: the time in nanoseconds of the monotonic
clock, which all processes share, and the message in hexadecimal. The process ends with standard
input, or by itself, saying why, when what it hears is gone: JACK would tell nobody, and only a
new process can be the client of another server.
"""

from __future__ import annotations

import os
import select
import sys
import time

from improv_ros.playing.child import READY
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.jack_connections import JackConnections
from improv_ros.playing.local_port import LocalPort

LOOK_PERIOD = 0.25  # seconds
INPUT, OUTPUT = 0, 1


def _tell(data: bytes) -> None:
    os.write(OUTPUT, f'{time.monotonic_ns()} {data.hex()}\n'.encode())


def main() -> int:
    """Tell what comes in, for as long as somebody may play there."""
    name, virtual = sys.argv[1:]
    try:
        port = LocalPort('input', name, bool(virtual), 'jack', _tell)
        connections = JackConnections()
    except PlayingError as error:
        print(error)
        return 1
    print(READY, flush=True)
    watched = (port.full_name, '') if virtual else (port.other_name, port.full_name)
    while not select.select([INPUT], [], [], LOOK_PERIOD)[0]:
        if problem := connections.problem(*watched):
            print(problem, flush=True)
            os._exit(1)  # the library would wait for a server that is dead
    port.close()
    return 0


if __name__ == '__main__':
    sys.exit(main())
