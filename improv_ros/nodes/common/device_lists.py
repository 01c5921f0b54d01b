# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Print the microphones and MIDI keyboards that there are: kind, tab, name, a line each.

In a process of its own, because looking for devices can hang, and crash.
"""

from __future__ import annotations

import contextlib
import sys

from improv_ros.listening.capture import SourceError, list_devices
from improv_ros.playing import PlayingError
from improv_ros.playing.midi.port_names import input_names


def main() -> int:
    """Print what is found."""
    with contextlib.suppress(SourceError):
        for device in list_devices():
            print(f'microphone\t{device.name}', flush=True)
    with contextlib.suppress(PlayingError):
        for name in input_names():
            print(f'keyboards\t{name}', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
