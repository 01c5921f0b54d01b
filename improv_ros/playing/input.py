from __future__ import annotations

from collections.abc import Callable
from threading import Lock
import time

import mido

from improv_ros.event_text import (
    TimedEvent,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
    timed_event_of,
)
from improv_ros.playing.input_port import AlsaInput, JackInput, open_input_port
from improv_ros.playing.merging import PEDALS
from improv_ros.playing.sockets import SocketReceiver, is_socket

KINDS = frozenset({'no', 'nf', 'cc', 'pc', 'pw', 'ca', 'ka'})


class KeyboardInput:
    """
    A MIDI keyboard: calls `on_event` with each event, stamped as it came in.

    Times are nanoseconds of `time.monotonic_ns`. `on_event` is called in the MIDI driver's thread
    and should be quick. Every note-off comes as a note-on of velocity 0, and closing releases what
    is still held. `port`, `virtual` and `api` are those of PortOutput, except that
    socket://host:port is where this end listens.
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
        self._port: SocketReceiver | AlsaInput | JackInput | None = None
        self._lock = Lock()  # between the driver's thread and who releases
        self._held: set[tuple[int, int]] = set()  # (channel, pitch)
        self._pedals: set[tuple[int, int]] = set()  # (channel, controller)

    @property
    def problem(self) -> str:
        """Why nothing can be heard any more; empty while all is well, as far as can be known."""
        return '' if self._port is None else self._port.problem

    def open(self) -> None:
        """Begin to receive; PlayingError when there is no such port."""
        if is_socket(self._port_name):
            self._port = SocketReceiver(self._port_name, self._receive, self.release)
        else:
            self._port = open_input_port(self._port_name, self._virtual, self._api, self._receive)

    def close(self) -> None:
        """Stop receiving, and release every note and pedal that is down."""
        if self._port is not None:
            port, self._port = self._port, None
            port.close()
        self.release()

    def release(self) -> None:
        """Release every note and pedal that is down, as if the player had let go."""
        with self._lock:
            now = time.monotonic_ns()
            for channel, pitch in sorted(self._held):
                self._on_event(note_off(now, pitch, channel))
            for channel, controller in sorted(self._pedals):
                self._on_event(control_change(now, controller, 0, channel))
            self._held.clear()
            self._pedals.clear()

    def _receive(self, message: mido.Message, now: int) -> None:
        event = timed_event_of(message, now)
        if event is not None and event.kind in KINDS:
            with self._lock:
                self._on_event(self._noted(event))

    def _noted(self, event: TimedEvent) -> TimedEvent:
        """Take note of what is held down; return the event with every note-off alike."""
        if is_note_on(event):
            pitch, _, channel = event.values
            self._held.add((channel, pitch))
        elif is_note_off(event):
            pitch, _, channel = event.values
            self._held.discard((channel, pitch))
            return note_off(event.time, pitch, channel)
        elif event.kind == 'cc' and event.values[1] in PEDALS:
            channel, controller, value = event.values
            (self._pedals.add if value else self._pedals.discard)((channel, controller))
        return event
