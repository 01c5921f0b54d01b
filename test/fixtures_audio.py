# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A virtual microphone: a PulseAudio server of its own whose null sink is heard as a source."""

from collections.abc import Iterator
import contextlib
import os
from pathlib import Path
import signal
import subprocess
import tempfile
import time

import pytest

_SINK = 'virtmic'
_START_SECONDS = 60.0


class VirtualMicrophone:
    """What is played into it is what the ALSA device `pulse` records.

    environment: the variables that make this process, or another, use this server.
    """

    def __init__(self, folder: Path, rate: int = 44100, channels: int = 1) -> None:
        self.rate = rate
        self.channels = channels
        self.environment = {
            'XDG_RUNTIME_DIR': str(folder),
            'XDG_CONFIG_HOME': str(folder),
            'PULSE_RUNTIME_PATH': str(folder),
            'PULSE_STATE_PATH': str(folder),
            'PULSE_SERVER': f'unix:{folder / "native"}',
            'PULSE_SOURCE': f'{_SINK}.monitor',
            'PULSE_SINK': _SINK,
        }
        self._log = folder / 'log'
        self._server: subprocess.Popen[bytes] | None = None
        self._players: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = ['pulseaudio', '-n', '--daemonize=no', '--exit-idle-time=-1']
        command += ['--disable-shm=yes', '--realtime=yes', '--use-pid-file=no']
        command += ['-L', 'module-native-protocol-unix auth-anonymous=1', '-L', self._device]
        with self._log.open('wb') as log:
            self._server = subprocess.Popen(
                command, env=self._process_environment(), stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_SECONDS
        while _SINK not in self._sources():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f'pulseaudio does not start: {self._log.read_text()}')
            time.sleep(0.05)

    def play(self, wav: Path, sink: str = _SINK) -> subprocess.Popen[bytes]:
        """Begin to play `wav` into the microphone; wait() on the result for its end."""
        command = ['paplay', f'--device={sink}', str(wav)]
        player = subprocess.Popen(command, env=self._process_environment())
        self._players.append(player)
        return player

    def unplug(self) -> None:
        """The device vanishes from a server that lives on."""
        self._pactl('unload-module', 'module-null-sink')

    def plug_in(self) -> None:
        """The device returns."""
        self._pactl('load-module', *self._device.split())

    def add(self, sink: str) -> None:
        """Add another sink, whose source is `SINK.monitor`."""
        self._pactl('load-module', *self._device.replace(_SINK, sink).split())

    def kill(self) -> None:
        """The server dies, as if it had crashed."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    def pause(self) -> None:
        """The server hangs."""
        if self._server is not None:
            self._server.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """The server goes on."""
        if self._server is not None:
            self._server.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the server and whatever plays into it."""
        for process in [*self._players, self._server]:
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    @property
    def _device(self) -> str:
        # norewinds: with rewinds the beginning of what is played is lost to the monitor.
        return (
            f'module-null-sink sink_name={_SINK} rate={self.rate} channels={self.channels} '
            'format=s16le norewinds=1'
        )

    def _process_environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def _sources(self) -> str:
        return self._pactl('list', 'short', 'sources')

    def _pactl(self, *arguments: str) -> str:
        return subprocess.run(
            ['pactl', *arguments],
            env=self._process_environment(),
            capture_output=True,
            text=True,
        ).stdout


@contextlib.contextmanager
def running_virtual_microphone(
    rate: int = 44100, channels: int = 1
) -> Iterator[VirtualMicrophone]:
    """A virtual microphone on a server of its own. This process does not use it unless it takes
    over its `environment`."""
    with tempfile.TemporaryDirectory(prefix='virtual-microphone-') as folder:
        microphone = VirtualMicrophone(Path(folder), rate, channels)
        try:
            microphone.start()
            yield microphone
        finally:
            microphone.stop()


@pytest.fixture
def virtual_microphone(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualMicrophone]:
    """A virtual microphone that this process and its children use. Import it where it is wanted:
    `from fixtures_audio import virtual_microphone`."""
    with running_virtual_microphone() as microphone:
        for name, value in microphone.environment.items():
            monkeypatch.setenv(name, value)
        yield microphone
