"""A helper in a process of its own, so that what a native library does there harms nobody here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import os
import select
import subprocess
import sys
from threading import Thread
import time

from improv_ros.playing.errors import PlayingError

READY = 'ready'  # what a child says first, when it is
LEAVING = 1.0  # seconds that it may take to leave


class Child:
    """
    Runs a module of this package, which says `ready` and then nothing but why it ends.

    Where there is `on_line`, what begins with a digit is no such reason, but news: each line of
    it is handed over, in a thread.
    It is written to without ever waiting. It ends when its standard input does, so it never
    outlives this process, however this process ends; Ctrl-C does not reach it.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        patience: float,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        """Start it; PlayingError with its last words if it is not ready in `patience` seconds."""
        self._name = name
        self._said = b''
        self._reader: Thread | None = None
        self._process = subprocess.Popen(
            [sys.executable, '-m', module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input = self._process.stdin.fileno()
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._input, False)
        try:
            self._await_ready(patience)
        except PlayingError:
            self.close()
            raise
        if on_line:
            self._reader = Thread(target=self._listen, args=(on_line,), daemon=True)
            self._reader.start()

    @property
    def problem(self) -> str:
        """Why the child is no more; empty while it lives."""
        if self._process.poll() is None:
            return ''
        if self._reader:
            self._reader.join(LEAVING)
        else:
            while self._read():
                pass
        words = self._said.decode(errors='replace').strip().splitlines()
        if words and words[-1] != READY:
            return words[-1]
        return f'{self._name} ended unexpectedly (exit status {self._process.returncode})'

    def write(self, data: bytes) -> None:
        """Hand over some bytes; PlayingError when the child is gone or has stopped to read."""
        try:
            written = os.write(self._input, data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            raise PlayingError(self.problem or f'{self._name} is gone: {error}') from error
        if written < len(data):
            raise PlayingError(f'{self._name} hangs')

    def close(self) -> None:
        """Let it leave by itself, or end it."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(LEAVING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader:
            self._reader.join()
        process.stdout.close()

    def _await_ready(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while READY.encode() not in self._said.split(b'\n'):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._output], [], [], left)[0]:
                raise PlayingError(f'{self._name} does not start within {patience:g} s')
            if not self._read():
                self._process.wait(LEAVING)
                raise PlayingError(self.problem)

    def _read(self) -> bytes:
        data = os.read(self._output, 4096)
        self._said += data
        return data

    def _listen(self, on_line: Callable[[str], None]) -> None:
        unread = self._said.partition(f'{READY}\n'.encode())[2]
        self._said = b''
        while True:
            *lines, unread = unread.split(b'\n')
            for line in lines:
                if line[:1].isdigit():
                    on_line(line.decode())
                else:
                    self._said += line + b'\n'
            data = os.read(self._output, 4096)
            if not data:
                return
            unread += data
