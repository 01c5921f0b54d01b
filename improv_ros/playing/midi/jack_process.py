# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A MIDI port of a JACK server, in a process of its own.

    python -m improv_ros.playing.midi.jack_process input|output PORT VIRTUAL PRIORITY

An output sends each line of standard input, a MIDI message in hexadecimal, at once. An input
writes each message that arrives as a line to standard output: the time of arrival in nanoseconds
of the monotonic clock, which all processes share, and the message in hexadecimal.

The process ends when standard input ends; an output first releases the keys and pedals that are
still held, because a player that was killed cannot. It also ends, with the reason on standard
output, when the port that it is connected to is gone or the server has died: only a new process
can become the client of another server.
"""

from __future__ import annotations

import os
import select
import sys
from threading import Event, get_native_id
import time

import mido

from improv_ros.event_text import HeldNotes, message_of, timed_event_of
from improv_ros.playing import PlayingError
from improv_ros.playing.helper_process import READY, write_line
from improv_ros.playing.midi.local_port import LocalPort
from improv_ros.playing.realtime import set_fifo_priority
from improv_ros.process import packages
from improv_ros.process.native_stderr import discard_native_stderr

CLIENT_NAME = 'improv_ros-watch'
POLL_PERIOD = 0.25  # seconds between checks of the connection
SETTLE_TIME = 0.15  # seconds; JACK loses what is sent right after opening or right before closing
STDIN = 0


class JackConnections:
    """
    Reads the connections of other clients at a JACK server.

    After the server has died, JACK's library works no longer in a process that was its client,
    not even with a new server: such a process should end.

    Raises PlayingError if JACK-Client or JACK's library is not installed, or no server runs.
    """

    def __init__(self) -> None:
        try:
            import jack
        except ModuleNotFoundError as error:
            raise PlayingError(f'JACK: {packages.advice(error)}') from error
        except (ImportError, OSError) as error:
            raise PlayingError(f'{error}: apt install libjack-jackd2-0') from error
        self._not_found = jack.JackError
        try:
            self._client = jack.Client(CLIENT_NAME, no_start_server=True)
        except jack.JackError as error:
            raise PlayingError('no JACK server is running') from error
        self._server_died = Event()
        self._client.set_shutdown_callback(lambda *_: self._server_died.set())

    def problem(self, port: str, other: str) -> str:
        """Return what is wrong unless `port` exists and is connected to `other` ('': to any)."""
        if self._server_died.is_set():
            return 'the JACK server is gone'
        try:
            connected = self._client.get_all_connections(self._client.get_port_by_name(port))
        except self._not_found:
            return f'the MIDI port {other or port!r} is gone'
        if other and other not in (port.name for port in connected):
            return f'the MIDI port {other!r} is gone, or was disconnected'
        return ''

    def close(self) -> None:
        """Leave the server; a server with clients that did not leave may not end when asked."""
        self._client.close()


def _write_message(data: bytes) -> None:
    write_line(f'{time.monotonic_ns()} {data.hex()}')


def _run(port: LocalPort, connections: JackConnections) -> HeldNotes:
    """Send what arrives on standard input until it ends; return what is then still held."""
    held = HeldNotes()
    unread = b''
    next_check = 0.0
    while True:
        if select.select([STDIN], [], [], POLL_PERIOD)[0]:
            data = os.read(STDIN, 65536)
            if not data:
                return held
            *lines, unread = (unread + data).split(b'\n')
            for line in lines:
                message = bytes.fromhex(line.decode())
                port.send(message)
                for parsed in mido.parse_all(message):
                    if event := timed_event_of(parsed, 0):
                        held.update(event)
        if time.monotonic() >= next_check:
            next_check = time.monotonic() + POLL_PERIOD
            if problem := connections.problem(port.full_name, port.other_name):
                write_line(problem)
                os._exit(1)  # the library would wait for a server that is dead


def main() -> int:
    """Open the port, say so, and pass messages on until standard input ends."""
    direction, name, virtual, priority = sys.argv[1:]
    discard_native_stderr()  # JACK writes several lines if there is no server
    try:
        on_data = _write_message if direction == 'input' else None
        port = LocalPort(direction, name, bool(virtual), 'jack', on_data)
        connections = JackConnections()
    except PlayingError as error:
        write_line(error)
        return 1
    if int(priority):
        set_fifo_priority(get_native_id(), int(priority))  # the player reports a refusal
    if direction == 'output':
        time.sleep(SETTLE_TIME)
    write_line(READY)

    held = _run(port, connections)
    releases = held.release_all(0)
    if direction == 'output':
        for _ in range(2):  # JACK without real-time priority may lose a period
            for event in releases:
                port.send(message_of(event.kind, event.values).bin())
            time.sleep(SETTLE_TIME)
    connections.close()
    port.close()
    return 0


if __name__ == '__main__':
    sys.exit(main())
