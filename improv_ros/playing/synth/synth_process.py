# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The software synthesiser of SynthOutput, in a process of its own.

    python -m improv_ros.playing.synth.synth_process SOUNDFONT GAIN DRIVER PRIORITY

Each line of standard input is an event, played at once: its kind and its values. The process
ends when standard input ends, or when the audio device has stopped to take sound, which
FluidSynth does not report.
"""

from __future__ import annotations

import os
import sys
from threading import Thread, get_native_id
import time

from improv_ros.event_text import TimedEvent
from improv_ros.playing import PlayingError
from improv_ros.playing.helper_process import READY, write_line
from improv_ros.playing.realtime import set_fifo_priority
from improv_ros.playing.synth.fluidsynth_synth import Synth
from improv_ros.process.native_stderr import discard_native_stderr

STALL_TIMEOUT = 3.0  # seconds in which the audio device takes no sound
POLL_PERIOD = 0.25  # seconds


def line_of(event: TimedEvent) -> bytes:
    """Return an event as a line that this process reads."""
    return f'{event.kind} {" ".join(map(str, event.values))}\n'.encode()


def _event_of(line: str) -> TimedEvent:
    kind, *values = line.split()
    return TimedEvent(0, kind, tuple(map(int, values)))


def _exit_when_stalled(synth: Synth) -> None:
    position, since = synth.milliseconds_rendered(), time.monotonic()
    while True:
        time.sleep(POLL_PERIOD)
        now = synth.milliseconds_rendered()
        if now != position:
            position, since = now, time.monotonic()
        elif time.monotonic() - since > STALL_TIMEOUT:
            write_line(
                f'the audio device has taken no sound for {STALL_TIMEOUT:g} s: is it running?'
            )
            os._exit(1)  # a stalled audio driver cannot be closed


def main() -> int:
    """Start the synthesiser, say so, and play events until standard input ends."""
    soundfont, gain, driver, priority = sys.argv[1:]
    discard_native_stderr()  # ALSA writes many lines if there is no sound card
    try:
        synth = Synth(soundfont, float(gain))
        synth.connect_to_audio_device(driver)
    except PlayingError as error:
        write_line(error)
        return 1
    if int(priority):
        set_fifo_priority(get_native_id(), int(priority))  # the player reports a refusal
    write_line(READY)
    Thread(target=_exit_when_stalled, args=(synth,), daemon=True).start()
    for line in sys.stdin:
        synth.play(_event_of(line))
    synth.close()
    return 0


if __name__ == '__main__':
    sys.exit(main())
