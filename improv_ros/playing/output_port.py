"""A MIDI output port of this computer, and whether what it is connected to is still there."""

from __future__ import annotations

from itertools import count
import os
from typing import Any

from improv_ros.playing.alsa_connections import connection_problem
from improv_ros.playing.child import Child
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.ports import (
    ALSA_SEQUENCER,
    BACKENDS,
    CLIENT_NAME,
    choose_api,
    is_alsa,
    match,
)

PORT_NAME = 'output'
SETTLING = 0.15  # seconds; JACK loses what is sent just after a port is opened or before it closes
STARTING = 5.0  # seconds

_numbers = count(1)


class MidiOut:
    """
    An open port in this process; PlayingError when there is none of that name.

    `port` is any part of the name of an existing port, or the name of a new, `virtual` one; the
    `destination` is the full name of the existing one.
    """

    def __init__(self, port: str, virtual: bool, api: str) -> None:
        api = choose_api(api)
        import rtmidi

        # No other client has this name, so that its connections can be found.
        self.client = f'{CLIENT_NAME}-{os.getpid()}-{next(_numbers)}'
        self.destination = ''
        name = (port or PORT_NAME) if virtual else PORT_NAME
        self.full_name = f'{self.client}:{name}'
        try:
            rtapi = getattr(rtmidi, f'API_{BACKENDS[api]}')
            self._port: Any = rtmidi.MidiOut(rtapi=rtapi, name=self.client)
            if virtual:
                self._port.open_virtual_port(name)
            else:
                names = self._port.get_ports()
                self.destination = match(port, names, 'output')
                self._port.open_port(names.index(self.destination), name)
        except (rtmidi.RtMidiError, OSError) as error:
            raise PlayingError(f'MIDI output port {port!r} cannot be opened: {error}') from error

    def send(self, data: bytes) -> None:
        """Send one message."""
        self._port.send_message(data)

    def close(self) -> None:
        """Let go of the port."""
        self._port.close_port()
        self._port.delete()


class AlsaPort:
    """A port of the ALSA sequencer; the kernel tells whether it is still connected."""

    def __init__(self, port: str, virtual: bool) -> None:
        self._port = MidiOut(port, virtual, 'alsa')
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
    if is_alsa(api):
        return AlsaPort(port, virtual)
    try:
        return JackPort(port, virtual, priority)
    except PlayingError as error:
        if api:
            raise
        missing = f'there is no ALSA sequencer ({ALSA_SEQUENCER}), and with JACK: '
        raise PlayingError(f'{missing}{error}') from error
