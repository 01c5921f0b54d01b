"""Who is connected to whom at a JACK server, and whether the server still lives."""

from __future__ import annotations

import ctypes
from threading import Event

from improv_ros.playing.errors import PlayingError

LIBRARY = 'libjack.so.0'
CLIENT_NAME = 'improv_ros-watch'
_NO_START_SERVER = 1
_ON_SHUTDOWN = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class JackConnections:
    """
    A client of JACK that only looks; PlayingError where there is no library or no server.

    Once the server has died nothing of JACK works as it should in a process that was its client,
    not even with another server: such a process should leave.
    """

    def __init__(self) -> None:
        try:
            self._library = library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise PlayingError(f'{error}: install it (apt install libjack-jackd2-0)') from error
        pointer = ctypes.c_void_p
        library.jack_client_open.restype = pointer
        library.jack_port_by_name.restype = pointer
        library.jack_port_by_name.argtypes = [pointer, ctypes.c_char_p]
        library.jack_port_get_all_connections.restype = ctypes.POINTER(ctypes.c_char_p)
        library.jack_port_get_all_connections.argtypes = [pointer, pointer]
        library.jack_free.argtypes = [pointer]
        library.jack_client_close.argtypes = [pointer]
        library.jack_on_shutdown.argtypes = [pointer, _ON_SHUTDOWN, pointer]
        client = library.jack_client_open(CLIENT_NAME.encode(), _NO_START_SERVER, None)
        if not client:
            raise PlayingError('no JACK server answers')
        self._client = pointer(client)
        self._dead = Event()
        self._on_shutdown = _ON_SHUTDOWN(lambda _: self._dead.set())
        library.jack_on_shutdown(self._client, self._on_shutdown, None)

    def problem(self, port: str, destination: str) -> str:
        """Say what is wrong if `port` is no longer connected to `destination` ('': to any)."""
        if self._dead.is_set():
            return 'the JACK server is gone'
        connected = self._connected(port)
        if connected is None:
            return f'the MIDI port {port!r} is gone'
        if destination and destination not in connected:
            return f'the MIDI port {destination!r} is gone, or was disconnected'
        return ''

    def close(self) -> None:
        """Leave the server; one that is left without a word may not end when it is asked to."""
        self._library.jack_client_close(self._client)

    def _connected(self, port: str) -> list[str] | None:
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
