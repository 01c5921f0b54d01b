from abc import ABC, abstractmethod
from io import FileIO
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
import time

from improv_ros.event_text import TimedEvent
from improv_ros.playing.errors import PlayingError

FLUSH_PERIOD = 0.5  # seconds; about this much is lost when the process is killed


class FileOutput(ABC):
    """
    A file that is written while music plays, by a thread of its own, whole at every moment.

    Time zero of the file is the first event. Opened again after `close`, it goes on where it was,
    in time with the first part. What another process recorded under this name is never replaced:
    `path` is then the next free one of take.mid, take-2.mid, take-3.mid, from the first `open` on.
    """

    empty_size: int  # bytes of a file in which nothing is recorded yet

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = f'file {self.path.name}'
        self.problem = ''
        self._queue: SimpleQueue[TimedEvent] = SimpleQueue()
        self._closing = Event()
        self._thread: Thread | None = None
        self._begun = False

    def open(self) -> None:
        self.problem = ''
        self._closing.clear()
        try:
            if not self._begun:
                self._take_a_name()
            self._begin()
            self._begun = True
        except OSError as error:
            self._let_go()
            raise PlayingError(self._cannot_write(error)) from error
        self._thread = Thread(target=self._write, name=self.name, daemon=True)
        self._thread.start()

    def send(self, event: TimedEvent) -> None:
        self._queue.put(event)

    def close(self) -> None:
        if self._thread is not None:
            self._closing.set()
            self._thread.join()
            self._thread = None

    def _take_a_name(self) -> None:
        wanted, numbers = self.path, count(2)
        while self.path.exists() and self.path.stat().st_size > self.empty_size:
            self.path = wanted.with_name(f'{wanted.stem}-{next(numbers)}{wanted.suffix}')
        self.name = f'file {self.path.name}'

    @abstractmethod
    def _begin(self) -> None:
        """Make the file, or find the end of it; OSError if that cannot be."""

    @abstractmethod
    def _append(self, events: list[TimedEvent], now: int) -> None:
        """Write what was played up to `now`; OSError if that cannot be."""

    def _finish(self) -> None:  # noqa: B027  (most files need nothing more)
        """Write what is left when nothing more is played; OSError if that cannot be."""

    @abstractmethod
    def _let_go(self) -> None:
        """Close whatever is open."""

    def _write(self) -> None:
        try:
            while not self._closing.wait(FLUSH_PERIOD):
                self._append(self._queued(), time.monotonic_ns())
            self._append(self._queued(), time.monotonic_ns())
            self._finish()
        except Exception as error:  # it must be seen, and nobody catches it beyond this thread
            self.problem = self._cannot_write(error)
        self._let_go()

    def _queued(self) -> list[TimedEvent]:
        events = []
        try:
            while True:
                events.append(self._queue.get_nowait())
        except Empty:
            return events

    def _cannot_write(self, error: Exception) -> str:
        reason = getattr(error, 'strerror', None) or error
        return f'{self.path} cannot be written: {reason}'


def write_all(file: FileIO, data: bytes) -> None:
    """Write everything: a full disk makes the first write short and the next one fail."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
