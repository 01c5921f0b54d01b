"""MIDI input ports of this computer, watched: ALSA's here, JACK's in a process of their own."""

from __future__ import annotations

from collections.abc import Callable
import time

import mido

from improv_ros.playing.alsa_connections import connection_problem
from improv_ros.playing.child import Child
from improv_ros.playing.local_port import LocalPort
from improv_ros.playing.ports import open_in

STARTING = 5.0  # seconds

OnMessage = Callable[[mido.Message, int], None]  # with the time (ns, monotonic) when it came


class AlsaInput:
    """A port of the ALSA sequencer; the kernel tells whether it is still connected."""

    def __init__(self, port: str, virtual: bool, on_message: OnMessage) -> None:
        self._on_message = on_message
        self._virtual = virtual
        self._port = LocalPort('input', port, virtual, 'alsa', self._receive)

    @property
    def problem(self) -> str:
        """Why nothing comes any more; empty while all is well."""
        return '' if self._virtual else connection_problem(self._port.client)

    def close(self) -> None:
        """Let go of the port."""
        self._port.close()

    def _receive(self, data: bytes) -> None:
        now = time.monotonic_ns()
        for message in mido.parse_all(data):
            self._on_message(message, now)


class JackInput:
    """A port of a JACK server; it lives in another process, for JACK's library can crash."""

    def __init__(self, port: str, virtual: bool, on_message: OnMessage) -> None:
        self._on_message = on_message
        arguments = [port, 'virtual' if virtual else '']
        self._child = Child(
            'the JACK port', 'improv_ros.playing.jack_input', arguments, STARTING, self._receive
        )

    @property
    def problem(self) -> str:
        """Why nothing comes any more; empty while all is well."""
        return self._child.problem

    def close(self) -> None:
        """Let go of the port."""
        self._child.close()

    def _receive(self, line: str) -> None:
        moment, data = line.split()
        for message in mido.parse_all(bytes.fromhex(data)):
            self._on_message(message, int(moment))


def open_input_port(
    port: str, virtual: bool, api: str, on_message: OnMessage
) -> AlsaInput | JackInput:
    """
    Open a port by any part of its name, or a virtual one under this name.

    `on_message` is called in another thread. PlayingError says what is missing.
    """
    return open_in(
        api,
        lambda: AlsaInput(port, virtual, on_message),
        lambda: JackInput(port, virtual, on_message),
    )
