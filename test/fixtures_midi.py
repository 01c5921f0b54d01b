"""MIDI ports without a sound card: a JACK server of its own, on JACK's dummy driver."""

from collections.abc import Callable, Iterator
import contextlib
import functools
import os
from pathlib import Path
import subprocess
import tempfile
import time

import pytest

_START_SECONDS = 10.0
_ATTEMPTS = 3


def _command(name: str) -> list[str]:
    # Without real-time rights, periods under 512 frames lose messages.
    driver = ['-d', 'dummy', '-r', '44100', '-p', '1024']
    return ['jackd', '--no-realtime', '--name', name, '--no-mlock', *driver]


class JackServer:
    """A JACK server; `environment` makes this process, or another, use it."""

    def __init__(self, folder: Path) -> None:
        self._name = f'test-{os.getpid()}-{time.monotonic_ns() % 10**9}'
        self._log = folder / 'log'
        self._server: subprocess.Popen[bytes] | None = None
        self.environment = {'JACK_DEFAULT_SERVER': self._name, 'JACK_NO_START_SERVER': '1'}

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with self._log.open('wb') as log:
            self._server = subprocess.Popen(_command(self._name), stdout=log, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(self.environment):
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f'jackd does not start: {self._log.read_text()}')
            time.sleep(0.05)

    def kill(self) -> None:
        """The server dies, as if it had crashed."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    def stop(self) -> None:
        """End the server, however it was left."""
        if self._server is None:
            return
        self._terminate()
        if self._server.returncode < 0:
            # Of eight places for servers on a machine it still holds one, and would for ever: only
            # a server of the same name, ended in good order, gives it back.
            with contextlib.suppress(RuntimeError):
                self.start()
            self._terminate()

    def _terminate(self) -> None:
        if self._server is not None and self._server.poll() is None:
            self._server.terminate()
            try:
                self._server.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()


@contextlib.contextmanager
def running_jack_server() -> Iterator[JackServer]:
    """Run a JACK server."""
    with tempfile.TemporaryDirectory(prefix='jack-') as folder:
        server = JackServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _answers(environment: dict[str, str]) -> bool:
    listing = subprocess.run(
        ['jack_lsp'], env={**os.environ, **environment}, capture_output=True, timeout=10
    )
    return listing.returncode == 0


@pytest.fixture
def jack_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JackServer]:
    """A JACK server that this process and its children use. Import it where it is wanted:
    `from fixtures_midi import jack_server`."""
    with running_jack_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def tried_again(test: Callable[..., None]) -> Callable[..., None]:
    """Give a test two more chances: JACK without real-time rights loses whole periods when
    something else takes the processor."""

    @functools.wraps(test)
    def attempt(*arguments: object, **named: object) -> None:
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(AssertionError):
                return test(*arguments, **named)
        return test(*arguments, **named)

    return attempt
