# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The cause of a jump of time: the clock was set, the computer slept, the process was stopped."""

from __future__ import annotations

from threading import Event, Thread
import time
import weakref

from improv_ros.event_text import SECOND
from improv_ros.nodes.common.local_time import CLOCK_JUMP, slept

PERIOD = 0.2  # seconds between two checks
SHORTEST = 1.0  # seconds; a shorter pause is not reported


class ClockJumps:
    """Tells whether ROS time jumped because the clock was set or because the computer slept."""

    def __init__(self) -> None:
        self._slept = slept()

    def reason(self, jump: int) -> str:
        """Return in words why ROS time jumped by `jump` nanoseconds since the last call."""
        before, self._slept = self._slept, slept()
        asleep = self._slept - before
        was_set = jump - asleep
        reasons = (
            [f'this computer slept for {asleep / SECOND:.1f} s'] if asleep >= CLOCK_JUMP else []
        )
        if abs(was_set) >= CLOCK_JUMP or not reasons:
            reasons.append(f'the clock was set by {was_set / SECOND:+.0f} s')
        return ' and '.join(reasons)


class Pauses:
    """Detects pauses of the whole process by reading the clocks every `PERIOD`."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._checked = time.monotonic()
        self._busy = time.process_time()
        self._slept = slept()

    def check(self) -> None:
        """Read the clocks; call it every `PERIOD` in a thread that does nothing else."""
        now, busy, asleep = time.monotonic(), time.process_time(), slept()
        # On average a pause begins in the middle of a period.
        paused = now - self._checked - PERIOD / 2
        used = busy - self._busy
        sleep = (asleep - self._slept) / SECOND
        self._checked, self._busy, self._slept = now, busy, asleep
        if sleep >= SHORTEST:
            self._found.append(f'this computer slept for {sleep:.1f} s')
        if paused >= SHORTEST and used < paused / 2:
            # A process cannot tell whether it was stopped or waited for a processor.
            self._found.append(
                f'this process was stopped for {paused:.1f} s, or the machine was too busy for it'
            )

    def take(self) -> list[str]:
        """Return a sentence for each pause that was found since the last call."""
        found, self._found = self._found, []
        return found


def watched_pauses() -> Pauses:
    """Return a `Pauses` that a thread of its own checks until it is garbage-collected."""
    pauses, over = Pauses(), Event()
    weakref.finalize(pauses, over.set)
    watcher = Thread(target=_watch, args=(weakref.ref(pauses), over), name='pauses', daemon=True)
    watcher.start()
    return pauses


def _watch(reference: weakref.ref[Pauses], over: Event) -> None:
    while not over.wait(PERIOD):
        if pauses := reference():
            pauses.check()
        del pauses
