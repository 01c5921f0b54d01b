# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The audio inputs of a machine, by way of PyAudio (PortAudio), without its messages on stderr.

PortAudio can hang with the sound server, and crash. Call `start` only in a process that may be
killed: see `capture_process`.
"""

from __future__ import annotations

import contextlib
import ctypes
from dataclasses import dataclass
import os
from typing import TYPE_CHECKING

from improv_ros.listening.capture.audio_source import SourceError
from improv_ros.process import packages
from improv_ros.process.native_stderr import native_stderr_discarded

if TYPE_CHECKING:
    import pyaudio


@dataclass(frozen=True)
class Device:
    """An audio input. sample_rate: its default rate in Hz."""

    index: int
    name: str
    channels: int
    sample_rate: int

    def __str__(self) -> str:
        return f'{self.index}: {self.name} ({self.channels} channels, {self.sample_rate} Hz)'


def find_device(devices: list[Device], wanted: str | int, default: int | None = None) -> Device:
    """Return the device with the index `wanted`, or with `wanted` in its name, ignoring case.

    '' selects the device with index `default`. A name that is equal is preferred to names that
    contain it. Raises SourceError with a list of the devices if none or several match.
    """
    listing = '; '.join(map(str, devices)) or 'none at all'
    if not devices:
        raise SourceError(
            'There is no audio input on this machine: plug in a microphone, start the sound '
            'server, or play a recording with the file source.'
        )
    if wanted == '':
        chosen = [device for device in devices if device.index == default] or devices[:1]
        return chosen[0]
    name = str(wanted).casefold()
    if name.isdecimal():
        found = [device for device in devices if device.index == int(name)]
    else:
        found = [device for device in devices if device.name.casefold() == name]
        found = found or [device for device in devices if name in device.name.casefold()]
    if not found:
        raise SourceError(f'There is no audio input {wanted!r}. The inputs are: {listing}.')
    if len(found) > 1:
        raise SourceError(
            f'{wanted!r} fits {len(found)} audio inputs; give an index or more of the name. '
            f'The inputs are: {listing}.'
        )
    return found[0]


def start() -> pyaudio.PyAudio:
    """Return a new PortAudio, which sees the devices of this moment. Raises SourceError."""
    try:
        import pyaudio
    except ImportError as error:
        raise SourceError(
            f'A microphone needs PyAudio: {packages.advice(error)} (pip builds it with the Debian '
            'packages portaudio19-dev, python3-dev and gcc).'
        ) from error
    os.environ.setdefault('JACK_NO_START_SERVER', '1')
    _silence_alsa()
    with native_stderr_discarded():  # PortAudio and JACK write there while they search devices
        return pyaudio.PyAudio()


def inputs(system: pyaudio.PyAudio) -> list[Device]:
    """Return the devices that can record."""
    devices = []
    for index in range(system.get_device_count()):
        info = system.get_device_info_by_index(index)
        channels = int(info['maxInputChannels'])
        if channels > 0:
            rate = int(info['defaultSampleRate'])
            devices.append(Device(index, str(info['name']), channels, rate))
    return devices


_AlsaErrorHandler = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p
)
# ALSA keeps the pointer, so the handler must live as long as the process.
_ignore_alsa_error = _AlsaErrorHandler(lambda *_: None)


def _silence_alsa() -> None:
    """Discard ALSA's messages, which it also writes while a stream runs."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL('libasound.so.2').snd_lib_error_set_handler(_ignore_alsa_error)
