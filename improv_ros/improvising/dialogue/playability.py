# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Playability constraints: what may be played next, whatever the network samples.

A key is released only if it is down and pressed only if it is up. No key is held, and the pedal
is not kept down, longer than a maximum. Pitch range, polyphony, density and the interval between
two presses of one key keep to the settings. The constraints last from one generated phrase to the
next: a key pressed at the end of one is not pressed again too soon at the start of the next.
"""

from collections import deque

import numpy as np

from improv_ros.event_text import (
    SECOND,
    TimedEvent,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
)
from improv_ros.event_text.events import SUSTAIN
from improv_ros.improvising.dialogue.improviser_settings import (
    MAX_REPEAT_INTERVAL,
    ImproviserSettings,
    nanoseconds,
)
from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    LOWEST_PITCH,
    PEDAL_DOWN,
    PEDAL_UP,
    PRESS,
    RELEASE,
)

MIN_NOTE = SECOND * 3 // 100
MIN_PEDAL_INTERVAL = SECOND // 10  # between two changes of the pedal
MAX_PEDAL = 10 * SECOND  # kept down
_PRESSES_KEPT = max(SECOND, nanoseconds(MAX_REPEAT_INTERVAL))


class PlayabilityConstraints:
    """The keys and the pedal after all events that the robot has published, and what may follow.

    sounding: onset of each pitch that is down; presses: (onset, pitch) of the latest presses,
    oldest first; silent_since: when the last key was released; pedal_changed: when the pedal
    last changed in this phrase, or None. All times in nanoseconds.
    """

    def __init__(self) -> None:
        self.sounding: dict[int, int] = {}
        self.presses: deque[tuple[int, int]] = deque()
        self.silent_since = 0
        self.pedal = False
        self.pedal_changed: int | None = None

    def start_phrase(self, start: int) -> None:
        """Prepare for a phrase that starts at `start`."""
        self.silent_since = start

    def allowed_presses(self, time: int, settings: ImproviserSettings) -> np.ndarray:
        """Return which event types are presses that may come at `time`, bool (EVENT_TYPES,).

        If all keys were struck too recently, all are allowed, and `enforce_limits` delays the
        press.
        """
        allowed = np.zeros(EVENT_TYPES, bool)
        if len(self.sounding) >= settings.max_polyphony:
            return allowed
        up = [pitch for pitch in settings.pitches if pitch not in self.sounding]
        recent = self.recently_struck(time, settings)
        rested = [pitch for pitch in up if pitch not in recent]
        allowed[PRESS - LOWEST_PITCH + np.array(rested or up, int)] = True
        return allowed

    def allowed_releases(self) -> np.ndarray:
        """Return which event types release a key or pedal that is down, bool (EVENT_TYPES,)."""
        allowed = np.zeros(EVENT_TYPES, bool)
        allowed[RELEASE - LOWEST_PITCH + np.array(list(self.sounding), int)] = True
        allowed[PEDAL_UP] = self.pedal
        return allowed

    def allowed_events(self, time: int, settings: ImproviserSettings) -> np.ndarray:
        """Return which event types may come at `time`, bool (EVENT_TYPES,)."""
        allowed = self.allowed_presses(time, settings) | self.allowed_releases()
        may_change = self.pedal_changed is None or time - self.pedal_changed >= MIN_PEDAL_INTERVAL
        allowed[PEDAL_UP] &= may_change
        allowed[PEDAL_DOWN] = not self.pedal and may_change
        return allowed

    def enforce_limits(
        self, event: TimedEvent, earliest: int, settings: ImproviserSettings
    ) -> TimedEvent:
        """Return the event, delayed if it comes too soon, or a release that is due before it."""
        time = event.time
        if is_note_on(event):
            most = int(settings.max_density)
            if len(self.presses) >= most:
                time = max(time, self.presses[-most][0] + SECOND)
            recent = self.recently_struck(time, settings)
            if event.values[0] in recent:
                time = recent[event.values[0]] + nanoseconds(settings.min_repeat_interval)
        elif is_note_off(event):
            time = max(time, self.sounding[event.values[0]] + MIN_NOTE)
        longest = nanoseconds(settings.max_note_seconds)
        due = [
            note_off(max(onset + longest, earliest), pitch)
            for pitch, onset in self.sounding.items()
        ]
        if self.pedal:
            assert self.pedal_changed is not None
            due.append(control_change(max(self.pedal_changed + MAX_PEDAL, earliest), SUSTAIN, 0))
        first = min(due, key=lambda release: release.time, default=None)
        return first if first and first.time <= time else event._replace(time=time)

    def add(self, event: TimedEvent) -> None:
        """Add an event that is going to be published."""
        if is_note_on(event):
            pitch = event.values[0]
            self.sounding[pitch] = event.time
            self.presses.append((event.time, pitch))
            while event.time - self.presses[0][0] > _PRESSES_KEPT:
                self.presses.popleft()
        elif is_note_off(event):
            del self.sounding[event.values[0]]
            if not self.sounding:
                self.silent_since = event.time
        else:
            self.pedal = event.values[2] >= 64
            self.pedal_changed = event.time

    def release_all(self, time: int) -> list[TimedEvent]:
        """Return the events that release every key and then the pedal, from `time` on."""
        events = [
            note_off(max(time, onset + MIN_NOTE), pitch) for pitch, onset in self.sounding.items()
        ]
        events.sort(key=lambda event: event.time)
        if self.pedal:
            last = events[-1].time if events else time
            events.append(control_change(last, SUSTAIN, 0))
        return events

    def withdraw_after(self, now: int) -> None:
        """Remove the presses after `now`, which are withdrawn; nothing is down any more."""
        self.sounding.clear()
        self.pedal = False
        while self.presses and self.presses[-1][0] > now:
            self.presses.pop()

    def recently_struck(self, time: int, settings: ImproviserSettings) -> dict[int, int]:
        """Return the last onset of each pitch that may not be pressed again yet at `time`."""
        interval = nanoseconds(settings.min_repeat_interval)
        recent: dict[int, int] = {}
        for onset, pitch in reversed(self.presses):
            if time - onset >= interval:
                break
            recent.setdefault(pitch, onset)
        return recent
