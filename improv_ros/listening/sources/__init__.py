"""Where sound comes from: a microphone, or a recording played as if it were one."""

from improv_ros.listening.sources.device import Device
from improv_ros.listening.sources.device_source import DeviceSource, list_devices
from improv_ros.listening.sources.file_source import FileSource
from improv_ros.listening.sources.source import AudioSource, EndOfAudio, SourceError

__all__ = [
    'AudioSource',
    'Device',
    'DeviceSource',
    'EndOfAudio',
    'FileSource',
    'SourceError',
    'list_devices',
]
