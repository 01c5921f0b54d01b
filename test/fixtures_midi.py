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
_SETTLING_SECONDS = 0.7  # before this jackd answers, but would leave without tidying up
_LEAVE_SECONDS = 2.0  # a jackd whose clients were killed may hang for good
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
        """End the server, so that JACK forgets its name."""
        if self._server is None or self._leave():
            return
        # JACK has room for eight names, and that of a server which was killed is taken for good,
        # unless another of the same name comes and leaves by itself.
        with contextlib.suppress(RuntimeError):
            self.start()
            time.sleep(_SETTLING_SECONDS)
            self._leave()

    def _leave(self) -> bool:
        """Ask the server to leave; tell whether it did so by itself."""
        assert self._server is not None
        if self._server.poll() is not None:
            return False
        self._server.terminate()
        try:
            self._server.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return self._server.returncode == 0


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
