from typing import Protocol

from improv_ros.event_text import TimedEvent, message_of
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.held import CONTROL_CHANGE
from improv_ros.playing.output_port import open_output_port
from improv_ros.playing.sockets import SocketSender, is_socket

SUSTAIN, ALL_NOTES_OFF = 64, 123
SILENCE = [
    bytes((CONTROL_CHANGE | channel, controller, 0))
    for channel in range(16)
    for controller in (SUSTAIN, ALL_NOTES_OFF)
]


class _Sender(Protocol):
    @property
    def problem(self) -> str: ...

    def send(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class PortOutput:
    """
    A MIDI port: an instrument, a synthesiser, another program.

    `port` is any part of an existing port's name (the empty name is the first port), the name of
    a new port where `virtual`, or socket://host:port. `api` is 'alsa', 'jack' or '' (automatic).
    `priority` is the real-time priority of a process besides this one that JACK needs.
    """

    def __init__(
        self, port: str = '', virtual: bool = False, api: str = '', priority: int = 0
    ) -> None:
        self.name = f'port {port}'.rstrip()
        self._port_name = port
        self._virtual = virtual
        self._api = api
        self._priority = priority
        self._port: _Sender | None = None

    @property
    def problem(self) -> str:
        return self._port.problem if self._port else ''

    def open(self) -> None:
        if is_socket(self._port_name):
            self._port = SocketSender(self._port_name)
        else:
            self._port = open_output_port(
                self._port_name, self._virtual, self._api, self._priority
            )
        # A player that was killed could not let go of what it had sounding here.
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
