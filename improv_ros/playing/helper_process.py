# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Running a native library in a process of its own, so that its crashes do not end this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import contextlib
import os
import select
import subprocess
import sys
from threading import Thread
import time

from improv_ros.playing import PlayingError

READY = 'ready'  # the line that a helper writes first, once it works
EXIT_TIMEOUT = 1.0  # seconds until a helper that does not end is killed
_STDOUT = 1


def write_line(text: object) -> None:
    """Write a line to the parent process, in a helper; do nothing if the parent is gone."""
    with contextlib.suppress(OSError):
        os.write(_STDOUT, f'{text}\n'.encode())


class HelperProcess:
    """
    A child process that runs a module of this package.

    The module writes the line `ready` to standard output when it works, and later at most the
    reason why it ends. It reads standard input and must end when that ends, so it never outlives
    this process. Ctrl-C does not reach it.

    name: what the helper is, for error messages.
    start_timeout: seconds until it must be ready.
    on_line: if given, lines that begin with a digit are no reason, but are passed to `on_line`,
        in a thread.

    Raises PlayingError, with the last line that the helper wrote, if it does not become ready.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        start_timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self._name = name
        self._written = b''  # by the helper
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
            self._wait_until_ready(start_timeout)
        except PlayingError:
            self.close()
            raise
        if on_line:
            self._reader = Thread(target=self._read_lines, args=(on_line,), daemon=True)
            self._reader.start()

    @property
    def problem(self) -> str:
        """Why the helper has ended; '' while it runs."""
        if self._process.poll() is None:
            return ''
        if self._reader:
            self._reader.join(EXIT_TIMEOUT)
        else:
            while self._read():
                pass
        lines = self._written.decode(errors='replace').strip().splitlines()
        if lines and lines[-1] != READY:
            return lines[-1]
        return f'{self._name} ended unexpectedly (exit status {self._process.returncode})'

    def write(self, data: bytes) -> None:
        """Write to its standard input without waiting; PlayingError if it ended or hangs."""
        try:
            written = os.write(self._input, data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            raise PlayingError(self.problem or f'{self._name} is gone: {error}') from error
        if written < len(data):
            raise PlayingError(f'{self._name} hangs')

    def close(self) -> None:
        """End its standard input, wait for its end, and kill it after EXIT_TIMEOUT."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader:
            self._reader.join()
        process.stdout.close()

    def _wait_until_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while READY.encode() not in self._written.split(b'\n'):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._output], [], [], left)[0]:
                raise PlayingError(f'{self._name} does not start within {timeout:g} s')
            if not self._read():
                self._process.wait(EXIT_TIMEOUT)
                raise PlayingError(self.problem)

    def _read(self) -> bytes:
        data = os.read(self._output, 4096)
        self._written += data
        return data

    def _read_lines(self, on_line: Callable[[str], None]) -> None:
        unread = self._written.partition(f'{READY}\n'.encode())[2]
        self._written = b''
        while True:
            *lines, unread = unread.split(b'\n')
            for line in lines:
                if line[:1].isdigit():
                    on_line(line.decode())
                else:
                    self._written += line + b'\n'
            data = os.read(self._output, 4096)
            if not data:
                return
            unread += data
