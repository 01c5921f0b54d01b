"""The audio inputs of a machine, and which of them is meant."""

from __future__ import annotations

from dataclasses import dataclass

from improv_ros.listening.sources.source import SourceError


@dataclass(frozen=True)
class Device:
    """An audio input; sample_rate (Hz) is its default."""

    index: int
    name: str
    channels: int
    sample_rate: int

    def __str__(self) -> str:
        return f'{self.index}: {self.name} ({self.channels} channels, {self.sample_rate} Hz)'


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
