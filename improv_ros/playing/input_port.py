"""A MIDI input port of this computer."""

from __future__ import annotations

from collections.abc import Callable

import mido

from improv_ros.playing.watched_port import WatchedPort


class InputPort(WatchedPort):
    """A port to hear; calls `on_message` in the MIDI driver's thread. See WatchedPort."""

    def __init__(
        self, port: str, virtual: bool, api: str, on_message: Callable[[mido.Message], None]
    ) -> None:
        self._on_message = on_message
        super().__init__('input', port, virtual, api)

    def _open(self, port: str) -> None:
        self._port.set_callback(self._receive)
        super()._open(port)

    def _receive(self, received: tuple[list[int], float], _: object) -> None:
        data, _ = received
        for message in mido.parse_all(data):
            self._on_message(message)
