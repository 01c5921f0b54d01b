"""A microphone."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import struct
import subprocess
import sys
import time
from typing import Any

import numpy as np

from improv_ros.listening.audio_chunk import AudioChunk
from improv_ros.listening.sources.device import Device
from improv_ros.listening.sources.source import SourceError
from improv_ros.listening.sources.stream_clock import StreamClock

# What a block of sound begins with: when it came, in ns of the monotonic clock which all processes
# share, and whether sound was lost before it.
BLOCK = struct.Struct('<q?x')
_PROCESS = 'improv_ros.listening.sources.capture_process'
_OPENING = 5.0  # seconds; a sound server that hangs never lets its caller go
_LEAVING = 1.0  # seconds that the process may take to leave
_LONGEST = 1 << 20  # bytes; no block, and no list of devices, is that long


class DeviceSource:
    """An audio input at its own rate, with its own channels up to two.

    PortAudio runs in a process of its own: where it crashes, or hangs with the sound server, that
    process ends, and this one does not. The stream is believed lost when no sound came for
    `lost_after` seconds. To recover, open again, with growing pauses.
    """

    def __init__(
        self, device: str | int = '', chunk_seconds: float = 0.02, lost_after: float = 2.0
    ) -> None:
        """device: its index, any part of its name, or '' for the default input."""
        self.wanted = device
        self.chunk_seconds = chunk_seconds
        self.lost_after = lost_after
        self.device: Device | None = None
        self.sample_rate = 0
        self.channels = 0
        self.overflows = 0
        self._process: _CaptureProcess | None = None

    def open(self) -> None:
        """Find the device and start it. Raises SourceError with the devices there are."""
        self.close()
        self._process = _CaptureProcess(str(self.wanted), str(self.chunk_seconds))
        try:
            about = self._process.answer()
        except SourceError:
            self.close()
            raise
        self.device = Device(*about['device'])
        self.sample_rate = self.device.sample_rate
        self.channels = about['channels']
        self._clock = StreamClock(self.sample_rate, about['latency'])
        self._sequence = 0
        self._last_block = time.monotonic()

    def read(self, timeout: float) -> AudioChunk | None:
        """The next block of the microphone. See AudioSource."""
        if self._process is None:
            raise SourceError(f'The microphone {self._name} is not open.')
        block = self._process.receive(timeout)
        silent = time.monotonic() - self._last_block
        ended = block == b''
        if ended or (block is None and silent > self.lost_after):
            crash = self._process.crash if ended else ''
            raise SourceError(
                f'The microphone {self._name} is lost: no sound came for {silent:.1f} s{crash}. '
                'See whether it is plugged in and the sound server runs.'
            )
        if block is None:
            return None
        self._last_block = time.monotonic()
        arrival, lost = BLOCK.unpack_from(block)
        samples = np.frombuffer(block, np.int16, offset=BLOCK.size).reshape(-1, self.channels)
        first = self._clock.time_of(arrival, len(samples), lost)
        if lost:
            self.overflows += 1
            self._sequence += 1  # so that whoever listens knows of the gap
        chunk = AudioChunk(samples, self.sample_rate, first, self._sequence)
        self._sequence += 1
        return chunk

    def close(self) -> None:
        """Let go of the device."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    @property
    def _name(self) -> str:
        return self.device.name if self.device else repr(self.wanted or 'default')


def list_devices() -> list[Device]:
    """The audio inputs of this machine. Raises SourceError if there is no audio system."""
    process = _CaptureProcess()
    try:
        return [Device(*device) for device in process.answer()['devices']]
    finally:
        process.close()


class _CaptureProcess:
    """`capture_process` and what it says. It ends when this process does, however it ends."""

    def __init__(self, *arguments: str) -> None:
        # Packets arrive whole or not at all, so a process that is stopped half-way leaves no half.
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, '-m', _PROCESS, *arguments],
                stdin=theirs.fileno(),
                start_new_session=True,  # Ctrl-C is for this process to act upon
            )

    @property
    def crash(self) -> str:
        """What ended the process, which is ending, if it was a signal: words for a sentence."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process.wait(_LEAVING) < 0:
                name = signal.Signals(-self._process.returncode).name
                return f' (the audio library crashed: {name})'
        return ''

    def answer(self) -> dict[str, Any]:
        """Return the first thing it says; SourceError if that is a problem, or never comes."""
        said = self.receive(_OPENING)
        if said is None:
            raise SourceError(
                f'The sound server does not answer within {_OPENING:g} s: restart it.'
            )
        if not said:
            raise SourceError(
                f'The audio system ended without a word{self.crash}: '
                'see whether the sound server runs.'
            )
        about: dict[str, Any] = json.loads(said)
        if 'problem' in about:
            raise SourceError(about['problem'])
        return about

    def receive(self, timeout: float) -> bytes | None:
        """Return the next packet: None if there is none in `timeout` seconds, b'' at the end."""
        self._socket.settimeout(timeout)
        try:
            return self._socket.recv(_LONGEST)
        except (TimeoutError, BlockingIOError):
            return None
        except OSError:
            return b''

    def close(self) -> None:
        """Let it leave, or end it."""
        self._socket.close()
        try:
            self._process.wait(_LEAVING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
