"""PortAudio by way of PyAudio, without its noise and without waiting for it for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
import ctypes
from dataclasses import dataclass
import os
import threading
from typing import TYPE_CHECKING, TypeVar

from improv_ros.listening.sources.source import SourceError, SourceHungError

if TYPE_CHECKING:
    import pyaudio

_DEADLINE = 5.0  # seconds; a sound server that hangs never lets its caller go
_Result = TypeVar('_Result')


@dataclass(frozen=True)
class Device:
    """An audio input; sample_rate (Hz) is its default."""

    index: int
    name: str
    channels: int
    sample_rate: int

    def __str__(self) -> str:
        return f'{self.index}: {self.name} ({self.channels} channels, {self.sample_rate} Hz)'


def list_devices() -> list[Device]:
    """The audio inputs of this machine. Raises SourceError if there is no audio system."""

    def listed() -> list[Device]:
        system = start()
        try:
            return inputs(system)
        finally:
            system.terminate()

    return within_deadline(listed, 'list the audio devices')


def start() -> pyaudio.PyAudio:
    """A fresh PortAudio, which sees the devices of this moment; end it with `terminate()`."""
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


def find_device(devices: list[Device], wanted: str | int, default: int | None = None) -> Device:
    """The device with the index `wanted`, or with `wanted` in its name whatever the case.

    '' is the one with index `default`. A name that is equal beats names that contain it. Raises
    SourceError with a list of the devices when there is none, or more than one.
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


def within_deadline(work: Callable[[], _Result], what: str) -> _Result:
    """Do `work` in a thread and wait for it, but not for ever.

    Raises SourceHungError past the deadline; the thread then stays behind in the library.
    """
    result: list[_Result] = []
    problem: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:
            problem.append(error)

    thread = threading.Thread(target=run, name=what, daemon=True)
    thread.start()
    thread.join(_DEADLINE)
    if thread.is_alive():
        raise SourceHungError(
            f'The sound server did not {what} within {_DEADLINE:g} s; '
            'restart it, and then this process.'
        )
    if problem:
        raise problem[0]
    return result[0]


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
