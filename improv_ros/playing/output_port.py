"""A MIDI output port of this computer, and whether what it is connected to is still there."""

from __future__ import annotations

from itertools import count
import os
import time
from typing import Any

from improv_ros.playing.alsa_connections import connection_problem
from improv_ros.playing.child import Child
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.ports import BACKENDS, CLIENT_NAME, choose_api, match

SETTLING = 0.15  # seconds; JACK loses what is sent just after a port is opened or before it closes
WATCH_STARTING = 5.0  # seconds
PORT_NAME = 'output'

_numbers = count(1)


class OutputPort:
    """
    An open port: `port` is any part of an existing port's name, or that of a new, virtual one.

    Neither ALSA nor JACK says when the other end is gone, so a look from outside finds out: the
    kernel's list of connections, or a process that watches the JACK server. PlayingError when
    there is no such port.
    """

    def __init__(self, port: str, virtual: bool, api: str) -> None:
        self._api = choose_api(api)
        import rtmidi

        # No other client has this name, so that its connections can be found.
        self._client = f'{CLIENT_NAME}-{os.getpid()}-{next(_numbers)}'
        self._watch: Child | None = None
        self._virtual = virtual
        number = getattr(rtmidi, f'API_{BACKENDS[self._api]}')
        try:
            self._port: Any = rtmidi.MidiOut(rtapi=number, name=self._client)
        except (rtmidi.RtMidiError, OSError) as error:
            raise PlayingError(f'MIDI port {port!r} cannot be opened: {error}') from error
        try:
            self._open(port)
        except (rtmidi.RtMidiError, OSError) as error:
            self.close()
            raise PlayingError(f'MIDI port {port!r} cannot be opened: {error}') from error
        except PlayingError:
            self.close()
            raise
        time.sleep(SETTLING)

    @property
    def problem(self) -> str:
        """Why what is sent no longer arrives; empty while it does, as far as can be known."""
        if self._watch:
            return self._watch.problem
        return '' if self._virtual else connection_problem(self._client)

    def send(self, data: bytes) -> None:
        """Send one message."""
        self._port.send_message(data)

    def close(self) -> None:
        """Let go of the port."""
        if self._watch:
            self._watch.close()
        time.sleep(SETTLING)
        self._port.close_port()
        self._port.delete()

    def _open(self, port: str) -> None:
        destination = ''
        if self._virtual:
            name = port or PORT_NAME
            self._port.open_virtual_port(name)
        else:
            name = PORT_NAME
            names = self._port.get_ports()
            destination = match(port, names, 'output')
            self._port.open_port(names.index(destination), name)
        if self._api == 'jack':
            self._watch = Child(
                'the watch over the MIDI port',
                'improv_ros.playing.jack_watch',
                [f'{self._client}:{name}', destination],
                WATCH_STARTING,
            )
