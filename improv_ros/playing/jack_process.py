"""The port of a JACK server on which PortOutput plays, in a process of its own.

    python -m improv_ros.playing.jack_process PORT VIRTUAL PRIORITY

Each line of standard input is a MIDI message in hexadecimal, sent at once. The process ends with
standard input, letting go of what then still sounds, for a player that was killed cannot. Or it
ends by itself, saying why, when what it plays on is gone: JACK would tell nobody, and only a new
process can be the client of another server.
"""

from __future__ import annotations

import os
import select
import sys
from threading import get_native_id
import time

from improv_ros.playing.child import READY
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.held import Held
from improv_ros.playing.jack_connections import JackConnections
from improv_ros.playing.local_port import LocalPort
from improv_ros.playing.output_port import SETTLING
from improv_ros.playing.realtime import go_first

LOOK_PERIOD = 0.25  # seconds
INPUT = 0


def main() -> int:
    """Send what comes in, for as long as somebody is there to hear it."""
    name, virtual, priority = sys.argv[1:]
    try:
        port = LocalPort('output', name, bool(virtual), 'jack')
        connections = JackConnections()
    except PlayingError as error:
        print(error)
        return 1
    if int(priority):
        go_first(get_native_id(), int(priority))  # the player says so if it is not allowed
    time.sleep(SETTLING)
    print(READY, flush=True)

    held = Held()
    unread = b''
    next_look = 0.0
    while True:
        if select.select([INPUT], [], [], LOOK_PERIOD)[0]:
            data = os.read(INPUT, 65536)
            if not data:
                break
            *lines, unread = (unread + data).split(b'\n')
            for line in lines:
                message = bytes.fromhex(line.decode())
                held.take(message)
                port.send(message)
        if time.monotonic() >= next_look:
            next_look = time.monotonic() + LOOK_PERIOD
            if problem := connections.problem(port.full_name, port.other_name):
                print(problem, flush=True)
                os._exit(1)  # the library would wait for a server that is dead
    for _ in range(2):  # JACK without real-time rights may lose a period
        for message in held.releases():
            port.send(message)
        time.sleep(SETTLING)
    connections.close()
    port.close()
    return 0


if __name__ == '__main__':
    sys.exit(main())
