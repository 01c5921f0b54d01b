"""The microphone of DeviceSource, in a process of its own.

    python -m improv_ros.listening.sources.capture_process [DEVICE CHUNK_SECONDS]

Standard input is a socket on which everything is said, one packet a message. The first is JSON:
{"problem": sentence}, or {"devices": [[index, name, channels, sample rate], ...]} where no device
was named, or {"device": [...], "channels": how many are captured, "latency": seconds}. After the
latter come blocks of sound: `BLOCK`, and PCM. The process ends when the sound does, or when the
other end is closed, without a word to PortAudio: that would wait for a sound server that hangs.
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

from improv_ros.listening.sources import portaudio
from improv_ros.listening.sources.device import Device, find_device
from improv_ros.listening.sources.device_source import BLOCK
from improv_ros.listening.sources.source import SourceError

BUFFER = 1 << 18  # bytes, twice of which wait for a slow reader: a second or two of sound
LOOK_PERIOD = 0.1  # seconds between two looks at whether the stream still runs
INPUT = 0
_CONTINUE = 0  # paContinue
_INPUT_OVERFLOW = 2  # paInputOverflow


class _Blocks:
    """Sends each block of a stream; called in PortAudio's thread, it never waits."""

    def __init__(self, listener: socket.socket) -> None:
        self.wanted = False
        self._listener = listener
        self._lost = False

    def __call__(
        self, data: bytes | None, _frames: int, _time: Mapping[str, float], status: int
    ) -> tuple[None, int]:
        if self.wanted:
            self._lost |= bool(status & _INPUT_OVERFLOW)
            block = BLOCK.pack(time.monotonic_ns(), self._lost) + (data or b'')
            try:
                self._listener.send(block, socket.MSG_DONTWAIT)
                self._lost = False
            except BlockingIOError:
                self._lost = True
            except OSError:
                os._exit(0)  # nobody listens any more
        return None, _CONTINUE


def main() -> int:
    """Capture for as long as there is sound and somebody listens."""
    listener = socket.socket(fileno=INPUT)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    Thread(target=_leave_with, args=(listener,), daemon=True).start()
    try:
        if sys.argv[1:]:
            wanted, chunk_seconds = sys.argv[1:]
            _capture(listener, wanted, float(chunk_seconds))
        else:
            _tell(listener, devices=[astuple(device) for device in _devices()])
    except SourceError as error:
        _tell(listener, problem=str(error))
    os._exit(0)


def _leave_with(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        listener.recv(1)  # nothing is ever said to this process: its end is all that can come
    os._exit(0)


def _tell(listener: socket.socket, **message: object) -> None:
    listener.send(json.dumps(message).encode())


def _devices() -> list[Device]:
    return portaudio.inputs(portaudio.start())


def _capture(listener: socket.socket, wanted: str, chunk_seconds: float) -> None:
    import pyaudio

    system = portaudio.start()
    default = None
    with contextlib.suppress(OSError):
        default = int(system.get_default_input_device_info()['index'])
    device = find_device(portaudio.inputs(system), wanted, default)
    channels = min(2, device.channels)
    blocks = _Blocks(listener)
    try:
        stream = system.open(
            device.sample_rate,
            channels,
            pyaudio.paInt16,
            input=True,
            input_device_index=device.index,
            frames_per_buffer=round(chunk_seconds * device.sample_rate),
            stream_callback=blocks,
        )
    except (OSError, ValueError) as error:
        raise SourceError(
            f'The microphone {device} does not open ({error}): '
            'see whether another program holds it.'
        ) from error
    latency = stream.get_input_latency()
    _tell(listener, device=astuple(device), channels=channels, latency=latency)
    blocks.wanted = True
    while stream.is_active():
        time.sleep(LOOK_PERIOD)


if __name__ == '__main__':
    sys.exit(main())
