"""MIDI over TCP, for machines without MIDI ports: the same bytes as on a cable."""

from collections.abc import Callable
import select
import socket
from threading import Event, Thread
import time

import mido

from improv_ros.playing.errors import PlayingError

SCHEME = 'socket://'
CONNECT_TIMEOUT = 1.0  # seconds
SEND_TIMEOUT = 0.02  # a peer that takes nothing must not hold up those that do
POLL_PERIOD = 0.2  # seconds until a closed input lets go


def is_socket(port: str) -> bool:
    """Tell whether a port's name is of the form socket://host:port."""
    return port.startswith(SCHEME)


def _parse_address(port: str) -> tuple[str, int]:
    host, _, number = port.removeprefix(SCHEME).rpartition(':')
    if not host or not number.isdecimal() or not 0 < int(number) < 65536:
        raise PlayingError(f'{port!r} is no address: write socket://host:port')
    return host, int(number)


class SocketSender:
    """Connects to whoever listens at socket://host:port, and sends."""

    def __init__(self, port: str) -> None:
        address = _parse_address(port)
        try:
            self._socket = socket.create_connection(address, timeout=CONNECT_TIMEOUT)
        except OSError as error:
            raise PlayingError(f'nobody listens at {port}: {error}') from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(SEND_TIMEOUT)
        self._name = port

    @property
    def problem(self) -> str:
        """What no `send` has told yet: that the other end is gone; empty while it is there."""
        try:
            readable, _, _ = select.select([self._socket], [], [], 0)
            gone = readable and not self._socket.recv(1, socket.MSG_PEEK)
        except OSError:
            gone = True
        return f'{self._name} is gone' if gone else ''

    def send(self, data: bytes) -> None:
        """Send a message; OSError when the other end is gone."""
        self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()


class SocketReceiver:
    """
    Listens at socket://host:port, for one sender at a time.

    Calls `on_message` with each message and the time when it came (ns, monotonic), and `on_gone`
    when a sender has left.
    """

    problem = ''  # it waits for whoever may come

    def __init__(
        self,
        port: str,
        on_message: Callable[[mido.Message, int], None],
        on_gone: Callable[[], None],
    ) -> None:
        try:
            self._server = socket.create_server(_parse_address(port))
        except OSError as error:
            raise PlayingError(f'cannot listen at {port}: {error}') from error
        self._server.settimeout(POLL_PERIOD)
        self._on_message = on_message
        self._on_gone = on_gone
        self._closed = Event()
        self._thread = Thread(target=self._receive, name='MIDI socket', daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._server.close()

    def _receive(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._server.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(POLL_PERIOD)
                self._receive_from(connection)
            self._on_gone()

    def _receive_from(self, connection: socket.socket) -> None:
        parser = mido.Parser()
        while not self._closed.is_set():
            try:
                data = connection.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            now = time.monotonic_ns()
            parser.feed(data)
            for message in parser:
                self._on_message(message, now)
