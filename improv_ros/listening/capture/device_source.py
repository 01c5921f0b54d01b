# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Audio from a microphone."""

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

from improv_ros.event_text import SECOND
from improv_ros.listening.capture.audio_chunk import AudioChunk
from improv_ros.listening.capture.audio_source import SourceError
from improv_ros.listening.capture.portaudio import Device

# Header of a block: when it arrived, in ns of the monotonic clock, which all processes share, and
# whether sound was lost before it.
BLOCK = struct.Struct('<q?x')
_PROCESS = 'improv_ros.listening.capture.capture_process'
_OPEN_TIMEOUT = 5.0  # seconds; a call to a sound server that hangs never returns
_EXIT_TIMEOUT = 1.0  # seconds
_MAX_PACKET = 1 << 20  # bytes; more than any block or list of devices takes

_CLOCK_ERROR = 200e-6  # relative; twice the +-100 ppm that sound cards are specified for
_LOST = 0.25  # seconds; a block later than that follows lost sound


class DeviceSource:
    """An AudioSource of an audio input, at the device's rate and with at most two channels.

    PortAudio runs in a process of its own, so that this process survives when PortAudio crashes
    or hangs with the sound server. The stream counts as lost when no sound arrived for
    `lost_after` seconds; the caller may then open it again, with growing pauses.
    """

    def __init__(
        self, device: str | int = '', chunk_seconds: float = 0.02, lost_after: float = 2.0
    ) -> None:
        """device: its index, any part of its name, or '' for the default input.

        chunk_seconds: length of a chunk.
        """
        self.wanted = device
        self.chunk_seconds = chunk_seconds
        self.lost_after = lost_after
        self.device: Device | None = None
        self.sample_rate = 0
        self.channels = 0
        self.overflows = 0
        self._process: _CaptureProcess | None = None

    def open(self) -> None:
        """Find the device and start it. Raises SourceError, which lists the devices."""
        self.close()
        self._process = _CaptureProcess(str(self.wanted), str(self.chunk_seconds))
        try:
            answer = self._process.answer()
        except SourceError:
            self.close()
            raise
        self.device = Device(*answer['device'])
        self.sample_rate = self.device.sample_rate
        self.channels = answer['channels']
        self._clock = StreamClock(self.sample_rate, answer['latency'])
        self._sequence = 0
        self._last_block = time.monotonic()

    def read(self, timeout: float) -> AudioChunk | None:
        """Return the next chunk. See AudioSource."""
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
            self._sequence += 1  # a gap, so that the receiver knows of the loss
        chunk = AudioChunk(samples, self.sample_rate, first, self._sequence)
        self._sequence += 1
        return chunk

    def close(self) -> None:
        """Release the device."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    @property
    def _name(self) -> str:
        return self.device.name if self.device else repr(self.wanted or 'default')


def list_devices() -> list[Device]:
    """Return the audio inputs of this machine. Raises SourceError if there is no audio system."""
    process = _CaptureProcess()
    try:
        return [Device(*device) for device in process.answer()['devices']]
    finally:
        process.close()


class StreamClock:
    """Estimates when the frames of a stream sounded, from the times at which blocks arrived.

    A block may be delivered late, but never early. So the estimate follows the earliest arrivals.
    It moves to later times only as fast as a slow audio clock would (200 ppm), or at once when
    sound was lost.
    """

    def __init__(self, sample_rate: int, latency: float) -> None:
        """sample_rate: Hz. latency: seconds from the end of a block's sound to its delivery."""
        self._sample_rate = sample_rate
        self._latency = round(latency * SECOND)
        self._next: int | None = None

    def time_of(self, arrival: int, frames: int, lost: bool = False) -> int:
        """Return the time (ns) of the first of `frames` frames that arrived at `arrival` ns.

        lost: frames are known to be missing before this block.
        """
        duration = frames * SECOND // self._sample_rate
        time = arrival - self._latency - duration
        if self._next is not None and not lost and time - self._next < _LOST * SECOND:
            time = min(time, self._next + round(duration * _CLOCK_ERROR))
        self._next = time + duration
        return time


class _CaptureProcess:
    """A running `capture_process`. It ends when this process does, however that ends."""

    def __init__(self, *arguments: str) -> None:
        # Packets arrive whole or not at all, even from a process that is killed.
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, '-m', _PROCESS, *arguments],
                stdin=theirs.fileno(),
                start_new_session=True,  # Ctrl-C goes to this process alone
            )

    @property
    def crash(self) -> str:
        """The signal that ended the process, in words for a sentence; '' if there was none."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process.wait(_EXIT_TIMEOUT) < 0:
                name = signal.Signals(-self._process.returncode).name
                return f' (the audio library crashed: {name})'
        return ''

    def answer(self) -> dict[str, Any]:
        """Return its first message. Raises SourceError if that is a problem, or does not come."""
        message = self.receive(_OPEN_TIMEOUT)
        if message is None:
            raise SourceError(
                f'The sound server does not answer within {_OPEN_TIMEOUT:g} s: restart it.'
            )
        if not message:
            raise SourceError(
                f'The audio system ended without a message{self.crash}: '
                'see whether the sound server runs.'
            )
        answer: dict[str, Any] = json.loads(message)
        if 'problem' in answer:
            raise SourceError(answer['problem'])
        return answer

    def receive(self, timeout: float) -> bytes | None:
        """Return the next packet: None if there is none in `timeout` seconds, b'' at the end."""
        self._socket.settimeout(timeout)
        try:
            return self._socket.recv(_MAX_PACKET)
        except (TimeoutError, BlockingIOError):
            return None
        except OSError:
            return b''

    def close(self) -> None:
        """Wait for its end, or kill it."""
        self._socket.close()
        try:
            self._process.wait(_EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
