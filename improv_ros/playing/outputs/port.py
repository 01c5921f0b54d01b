import time
from typing import Any

from improv_ros.event_text import TimedEvent, message_of
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.ports import open_port
from improv_ros.playing.sockets import SocketSender, is_socket

SETTLING = 0.15  # seconds; JACK loses what is sent just after a port is opened or before it closes


class PortOutput:
    """
    A MIDI port: an instrument, a synthesiser, another program.

    `port` is any part of an existing port's name (the empty name is the first port), the name of
    a new port where `virtual`, or socket://host:port. `api` is 'alsa', 'jack' or '' (automatic).
    """

    problem = ''  # neither ALSA nor JACK says when the other end is gone

    def __init__(self, port: str = '', virtual: bool = False, api: str = '') -> None:
        self.name = f'port {port}'.rstrip()
        self._port_name = port
        self._virtual = virtual
        self._api = api
        self._port: Any = None

    def open(self) -> None:
        if is_socket(self._port_name):
            self._port = SocketSender(self._port_name)
        else:
            self._port = open_port('output', self._port_name, self._virtual, self._api)
            time.sleep(SETTLING)

    def send(self, event: TimedEvent) -> None:
        try:
            self._port.send(message_of(event.kind, event.values))
        except OSError as error:
            raise PlayingError(f'{self.name} is gone: {error}') from error

    def close(self) -> None:
        if self._port is not None:
            port, self._port = self._port, None
            if not is_socket(self._port_name):
                time.sleep(SETTLING)
            port.close()
