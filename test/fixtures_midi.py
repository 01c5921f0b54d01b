# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""MIDI ports without a sound card: a JACK server for the test, with JACK's dummy driver."""

from collections.abc import Iterator
import contextlib
import os
from pathlib import Path
import subprocess
import tempfile
import time

import pytest

_START_SECONDS = 60.0
_SETTLING_SECONDS = 0.7  # an earlier SIGTERM ends this jackd without its cleanup
_EXIT_SECONDS = 2.0  # a jackd whose clients were killed may hang forever
_CLIENT_MILLISECONDS = 100  # jackd waits for a client 10 times as long, for a dead one this long


def _command(name: str) -> list[str]:
    # Synchronous: the server waits for each client, even on a busy machine. Otherwise it
    # drops the MIDI messages of a client that does not finish within the period.
    synchronous = ['--sync', '--timeout', str(_CLIENT_MILLISECONDS)]
    driver = ['-d', 'dummy', '-r', '44100', '-p', '1024']
    return ['jackd', '--no-realtime', '--name', name, '--no-mlock', *synchronous, *driver]


class JackServer:
    """A JACK server; a process with the variables of `environment` uses it."""

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
        """Kill the server, as a crash would."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    def stop(self) -> None:
        """End the server, so that JACK frees its name."""
        if self._server is None or self._exit():
            return
        # JACK has eight names for servers. It never frees that of a server that was killed, unless
        # a server of the same name starts and ends normally.
        with contextlib.suppress(RuntimeError):
            self.start()
            time.sleep(_SETTLING_SECONDS)
            self._exit()

    def _exit(self) -> bool:
        """Ask the server to end; return whether it did so without being killed."""
        assert self._server is not None
        if self._server.poll() is not None:
            return False
        self._server.terminate()
        try:
            self._server.wait(_EXIT_SECONDS)
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
        ['jack_lsp'],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=_START_SECONDS,
    )
    return listing.returncode == 0


@pytest.fixture
def jack_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JackServer]:
    """A JACK server that this process and its children use; import it into the test module."""
    with running_jack_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server
