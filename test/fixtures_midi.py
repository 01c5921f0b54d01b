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


@contextlib.contextmanager
def running_jack_server() -> Iterator[dict[str, str]]:
    """Run a JACK server; yields the variables that make this process, or another, use it."""
    name = f'test-{os.getpid()}-{time.monotonic_ns() % 10**9}'
    environment = {'JACK_DEFAULT_SERVER': name, 'JACK_NO_START_SERVER': '1'}
    with tempfile.TemporaryDirectory(prefix='jack-') as folder:
        log = Path(folder) / 'log'
        with log.open('wb') as file:
            server = subprocess.Popen(_command(name), stdout=file, stderr=file)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _answers(environment):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f'jackd does not start: {log.read_text()}')
                time.sleep(0.05)
            yield environment
        finally:
            server.terminate()
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _answers(environment: dict[str, str]) -> bool:
    listing = subprocess.run(
        ['jack_lsp'], env={**os.environ, **environment}, capture_output=True, timeout=10
    )
    return listing.returncode == 0


@pytest.fixture
def jack_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A JACK server that this process and its children use. Import it where it is wanted:
    `from fixtures_midi import jack_server`."""
    with running_jack_server() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield environment


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
