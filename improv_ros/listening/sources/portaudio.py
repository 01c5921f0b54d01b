"""PortAudio by way of PyAudio, without its noise.

It can hang with the sound server, and crash: only a process that may be killed should use it.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import ctypes
import os
from typing import TYPE_CHECKING

from improv_ros.listening.sources.device import Device
from improv_ros.listening.sources.source import SourceError

if TYPE_CHECKING:
    import pyaudio


def start() -> pyaudio.PyAudio:
    """A fresh PortAudio, which sees the devices of this moment."""
    try:
        import pyaudio
    except ImportError as error:
        raise SourceError(
            'A microphone needs PyAudio, which is not installed: install the Debian packages '
            'portaudio19-dev, python3-dev and gcc, then pip install "improv_ros[audio]" '
            f'({error}).'
        ) from error
    os.environ.setdefault('JACK_NO_START_SERVER', '1')
    _silence_alsa()
    with _stderr_discarded():
        return pyaudio.PyAudio()


def inputs(system: pyaudio.PyAudio) -> list[Device]:
    """The devices that can record."""
    devices = []
    for index in range(system.get_device_count()):
        info = system.get_device_info_by_index(index)
        channels = int(info['maxInputChannels'])
        if channels > 0:
            rate = int(info['defaultSampleRate'])
            devices.append(Device(index, str(info['name']), channels, rate))
    return devices


@contextlib.contextmanager
def _stderr_discarded() -> Iterator[None]:
    """PortAudio and JACK write straight to file descriptor 2 when they look for devices."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


_AlsaErrorHandler = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p
)
# ALSA keeps the pointer, so the handler must live as long as the process.
_ignore_alsa_error = _AlsaErrorHandler(lambda *_: None)


def _silence_alsa() -> None:
    """ALSA also writes while a stream runs, when nothing can be redirected."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL('libasound.so.2').snd_lib_error_set_handler(_ignore_alsa_error)
