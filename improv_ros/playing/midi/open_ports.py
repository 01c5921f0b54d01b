# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Opening a MIDI port by its name: of ALSA or a TCP socket here, of JACK in a helper process."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Protocol

import mido

from improv_ros.playing import PlayingError
from improv_ros.playing.helper_process import HelperProcess
from improv_ros.playing.midi.local_port import LocalPort
from improv_ros.playing.midi.port_names import NO_ALSA, is_alsa
from improv_ros.playing.midi.tcp_ports import SocketReceiver, SocketSender, is_socket

START_TIMEOUT = 5.0  # seconds

OnMessage = Callable[[mido.Message, int], None]  # the time of arrival in ns of the monotonic clock


class InputPort(Protocol):
    """A port that receives; `problem` says why nothing can arrive, '' if all is well."""

    @property
    def problem(self) -> str: ...

    def close(self) -> None: ...


class OutputPort(InputPort, Protocol):
    """A port that sends; `problem` says why nothing sent arrives, '' if all is well."""

    def send(self, data: bytes) -> None: ...


class JackPort:
    """A JACK port in a helper process, because a crash of JACK's library ends its process."""

    def __init__(
        self,
        direction: str,
        port: str,
        virtual: bool,
        priority: int = 0,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self._helper = HelperProcess(
            'the JACK port',
            'improv_ros.playing.midi.jack_process',
            [direction, port, 'virtual' if virtual else '', str(priority)],
            START_TIMEOUT,
            on_line,
        )

    @property
    def problem(self) -> str:
        return self._helper.problem

    def send(self, data: bytes) -> None:
        """Send one message."""
        self._helper.write(f'{data.hex()}\n'.encode())

    def close(self) -> None:
        self._helper.close()


def open_output_port(port: str, virtual: bool, api: str, priority: int) -> OutputPort:
    """
    Open a port to send to.

    port: any part of the name of an existing port, the name of a new port if `virtual`, or
        socket://host:port.
    api: 'alsa', 'jack' or '' (the first that works).
    priority: real-time priority of the helper process of a JACK port, 1 to 99; 0 is none.

    Raises PlayingError that says what is missing.
    """
    if is_socket(port):
        return SocketSender(port)
    return _open(
        api,
        lambda: LocalPort('output', port, virtual, 'alsa'),
        lambda: JackPort('output', port, virtual, priority),
    )


def open_input_port(
    port: str, virtual: bool, api: str, on_message: OnMessage, on_gone: Callable[[], None]
) -> InputPort:
    """
    Open a port to receive from; the arguments are those of `open_output_port`.

    on_message: called in another thread with each message.
    on_gone: called when the sender at a socket has left.

    Raises PlayingError that says what is missing.
    """
    if is_socket(port):
        return SocketReceiver(port, on_message, on_gone)

    def on_data(data: bytes) -> None:
        now = time.monotonic_ns()
        for message in mido.parse_all(data):
            on_message(message, now)

    def on_line(line: str) -> None:
        moment, data = line.split()
        for message in mido.parse_all(bytes.fromhex(data)):
            on_message(message, int(moment))

    return _open(
        api,
        lambda: LocalPort('input', port, virtual, 'alsa', on_data),
        lambda: JackPort('input', port, virtual, on_line=on_line),
    )


def _open(
    api: str, open_alsa: Callable[[], LocalPort], open_jack: Callable[[], JackPort]
) -> LocalPort | JackPort:
    if is_alsa(api):
        return open_alsa()
    try:
        return open_jack()
    except PlayingError as error:
        if api:
            raise
        raise PlayingError(f'{NO_ALSA}, and with JACK: {error}') from error
