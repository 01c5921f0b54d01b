"""Keyboards that may come and go while the music plays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
import time

from improv_ros.event_text import TimedEvent
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.input import KeyboardInput
from improv_ros.playing.merging import Merger

WATCH_PERIOD = 0.25  # seconds between two looks at the keyboards
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds between attempts to open one again


class _Place:
    """One keyboard with its state: whether it is `open`, or else the `problem`."""

    def __init__(self, keyboard: KeyboardInput) -> None:
        self.keyboard = keyboard
        self.open = False
        self.problem = ''
        self._pause = FIRST_PAUSE
        self._next_attempt = 0.0

    def look(self) -> None:
        """Open the keyboard when it is due; let go of it, and of what it held, when it is gone."""
        if self.open and (problem := self.keyboard.problem):
            self.keyboard.close()
            self._fail(problem)
        if not self.open and time.monotonic() >= self._next_attempt:
            try:
                self.keyboard.open()
            except PlayingError as error:
                self._fail(str(error))
            else:
                self.open = True
                self.problem = ''
                self._pause = FIRST_PAUSE

    def _fail(self, problem: str) -> None:
        self.open = False
        self.problem = problem
        self._next_attempt = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)


class Keyboards:
    """
    Several keyboards heard as one: calls `on_event` with each event, stamped as it came in.

    A keyboard that vanishes lets go of its keys and pedals, is named in `problems`, and is opened
    again by and by. `ports`, `virtual`, `api` and `on_event` are those of KeyboardInput, but
    `on_event` is never called by two threads at once.
    """

    def __init__(
        self,
        ports: Sequence[str],
        on_event: Callable[[TimedEvent], None],
        virtual: bool = False,
        api: str = '',
    ) -> None:
        self._on_event = on_event
        self._merger = Merger()
        self._lock = Lock()
        self._places = [
            _Place(KeyboardInput(port, self._entrance(number), virtual, api))
            for number, port in enumerate(ports)
        ]
        self._closed = Event()
        self._watcher = Thread(target=self._watch, name='keyboard watcher', daemon=True)

    def open(self) -> None:
        """Begin to receive and to watch; PlayingError where none of the keyboards is there."""
        for place in self._places:
            place.look()
        if not any(place.open for place in self._places):
            raise PlayingError('; '.join(self.problems.values()))
        self._watcher.start()

    def close(self) -> None:
        """Stop receiving, and release every note and pedal that is down."""
        self._closed.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for place in self._places:
            place.keyboard.close()

    def release(self) -> None:
        """Release every note and pedal that is down, as if the person had let go."""
        for place in self._places:
            place.keyboard.release()

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with which keyboard, by its name; empty when all is well."""
        return {place.keyboard.name: place.problem for place in self._places if place.problem}

    def _entrance(self, number: int) -> Callable[[TimedEvent], None]:
        def enter(event: TimedEvent) -> None:
            with self._lock:
                for merged in self._merger.take(number, event):
                    self._on_event(merged)

        return enter

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_PERIOD):
            for place in self._places:
                place.look()
