"""Watches one connection of a JACK server, from a process of its own.

    python -m improv_ros.playing.jack_watch PORT [DESTINATION]

Ends, saying why, when PORT is gone, is no longer connected to DESTINATION, or the server is dead.
Ends quietly with standard input. Neither a client of JACK nor its messages learn of any of this,
and a library that stumbles over a dead server falls here, where it hurts nobody.
"""

from __future__ import annotations

import ctypes
import select
import sys
from threading import Event

from improv_ros.playing.child import READY

LIBRARY = 'libjack.so.0'
LOOK_PERIOD = 0.25  # seconds
_NO_START_SERVER = 1
_ON_SHUTDOWN = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Jack:
    """What is needed of the library; OSError where it is missing or no server answers."""

    def __init__(self) -> None:
        try:
            self._library = library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise OSError(f'{error}: install it (apt install libjack-jackd2-0)') from error
        pointer = ctypes.c_void_p
        library.jack_client_open.restype = pointer
        library.jack_port_by_name.restype = pointer
        library.jack_port_by_name.argtypes = [pointer, ctypes.c_char_p]
        library.jack_port_get_all_connections.restype = ctypes.POINTER(ctypes.c_char_p)
        library.jack_port_get_all_connections.argtypes = [pointer, pointer]
        library.jack_free.argtypes = [pointer]
        library.jack_on_shutdown.argtypes = [pointer, _ON_SHUTDOWN, pointer]
        self._client = library.jack_client_open(b'improv_ros-watch', _NO_START_SERVER, None)
        if not self._client:
            raise OSError('no JACK server answers')
        self.dead = Event()
        self._on_shutdown = _ON_SHUTDOWN(lambda _: self.dead.set())
        library.jack_on_shutdown(self._client, self._on_shutdown, None)

    def connections(self, port: str) -> list[str] | None:
        """Return the ports to which a port is connected, or None if there is no such port."""
        handle = self._library.jack_port_by_name(self._client, port.encode())
        if not handle:
            return None
        names = self._library.jack_port_get_all_connections(self._client, handle)
        connected: list[str] = []
        while names and names[len(connected)]:
            connected.append(names[len(connected)].decode(errors='replace'))
        self._library.jack_free(names)
        return connected


def _trouble(jack: _Jack, port: str, destination: str) -> str:
    if jack.dead.is_set():
        return 'the JACK server is gone'
    connected = jack.connections(port)
    if connected is None:
        return f'the MIDI port {port!r} is gone'
    if destination and destination not in connected:
        return f'the MIDI port {destination!r} is gone, or was disconnected'
    return ''


def main() -> int:
    """Watch until there is something to say, or nobody to say it to."""
    port, destination = [*sys.argv[1:], ''][:2]
    try:
        jack = _Jack()
    except OSError as error:
        print(error)
        return 1
    print(READY, flush=True)
    while True:
        if select.select([sys.stdin], [], [], LOOK_PERIOD)[0]:
            return 0
        if trouble := _trouble(jack, port, destination):
            print(trouble)
            return 1


if __name__ == '__main__':
    sys.exit(main())
