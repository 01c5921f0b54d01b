# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Audio sources: a microphone, or a recording that is played in real time."""

from improv_ros.listening.capture.audio_source import AudioSource, EndOfAudio, SourceError
from improv_ros.listening.capture.device_source import DeviceSource, list_devices
from improv_ros.listening.capture.file_source import FileSource
from improv_ros.listening.capture.portaudio import Device

__all__ = [
    'AudioSource',
    'Device',
    'DeviceSource',
    'EndOfAudio',
    'FileSource',
    'SourceError',
    'list_devices',
]
