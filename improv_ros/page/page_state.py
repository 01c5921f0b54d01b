# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""All that browsers are shown, and what of it is new; written by one thread, read by another."""

from __future__ import annotations

from collections.abc import Iterable
import threading
from typing import Any

from improv_ros.event_text import TimedEvent
from improv_ros.page.protocol import write_frame
from improv_ros.page.session_log import SOURCES, RecentEvents, SessionLog, wire_event

MOST_PENDING = 20_000  # events of one frame; more are nothing that could be watched
MOST_SAID = 20


class PageState:
    """Events and facts; facts are named values of which browsers know the latest.

    Times are local (ns); `epoch` is when the page's own milliseconds begin.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.log = SessionLog()
        self._recent = RecentEvents()
        self._facts: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._events: list[list[Any]] = []
        self._changed: dict[str, Any] = {}
        self._said: list[dict[str, Any]] = []

    def milliseconds(self, now: int) -> float:
        """Return a local time in the page's milliseconds."""
        return round((now - self.epoch) / 1e6, 2)

    def nanoseconds(self, milliseconds: float) -> int:
        """Return the local time of the page's milliseconds."""
        return self.epoch + round(milliseconds * 1e6)

    def add(self, topic: str, events: Iterable[TimedEvent], now: int, watched: bool) -> None:
        """Take in the events of a message on a topic."""
        wired = [wire_event(SOURCES[topic], event, self.epoch) for event in events]
        with self._lock:
            for event in filter(None, wired):
                self._recent.add(event, self.milliseconds(now))
                if watched:
                    self._events.append(event)
            del self._events[:-MOST_PENDING]

    def tell(self, name: str, value: Any) -> bool:
        """Set a fact; return whether it is another than before."""
        with self._lock:
            if name in self._facts and self._facts[name] == value:
                return False
            self._facts[name] = self._changed[name] = value
            return True

    def say(self, words: str, good: bool = True) -> None:
        """Show a sentence for a moment."""
        with self._lock:
            self._said.append({'words': words, 'good': good})
            del self._said[:-MOST_SAID]

    def frame(self) -> str:
        """Return what is new since the last call; empty if nothing is."""
        with self._lock:
            content: dict[str, Any] = {}
            if self._events:
                content['events'], self._events = self._events, []
            if self._changed:
                content['facts'], self._changed = self._changed, {}
            if self._said:
                content['said'], self._said = self._said, []
            if not content:
                return ''
            self._number += 1
            return write_frame({'n': self._number, **content})

    def state(self, now: int) -> str:
        """Return everything, as a frame that takes the place of all before it."""
        with self._lock:
            content = {
                'n': self._number,
                'whole': True,
                'now': self.milliseconds(now),
                'events': self._recent.all(),
                'facts': dict(self._facts),
            }
            return write_frame(content)
