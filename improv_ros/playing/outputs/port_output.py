# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from improv_ros.event_text import TimedEvent, message_of
from improv_ros.playing import PlayingError
from improv_ros.playing.midi.open_ports import OutputPort, open_output_port

SUSTAIN, ALL_NOTES_OFF = 64, 123
SILENCE = [
    bytes((0xB0 | channel, controller, 0))  # a control change
    for channel in range(16)
    for controller in (SUSTAIN, ALL_NOTES_OFF)
]


class PortOutput:
    """
    A MIDI port: an instrument, a synthesiser or another program.

    port: any part of the name of an existing port ('' is the first), the name of a new port if
        `virtual`, or socket://host:port.
    api: 'alsa', 'jack' or '' (the first that works).
    priority: real-time priority of the helper process of a JACK port, 1 to 99; 0 is none.
    """

    def __init__(
        self, port: str = '', virtual: bool = False, api: str = '', priority: int = 0
    ) -> None:
        self.name = f'port {port}'.rstrip()
        self._port_name = port
        self._virtual = virtual
        self._api = api
        self._priority = priority
        self._port: OutputPort | None = None

    @property
    def problem(self) -> str:
        return self._port.problem if self._port else ''

    def open(self) -> None:
        self._port = open_output_port(self._port_name, self._virtual, self._api, self._priority)
        # A player that was killed before may have left notes sounding here.
        for data in SILENCE:
            self._port.send(data)

    def send(self, event: TimedEvent) -> None:
        if self._port is None:
            raise PlayingError(f'{self.name} is not open')
        try:
            self._port.send(bytes(message_of(event.kind, event.values).bytes()))
        except OSError as error:
            raise PlayingError(f'{self.name} is gone: {error}') from error

    def close(self) -> None:
        if self._port is not None:
            port, self._port = self._port, None
            port.close()
