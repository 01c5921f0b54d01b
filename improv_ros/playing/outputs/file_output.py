# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from abc import ABC, abstractmethod
import contextlib
import fcntl
from io import FileIO
from itertools import chain, count
import os
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
import time

from improv_ros.event_text import TimedEvent
from improv_ros.playing import PlayingError

FLUSH_PERIOD = 0.5  # seconds; as much is lost if the process is killed


class FileOutput(ABC):
    """
    Base class of an output that writes a file, in a thread, while music plays.

    The file can be read at every moment. Its time 0 is the first event. If it is opened again
    after `close`, recording continues in the same file, in time with the first part.

    A file in which another process has recorded is never replaced: `open` sets `path` to the
    first free one of take.mid, take-2.mid, take-3.mid, ... The file is locked (flock) while it is
    open, so that no other player uses it even if it is still empty.
    """

    empty_size: int  # size in bytes of a file without events

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = f'file {self.path.name}'
        self.problem = ''
        self._queue: SimpleQueue[TimedEvent] = SimpleQueue()
        self._closing = Event()
        self._thread: Thread | None = None
        self._requested_path = self.path
        self._lock: int | None = None  # file descriptor that holds the lock
        self._resumed: tuple[int, int, int] | None = None  # identity of the file to continue

    def open(self) -> None:
        self.problem = ''
        self._closing.clear()
        try:
            if self._resumed is None or not self._acquire(self.path):
                self._acquire_free_path()
            self._begin_file()
        except OSError as error:
            self._close_and_unlock()
            raise PlayingError(self._write_error(error)) from error
        except Exception:
            self._close_and_unlock()
            raise
        self._thread = Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def send(self, event: TimedEvent) -> None:
        self._queue.put(event)

    def close(self) -> None:
        if self._thread is not None:
            self._closing.set()
            self._thread.join()
            self._thread = None

    def _acquire_free_path(self) -> None:
        """Lock the first file in which nobody has recorded; raises OSError if there is none."""
        self._unlock()
        self._resumed = None
        requested = self._requested_path
        numbered = (
            requested.with_name(f'{requested.stem}-{n}{requested.suffix}') for n in count(2)
        )
        for path in chain([requested], numbered):
            if self._acquire(path):
                self.path = path
                self.name = f'file {path.name}'
                return

    def _acquire(self, path: Path) -> bool:
        """Lock a file, created if missing; return False if this output may not write to it."""
        with contextlib.suppress(FileNotFoundError):
            if not self._may_write(path.stat()):
                return False
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        except OSError:
            pass  # the file system has no locks
        if not self._may_write(os.fstat(file)):  # it has changed since the first check
            os.close(file)
            return False
        self._lock = file
        return True

    def _may_write(self, status: os.stat_result) -> bool:
        if self._resumed is not None:
            return _identity(status) == self._resumed
        return status.st_size <= self.empty_size

    def _unlock(self) -> None:
        if self._lock is not None:
            status = os.fstat(self._lock)
            recorded = status.st_size > self.empty_size
            self._resumed = _identity(status) if recorded else None
            os.close(self._lock)
            self._lock = None

    def _close_and_unlock(self) -> None:
        try:
            self._close_file()
        finally:
            self._unlock()

    @abstractmethod
    def _begin_file(self) -> None:
        """Open the file at `path`: write its header if it is empty, else find its end."""

    @abstractmethod
    def _append(self, events: list[TimedEvent], now: int) -> None:
        """Write the events sent since the last call, up to `now` (ns); may raise OSError."""

    def _finish(self) -> None:  # noqa: B027  (optional)
        """Write what belongs behind the last event; may raise OSError."""

    @abstractmethod
    def _close_file(self) -> None:
        """Close the file and whatever else is open."""

    def _run(self) -> None:
        try:
            while not self._closing.wait(FLUSH_PERIOD):
                self._append(self._queued(), time.monotonic_ns())
            self._append(self._queued(), time.monotonic_ns())
            self._finish()
        except Exception as error:  # an exception would end this thread unseen
            self.problem = self._write_error(error)
        try:
            self._close_and_unlock()
        except OSError as error:
            self.problem = self._write_error(error)

    def _queued(self) -> list[TimedEvent]:
        events = []
        try:
            while True:
                events.append(self._queue.get_nowait())
        except Empty:
            return events

    def _write_error(self, error: Exception) -> str:
        reason = getattr(error, 'strerror', None) or error
        return f'{self.path} cannot be written: {reason}'


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_dev, status.st_ino, status.st_size


def write_all(file: FileIO, data: bytes) -> None:
    """Write all data; on a full disk one write is short, and the next raises OSError."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
