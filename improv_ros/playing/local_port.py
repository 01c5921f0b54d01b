"""A MIDI port of this computer, opened in this process."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
import os
from typing import Any

from improv_ros.playing.errors import PlayingError
from improv_ros.playing.ports import BACKENDS, CLIENT_NAME, choose_api, match

_numbers = count(1)


class LocalPort:
    """
    An open port, to send to ('output') or to receive from ('input').

    `port` is any part of the name of an existing port, or the name of a new, `virtual` one;
    `other_name` is the full name of the existing one, `full_name` that of our own. What comes in
    is handed to `on_data`, in the driver's thread. PlayingError when there is no such port.
    """

    def __init__(
        self,
        direction: str,
        port: str,
        virtual: bool,
        api: str,
        on_data: Callable[[bytes], None] | None = None,
    ) -> None:
        api = choose_api(api)
        import rtmidi

        # No other client has this name, so that its connections can be found.
        self.client = f'{CLIENT_NAME}-{os.getpid()}-{next(_numbers)}'
        self.other_name = ''
        name = (port or direction) if virtual else direction
        self.full_name = f'{self.client}:{name}'
        kind = {'output': rtmidi.MidiOut, 'input': rtmidi.MidiIn}[direction]
        try:
            rtapi = getattr(rtmidi, f'API_{BACKENDS[api]}')
            self._port: Any = kind(rtapi=rtapi, name=self.client)
            if on_data:
                self._port.set_callback(lambda received, _: on_data(bytes(received[0])))
            if virtual:
                self._port.open_virtual_port(name)
            else:
                names = self._port.get_ports()
                self.other_name = match(port, names, direction)
                self._port.open_port(names.index(self.other_name), name)
        except (rtmidi.RtMidiError, OSError) as error:
            raise PlayingError(
                f'MIDI {direction} port {port!r} cannot be opened: {error}'
            ) from error

    def send(self, data: bytes) -> None:
        """Send one message."""
        self._port.send_message(data)

    def close(self) -> None:
        """Let go of the port."""
        self._port.close_port()
        self._port.delete()
