"""A MIDI output port of this computer, and whether what it is connected to is still there."""

from __future__ import annotations

from improv_ros.playing.alsa_connections import connection_problem
from improv_ros.playing.child import Child
from improv_ros.playing.local_port import LocalPort
from improv_ros.playing.ports import open_in

SETTLING = 0.15  # seconds; JACK loses what is sent just after a port is opened or before it closes
STARTING = 5.0  # seconds


class AlsaPort:
    """A port of the ALSA sequencer; the kernel tells whether it is still connected."""

    def __init__(self, port: str, virtual: bool) -> None:
        self._port = LocalPort('output', port, virtual, 'alsa')
        self._virtual = virtual

    @property
    def problem(self) -> str:
        """Why what is sent no longer arrives; empty while it does."""
        return '' if self._virtual else connection_problem(self._port.client)

    def send(self, data: bytes) -> None:
        """Send one message."""
        self._port.send(data)

    def close(self) -> None:
        """Let go of the port."""
        self._port.close()


class JackPort:
    """A port of a JACK server; it lives in another process, for JACK's library can crash."""

    def __init__(self, port: str, virtual: bool, priority: int) -> None:
        arguments = [port, 'virtual' if virtual else '', str(priority)]
        self._child = Child(
            'the JACK port', 'improv_ros.playing.jack_process', arguments, STARTING
        )

    @property
    def problem(self) -> str:
        """Why what is sent no longer arrives; empty while it does."""
        return self._child.problem

    def send(self, data: bytes) -> None:
        """Send one message."""
        self._child.write(f'{data.hex()}\n'.encode())

    def close(self) -> None:
        """Let go of the port."""
        self._child.close()


def open_output_port(port: str, virtual: bool, api: str, priority: int) -> AlsaPort | JackPort:
    """
    Open a port by any part of its name, or a virtual one under this name.

    `priority` is the real-time priority with which a process besides this one reads what it is to
    send. PlayingError says what is missing.
    """
    return open_in(api, lambda: AlsaPort(port, virtual), lambda: JackPort(port, virtual, priority))
