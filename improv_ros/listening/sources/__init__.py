"""Where sound comes from: a microphone, or a recording played as if it were one."""

from improv_ros.listening.sources.device_source import DeviceSource
from improv_ros.listening.sources.file_source import FileSource
from improv_ros.listening.sources.portaudio import Device, list_devices
from improv_ros.listening.sources.source import (
    AudioSource,
    EndOfAudio,
    SourceError,
    SourceHungError,
)

__all__ = [
    'AudioSource',
    'Device',
    'DeviceSource',
    'EndOfAudio',
    'FileSource',
    'SourceError',
    'SourceHungError',
    'list_devices',
]
