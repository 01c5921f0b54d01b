# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""MIDI over TCP, for machines without MIDI ports: the bytes of a MIDI cable, in one direction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
import re
import select
import socket
from threading import Event, Thread
import time

import mido

from improv_ros.playing import PlayingError

SCHEME = 'socket://'
CONNECT_TIMEOUT = 1.0  # seconds
SEND_TIMEOUT = 0.02  # seconds; a receiver that does not read must not delay the other outputs
POLL_PERIOD = 0.2  # seconds; the longest time that `close` takes
# A sender whose host is gone is noticed after about 8 s: 5 s without data, then 3 probes.
KEEPALIVE = {socket.TCP_KEEPIDLE: 5, socket.TCP_KEEPINTVL: 1, socket.TCP_KEEPCNT: 3}
MAX_MESSAGE_BYTES = 1 << 16  # a longer system exclusive message is skipped
MAX_READS = 256  # in one go, of what arrived while this process was suspended
MAX_AGE = 1.0  # seconds; after a longer suspension, note-ons that arrived meanwhile are skipped
_STATUS = re.compile(rb'[\x80-\xf7]')  # begins or ends a message; clock ticks are left out


def is_socket(port: str) -> bool:
    """Return whether the name of a port is of the form socket://host:port."""
    return port.startswith(SCHEME)


def _parse_address(port: str) -> tuple[str, int]:
    host, _, number = port.removeprefix(SCHEME).rpartition(':')
    if not host or not number.isdecimal() or not 0 < int(number) < 65536:
        raise PlayingError(f'{port!r} is not an address: write socket://host:port')
    return host, int(number)


class SocketSender:
    """Connects to socket://host:port and sends; raises PlayingError if nobody listens there."""

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
        """That the receiver has closed the connection; '' if it has not."""
        try:
            readable, _, _ = select.select([self._socket], [], [], 0)
            gone = readable and not self._socket.recv(1, socket.MSG_PEEK)
        except OSError:
            gone = True
        return f'{self._name} is gone' if gone else ''

    def send(self, data: bytes) -> None:
        """Send a message; raises OSError if the receiver is gone."""
        self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()


class MidiParser:
    """Parses a stream of bytes; a message without an end is skipped after MAX_MESSAGE_BYTES."""

    def __init__(self) -> None:
        self._parser = mido.Parser()
        self._incomplete = 0  # bytes since the last status byte

    def read(self, data: bytes) -> Iterator[mido.Message]:
        """Return the messages that `data` completes."""
        statuses = [match.end() for match in _STATUS.finditer(data)]
        self._incomplete = len(data) - statuses[-1] if statuses else self._incomplete + len(data)
        self._parser.feed(data)
        messages = list(self._parser)
        if self._incomplete > MAX_MESSAGE_BYTES:
            self._parser = mido.Parser()  # it skips all data bytes until the next status byte
            self._incomplete = 0
        yield from messages


class SocketReceiver:
    """
    Listens at socket://host:port for one sender at a time; a new sender replaces the one before.

    on_message: called with each message and its time of arrival, in nanoseconds of the monotonic
        clock.
    on_gone: called when a sender has left or was replaced. It is also called after this process
        was suspended for more than MAX_AGE; note-ons that arrived meanwhile are then skipped.

    `problem` says why nobody can connect, or what was wrong with the last sender. It keeps
    listening after any error. Raises PlayingError if it cannot listen at the address.
    """

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
        self._server.setblocking(False)
        self.problem = ''
        self._name = port
        self._on_message = on_message
        self._on_gone = on_gone
        self._sender: socket.socket | None = None
        self._parser = MidiParser()
        self._up_to_date = time.monotonic()  # when everything that had arrived was read
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
                self._poll()
            except Exception as error:  # an exception would end this thread
                self.problem = f'{self._name}: {error}'
                with contextlib.suppress(Exception):  # it is most likely the same error again
                    self._disconnect()
                self._closed.wait(POLL_PERIOD)
        self._disconnect()

    def _poll(self) -> None:
        """Wait up to POLL_PERIOD for a new sender, or for data of the present one."""
        ends = [self._server] if self._sender is None else [self._server, self._sender]
        began = time.monotonic()
        ready, _, _ = select.select(ends, [], [], POLL_PERIOD)
        if self._sender in ready:
            self._read_messages()
        else:
            self._up_to_date = began
        if self._server in ready:
            self._accept()

    def _accept(self) -> None:
        try:
            sender, _ = self._server.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # the sender has closed the connection again
        except OSError as error:
            self.problem = f'{self._name} cannot take a connection: {error.strerror}'
            self._closed.wait(POLL_PERIOD)
            return
        self._disconnect()
        sender.setblocking(False)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            sender.setsockopt(socket.IPPROTO_TCP, option, value)
        self._sender = sender
        self._parser = MidiParser()
        self.problem = ''

    def _read_messages(self) -> None:
        suspended = False
        for _ in range(MAX_READS):
            data = self._read()
            # After the read: the process may be suspended between `select` and the read.
            before, self._up_to_date = self._up_to_date, time.monotonic()
            if not suspended and self._up_to_date - before > POLL_PERIOD + MAX_AGE:
                suspended = True
                self._on_gone()
            if data is None:
                return
            if not data:
                self._disconnect()
                return
            now = time.monotonic_ns()
            for message in self._parser.read(data):
                if not (suspended and message.type == 'note_on' and message.velocity):
                    self._on_message(message, now)
            if not suspended:
                return

    def _read(self) -> bytes | None:
        """Return data of the sender: b'' if it has left, None if there is none."""
        assert self._sender is not None
        try:
            return self._sender.recv(4096)
        except BlockingIOError:
            return None
        except OSError:
            return b''

    def _disconnect(self) -> None:
        if self._sender is not None:
            sender, self._sender = self._sender, None
            sender.close()
            self._on_gone()
