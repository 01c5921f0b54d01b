"""The software synth of SynthOutput, in a process of its own.

    python -m improv_ros.playing.synth_process SOUNDFONT GAIN DRIVER PRIORITY

Each line of standard input is an event, played at once: its kind and its values. The process
ends with standard input, or by itself when no sound is taken from it any more: fluidsynth would
play on, mute.
"""

from __future__ import annotations

import os
import sys
from threading import Thread, get_native_id
import time

from improv_ros.event_text import TimedEvent
from improv_ros.playing.child import READY
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.realtime import go_first
from improv_ros.playing.synth import Synth

STALLED = 3.0  # seconds without any sound taken
LOOK_PERIOD = 0.25


def line_of(event: TimedEvent) -> bytes:
    """Return an event as this process reads it."""
    return f'{event.kind} {" ".join(map(str, event.values))}\n'.encode()


def _event_of(line: str) -> TimedEvent:
    kind, *values = line.split()
    return TimedEvent(0, kind, tuple(map(int, values)))


def _leave_when_stalled(synth: Synth) -> None:
    taken, since = synth.milliseconds_taken(), time.monotonic()
    while True:
        time.sleep(LOOK_PERIOD)
        now = synth.milliseconds_taken()
        if now != taken:
            taken, since = now, time.monotonic()
        elif time.monotonic() - since > STALLED:
            print(f'the sound server has taken no sound for {STALLED:g} s: is it running?')
            sys.stdout.flush()
            os._exit(1)  # nothing that belongs to the audio driver can be waited for


def main() -> int:
    """Play what comes in."""
    soundfont, gain, driver, priority = sys.argv[1:]
    try:
        synth = Synth(soundfont, float(gain))
        synth.connect_to_audio_device(driver)
    except PlayingError as error:
        print(error)
        return 1
    if int(priority):
        go_first(get_native_id(), int(priority))  # the player says so if it is not allowed
    print(READY, flush=True)
    Thread(target=_leave_when_stalled, args=(synth,), daemon=True).start()
    for line in sys.stdin:
        synth.play(_event_of(line))
    synth.close()
    return 0


if __name__ == '__main__':
    sys.exit(main())
