# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The keys that browsers hold: one keyboard for the robot, however many browsers play on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

from improv_ros.event_text import TimedEvent, control_change, note_off, note_on
from improv_ros.event_text.events import SUSTAIN

LATEST = 500_000_000  # nanoseconds; the longest reported age of a key press that is used


class BrowserKeys:
    """Merges the strokes of browsers; a key sounds until the last who holds it lets it go."""

    def __init__(self) -> None:
        self._holding: defaultdict[int, set[Hashable]] = defaultdict(set)
        self._pedals: dict[Hashable, int] = {}

    @property
    def browsers(self) -> set[Hashable]:
        """Those that hold something."""
        return set(self._pedals).union(*self._holding.values())

    def key(
        self, browser: Hashable, pitch: int, velocity: int, time: int, now: int
    ) -> list[TimedEvent]:
        """Return the events of a key that a browser pressed, or released with velocity 0."""
        time = min(max(time, now - LATEST), now)
        holding = self._holding[pitch]
        if velocity:
            again = [note_off(time, pitch)] if holding else []
            holding.add(browser)
            return [*again, note_on(time, pitch, velocity)]
        was_held = browser in holding
        holding.discard(browser)
        return [note_off(time, pitch)] if was_held and not holding else []

    def pedal(self, browser: Hashable, value: int, time: int, now: int) -> list[TimedEvent]:
        """Return the events of a pedal that a browser moved."""
        before = max(self._pedals.values(), default=0)
        self._pedals[browser] = value
        after = max(self._pedals.values())
        time = min(max(time, now - LATEST), now)
        return [control_change(time, SUSTAIN, after)] if after != before else []

    def leave(self, browser: Hashable, now: int) -> list[TimedEvent]:
        """Return what releases all that a browser holds."""
        events = []
        for pitch, holding in self._holding.items():
            if browser in holding:
                events += self.key(browser, pitch, 0, now, now)
        events += self.pedal(browser, 0, now, now)
        del self._pedals[browser]
        return events
