# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
import time

import mido

from improv_ros.event_text import HeldNotes, TimedEvent, is_note_off, note_off, timed_event_of
from improv_ros.playing.midi.open_ports import InputPort, open_input_port

KINDS = frozenset({'no', 'nf', 'cc', 'pc', 'pw', 'ca', 'ka'})


class KeyboardInput:
    """
    A MIDI keyboard. Calls `on_event` with each event.

    on_event: called in the MIDI driver's thread; it must return within a few milliseconds. The
        time of an event is its arrival, in nanoseconds of `time.monotonic_ns`. Every note-off is
        a note-on of velocity 0.
    port, virtual, api: as of PortOutput, but at socket://host:port this end listens.
    """

    def __init__(
        self,
        port: str,
        on_event: Callable[[TimedEvent], None],
        virtual: bool = False,
        api: str = '',
    ) -> None:
        self.name = f'keyboard {port}'.rstrip()
        self._port_name = port
        self._virtual = virtual
        self._api = api
        self._on_event = on_event
        self._port: InputPort | None = None
        self._lock = Lock()  # the driver's thread and the caller of `release` both call `on_event`
        self._held = HeldNotes()

    @property
    def problem(self) -> str:
        """Why nothing can be received any more; '' if no reason is known."""
        return '' if self._port is None else self._port.problem

    def open(self) -> None:
        """Open the port and begin to receive; raises PlayingError if there is no such port."""
        self._port = open_input_port(
            self._port_name, self._virtual, self._api, self._receive, self.release
        )

    def close(self) -> None:
        """Close the port, and release every key and pedal that is held."""
        port, self._port = self._port, None
        try:
            if port is not None:
                port.close()
        finally:
            self.release()

    def release(self) -> None:
        """Release every key and pedal that is held."""
        with self._lock:
            for event in self._held.release_all(time.monotonic_ns()):
                self._on_event(event)

    def _receive(self, message: mido.Message, now: int) -> None:
        event = timed_event_of(message, now)
        if event is None or event.kind not in KINDS:
            return
        if is_note_off(event):
            pitch, _, channel = event.values
            event = note_off(now, pitch, channel)
        with self._lock:
            self._held.update(event)
            self._on_event(event)
