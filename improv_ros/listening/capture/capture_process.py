# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The process in which DeviceSource captures a microphone.

    python -m improv_ros.listening.capture.capture_process [DEVICE CHUNK_SECONDS]

Standard input is a SOCK_SEQPACKET socket on which this process writes; each message is one
packet. The first message is JSON:

* {"problem": sentence}, or
* {"devices": [[index, name, channels, sample rate], ...]} if no device was named, or
* {"device": [...], "channels": captured channels, "latency": seconds}, followed by blocks of
  sound: the header `BLOCK`, and interleaved int16 PCM.

The process ends when the sound ends or the other end of the socket is closed. It does not
terminate PortAudio then: that call would wait for a sound server that hangs.
"""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
from dataclasses import astuple
import json
import os
import socket
import sys
from threading import Thread
import time

from improv_ros.listening.capture import portaudio
from improv_ros.listening.capture.audio_source import SourceError
from improv_ros.listening.capture.device_source import BLOCK
from improv_ros.process.native_stderr import discard_native_stderr

SEND_BUFFER = 1 << 18  # bytes; the kernel doubles it, to one or two seconds of sound
POLL_PERIOD = 0.1  # seconds between two checks whether the stream is active
STDIN = 0
_CONTINUE = 0  # paContinue
_INPUT_OVERFLOW = 2  # paInputOverflow


class _BlockSender:
    """PortAudio's callback: sends each block. It runs in PortAudio's thread and never waits."""

    def __init__(self, listener: socket.socket) -> None:
        self.enabled = False
        self._listener = listener
        self._lost = False

    def __call__(
        self, data: bytes | None, _frames: int, _time: Mapping[str, float], status: int
    ) -> tuple[None, int]:
        if self.enabled:
            self._lost |= bool(status & _INPUT_OVERFLOW)
            block = BLOCK.pack(time.monotonic_ns(), self._lost) + (data or b'')
            try:
                self._listener.send(block, socket.MSG_DONTWAIT)
                self._lost = False
            except BlockingIOError:
                self._lost = True
            except OSError:
                os._exit(0)  # the other end is closed
        return None, _CONTINUE


def main() -> int:
    """Capture until the sound ends or the other end of the socket is closed."""
    discard_native_stderr()
    listener = socket.socket(fileno=STDIN)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    Thread(target=_exit_when_closed, args=(listener,), daemon=True).start()
    try:
        if sys.argv[1:]:
            wanted, chunk_seconds = sys.argv[1:]
            _capture(listener, wanted, float(chunk_seconds))
        else:
            devices = portaudio.inputs(portaudio.start())
            _send(listener, devices=[astuple(device) for device in devices])
    except SourceError as error:
        _send(listener, problem=str(error))
    os._exit(0)


def _exit_when_closed(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        listener.recv(1)  # nothing is ever sent to this process: it returns at the end only
    os._exit(0)


def _send(listener: socket.socket, **message: object) -> None:
    with contextlib.suppress(OSError):  # the other end is closed
        listener.send(json.dumps(message).encode())


def _capture(listener: socket.socket, wanted: str, chunk_seconds: float) -> None:
    system = portaudio.start()
    import pyaudio  # installed, or `start` would have raised

    default = None
    with contextlib.suppress(OSError):
        default = int(system.get_default_input_device_info()['index'])
    device = portaudio.find_device(portaudio.inputs(system), wanted, default)
    channels = min(2, device.channels)
    sender = _BlockSender(listener)
    try:
        stream = system.open(
            device.sample_rate,
            channels,
            pyaudio.paInt16,
            input=True,
            input_device_index=device.index,
            frames_per_buffer=round(chunk_seconds * device.sample_rate),
            stream_callback=sender,
        )
    except (OSError, ValueError) as error:
        raise SourceError(
            f'The microphone {device} does not open ({error}): '
            'see whether another program holds it.'
        ) from error
    latency = stream.get_input_latency()
    _send(listener, device=astuple(device), channels=channels, latency=latency)
    sender.enabled = True
    while stream.is_active():
        time.sleep(POLL_PERIOD)


if __name__ == '__main__':
    sys.exit(main())
