"""A microphone."""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
import queue
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from improv_ros.listening.audio_chunk import AudioChunk
from improv_ros.listening.sources import portaudio
from improv_ros.listening.sources.portaudio import Device
from improv_ros.listening.sources.source import SourceError, SourceHungError
from improv_ros.listening.sources.stream_clock import StreamClock

if TYPE_CHECKING:
    import pyaudio

_QUEUE_SECONDS = 2.0
_CONTINUE = 0  # paContinue
_INPUT_OVERFLOW = 2  # paInputOverflow


class _Block(NamedTuple):
    arrival: int
    data: bytes
    frames: int
    lost: bool


class DeviceSource:
    """An audio input at its own rate, with its own channels up to two.

    The callback, which runs in PortAudio's thread, only copies its block into a bounded queue.
    The stream is believed lost when no callback came for `lost_after` seconds: a sound server
    that dies raises nothing, it just falls silent. To recover, close and open again, with
    growing pauses; a SourceHungError means that only leaving the process helps.
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
        self._system: pyaudio.PyAudio | None = None
        self._stream: pyaudio.PyAudio.Stream | None = None
        self._blocks: queue.Queue[_Block] = queue.Queue()
        self._last_callback = 0
        self._dropped = False

    def open(self) -> None:
        """Find the device and start it. Raises SourceError with the devices there are."""
        self.close()
        try:
            portaudio.within_deadline(self._open, 'open the microphone')
        except SourceHungError:
            raise  # the library is still at it and must not be touched
        except BaseException:
            self.close()
            raise

    def read(self, timeout: float) -> AudioChunk | None:
        """The next block of the microphone. See AudioSource."""
        if self._stream is None:
            raise SourceError(f'The microphone {self._name} is not open.')
        try:
            block = self._blocks.get(timeout=timeout)
        except queue.Empty:
            self._check_alive()
            return None
        samples = np.frombuffer(block.data, np.int16).reshape(-1, self.channels)
        first = self._clock.time_of(block.arrival, block.frames, block.lost)
        if block.lost:
            self._sequence += 1  # so that whoever listens knows of the gap
        chunk = AudioChunk(samples, self.sample_rate, first, self._sequence)
        self._sequence += 1
        return chunk

    def close(self) -> None:
        """Let go of the device. Raises SourceHungError if the sound server does not answer."""
        stream, self._stream = self._stream, None
        system, self._system = self._system, None
        if system is None:
            return

        def close() -> None:
            # A stream whose server is gone complains when it is closed, yet it is closed.
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
            system.terminate()

        portaudio.within_deadline(close, 'close the microphone')

    @property
    def _name(self) -> str:
        return self.device.name if self.device else repr(self.wanted or 'default')

    def _open(self) -> None:
        self._system = portaudio.start()
        default = None
        with contextlib.suppress(OSError):
            default = int(self._system.get_default_input_device_info()['index'])
        devices = portaudio.inputs(self._system)
        self.device = portaudio.find_device(devices, self.wanted, default)
        self.sample_rate = self.device.sample_rate
        self.channels = min(2, self.device.channels)
        self._blocks = queue.Queue(max(4, round(_QUEUE_SECONDS / self.chunk_seconds)))
        self._sequence = 0
        self._dropped = False
        self._last_callback = time.monotonic_ns()
        import pyaudio

        try:
            self._stream = self._system.open(
                self.sample_rate,
                self.channels,
                pyaudio.paInt16,
                input=True,
                input_device_index=self.device.index,
                frames_per_buffer=round(self.chunk_seconds * self.sample_rate),
                stream_callback=self._on_block,
            )
        except (OSError, ValueError) as error:
            raise SourceError(
                f'The microphone {self.device} does not open ({error}): '
                'see whether another program holds it.'
            ) from error
        self._clock = StreamClock(self.sample_rate, self._stream.get_input_latency())

    def _on_block(
        self, data: bytes | None, frames: int, _time: Mapping[str, float], status: int
    ) -> tuple[None, int]:
        now = time.monotonic_ns()
        self._last_callback = now
        overflow = bool(status & _INPUT_OVERFLOW)
        try:
            self._blocks.put_nowait(_Block(now, data or b'', frames, overflow or self._dropped))
            self._dropped = False
        except queue.Full:
            self._dropped = True
        self.overflows += overflow or self._dropped
        return None, _CONTINUE

    def _check_alive(self) -> None:
        assert self._stream is not None
        silent = (time.monotonic_ns() - self._last_callback) / 1e9
        if silent > self.lost_after or not self._stream.is_active():
            raise SourceError(
                f'The microphone {self._name} is lost: no sound came for {silent:.1f} s. '
                'See whether it is plugged in and the sound server runs.'
            )
