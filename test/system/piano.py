# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""An instrument at a socket port, which remembers what was played on it, and when."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import time

from graph import free_port, wait_until
from improv_ros.event_text import TimedEvent, is_note_off, is_note_on
from improv_ros.playing.midi.keyboard_input import KeyboardInput


class Piano:
    """Keys that go down and up; times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.address = f'socket://127.0.0.1:{free_port()}'
        self.events: list[TimedEvent] = []
        self._input = KeyboardInput(self.address, self.events.append)

    @property
    def down(self) -> set[int]:
        """The keys that are down."""
        down: set[int] = set()
        for event in list(self.events):
            if is_note_on(event):
                assert event.values[0] not in down, f'struck while it is down: {event}'
                down.add(event.values[0])
            elif is_note_off(event):
                down.discard(event.values[0])
        return down

    def onsets(self, since: float = 0.0) -> list[float]:
        """Return when keys went down."""
        return [e.time / 1e9 for e in list(self.events) if is_note_on(e) and e.time > since * 1e9]

    def plays_on(self, notes: int, within: float) -> float:
        """Wait until so many more notes were played; return the time in seconds it took."""
        began = time.monotonic()
        wait_until(lambda: len(self.onsets(began)) >= notes, f'{notes} more notes', within)
        return time.monotonic() - began

    def most_in(self, seconds: float, since: float = 0.0) -> int:
        """Return the most notes that began within so many seconds."""
        onsets = self.onsets(since)
        return max(sum(0 <= other - onset < seconds for other in onsets) for onset in onsets)

    def lengths(self) -> list[float]:
        """Return for how many seconds each note that ended was down."""
        pressed: dict[int, int] = {}
        lengths = []
        for event in list(self.events):
            if is_note_on(event):
                pressed[event.values[0]] = event.time
            elif is_note_off(event) and event.values[0] in pressed:
                lengths.append((event.time - pressed.pop(event.values[0])) / 1e9)
        return lengths

    def longest(self) -> float:
        """Return for how long the longest note of those that ended was down."""
        return max(self.lengths(), default=0.0)


@contextlib.contextmanager
def a_piano() -> Iterator[Piano]:
    """Provide a piano, and close its lid at the end."""
    piano = Piano()
    piano._input.open()
    try:
        yield piano
    finally:
        piano._input.close()
