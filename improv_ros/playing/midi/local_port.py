# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A MIDI port that this process opens through python-rtmidi, in ALSA or in JACK."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
import os
from pathlib import Path
import re
from typing import Any

from improv_ros.playing import PlayingError
from improv_ros.playing.midi.port_names import BACKENDS, CLIENT_NAME, choose_api, match

ALSA_CLIENTS = Path('/proc/asound/seq/clients')  # the kernel lists clients and connections here
_CLIENT = re.compile(r'Client +\d+ : "(.*)" \[')
_CONNECTION = re.compile(r' +Connect(ing To|ed From): ')

_numbers = count(1)


class LocalPort:
    """
    An open MIDI port: direction 'output' sends, 'input' receives.

    port: any part of the name of an existing port, or the name of a new port if `virtual`.
    api: 'alsa', 'jack' or '' (the first that works).
    on_data: called in the driver's thread with the bytes of each message received.

    client, full_name: the names of our own client and port, which no other client has.
    other_name: the full name of the existing port; '' if `virtual`.

    Raises PlayingError if there is no such port.
    """

    def __init__(
        self,
        direction: str,
        port: str,
        virtual: bool,
        api: str,
        on_data: Callable[[bytes], None] | None = None,
    ) -> None:
        self._api = choose_api(api)
        import rtmidi

        self.client = f'{CLIENT_NAME}-{os.getpid()}-{next(_numbers)}'
        self.other_name = ''
        name = (port or direction) if virtual else direction
        self.full_name = f'{self.client}:{name}'
        kind = {'output': rtmidi.MidiOut, 'input': rtmidi.MidiIn}[direction]
        try:
            rtapi = getattr(rtmidi, f'API_{BACKENDS[self._api]}')
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

    @property
    def problem(self) -> str:
        """Why an ALSA port is no longer connected; '' if it is, and always '' for JACK."""
        if self._api != 'alsa' or not self.other_name:
            return ''
        return alsa_connection_problem(self.client)

    def send(self, data: bytes) -> None:
        """Send one message."""
        self._port.send_message(data)

    def close(self) -> None:
        """Close the port."""
        self._port.close_port()
        self._port.delete()


def alsa_connection_problem(client: str, path: Path = ALSA_CLIENTS) -> str:
    """
    Return what is wrong if an ALSA client has no connection; '' if it has one.

    Returns '' too if the kernel's list cannot be read.
    """
    try:
        text = path.read_text(errors='replace')
    except OSError:
        return ''
    current = ''
    for line in text.splitlines():
        if header := _CLIENT.match(line):
            current = header[1]
        elif current == client and _CONNECTION.match(line):
            return ''
    return 'the MIDI port is gone, or was disconnected'
