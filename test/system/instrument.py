# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A real instrument for the player: a MIDI port in a process that can be pulled out, and music."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
import contextlib
import itertools
import subprocess
import sys
import threading
import time
from typing import NamedTuple

from std_msgs.msg import String

from graph import Graph, wait_until
from improv_ros.event_text import SECOND, StreamWriter, TimedEvent, note_off, note_on

# Prints each event with the time when it came.
LISTEN = """
import sys, time
from improv_ros.playing.midi.keyboard_input import KeyboardInput
hear = lambda event: print(event.time, event.kind, *event.values, flush=True)
instrument = KeyboardInput(sys.argv[1], hear, virtual=True)
instrument.open()
print('ready', flush=True)
time.sleep(1000)
"""


class Heard(NamedTuple):
    """What came to the instrument, and when (ns, monotonic)."""

    time: int
    kind: str
    values: tuple[int, ...]


class Instrument:
    """Hears a port: socket://host:port, or a JACK port of that name."""

    def __init__(self, port: str) -> None:
        self.heard: list[Heard] = []
        self._process = subprocess.Popen(
            [sys.executable, '-c', LISTEN, port], stdout=subprocess.PIPE, text=True
        )
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        wait_until(self._ready.is_set, 'an instrument')

    def down(self) -> set[tuple[int, ...]]:
        """Return the keys (channel, pitch) and pedals (channel, controller, 'pedal') held."""
        down = set()
        for _, kind, values in list(self.heard):
            if kind == 'no':
                pitch, velocity, channel = values
                (down.add if velocity else down.discard)((channel, pitch))
            elif kind == 'cc' and values[1] == 64:
                (down.add if values[2] else down.discard)((values[0], 64, 'pedal'))
        return down

    def notes(self, since: int = 0) -> list[Heard]:
        """Return the beginnings of notes from a time on."""
        return [h for h in list(self.heard) if h.time >= since and h.kind == 'no' and h.values[1]]

    def kill(self) -> None:
        """Pull it out."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line == 'ready\n':
                self._ready.set()
            else:
                moment, kind, *values = line.split()
                self.heard.append(Heard(int(moment), kind, tuple(map(int, values))))


@contextlib.contextmanager
def instrument_at(port: str) -> Iterator[Instrument]:
    """Provide an instrument for a while."""
    instrument = Instrument(port)
    try:
        yield instrument
    finally:
        instrument.kill()


class Music:
    """Short notes at a steady rate on `generated_notes`, a little ahead of time, until stopped.

    Of a few thousand notes no two have the same pitch and velocity.
    """

    def __init__(self, graph: Graph, rate: float = 10.0, lookahead: float = 0.5) -> None:
        self.due: dict[tuple[int, int], int] = {}  # (pitch, velocity): when (ns, monotonic)
        self._publisher = graph.publisher('generated_notes')
        self._writer = StreamWriter()
        self._step = round(SECOND / rate)
        self._lookahead = round(lookahead * SECOND)
        self._to_ros = graph.now() - time.monotonic_ns()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._play)

    def say(self, events: Iterable[TimedEvent]) -> None:
        """Publish events with monotonic times; not while the music plays."""
        moved = [event._replace(time=event.time + self._to_ros) for event in events]
        for text in self._writer.write(moved):
            self._publisher.publish(String(data=text))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Say no more, and wait until what was said is over."""
        self._stopped.set()
        self._thread.join()
        time.sleep((self._lookahead + self._step) / SECOND)

    def lateness(self, notes: list[Heard]) -> list[float]:
        """Return how long after they were due notes came, in seconds, in rising order."""
        return sorted((note.time - self.due[note.values[:2]]) / SECOND for note in notes)

    def _play(self) -> None:
        begin = time.monotonic_ns() + self._lookahead
        for index in itertools.count():
            due = begin + index * self._step
            pause = (due - self._lookahead - time.monotonic_ns()) / SECOND
            if self._stopped.wait(max(0.0, pause)):
                return
            pitch, velocity = 30 + index % 60, 1 + index % 127
            self.due[pitch, velocity] = due
            self.say([note_on(due, pitch, velocity), note_off(due + self._step // 2, pitch)])


@contextlib.contextmanager
def music_in(graph: Graph, rate: float = 10.0) -> Iterator[Music]:
    """Provide music for a while."""
    music = Music(graph, rate)
    music.start()
    try:
        yield music
    finally:
        music.stop()
