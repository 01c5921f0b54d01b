# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Frames to many browsers: each gets what is new, or, where it is slow, the newest state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

PATIENCE = 3.0  # seconds without a sign of life after which a browser is sent nothing more
GONE = 20.0  # seconds after which it is let go of
SOONEST = 0.012  # seconds between frames for one browser
EACH = 0.001  # seconds more for each other, so that many cost no more than a few
RARELY = 0.04  # seconds between frames at the most


class Connection(Protocol):
    """A browser, as the feed sees it."""

    def send(self, frame: str) -> None:
        """Send a frame; never waits."""

    def is_busy(self) -> bool:
        """Tell whether frames from before still wait to be sent."""

    def close(self) -> None:
        """Let go of the browser."""


class Feed:
    """Hands frames to connections; a slow one waits, and is then told everything anew."""

    def __init__(self) -> None:
        self._heard_of: dict[Connection, float] = {}
        self._stale: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._heard_of)

    @property
    def interval(self) -> float:
        """Seconds that should lie between two frames."""
        return min(SOONEST + EACH * max(0, len(self) - 1), RARELY)

    def join(self, connection: Connection, now: float) -> None:
        """Take in a browser; the first that it is sent is the whole state."""
        self._heard_of[connection] = now
        self._stale.add(connection)

    def leave(self, connection: Connection) -> None:
        """Forget a browser."""
        self._heard_of.pop(connection, None)
        self._stale.discard(connection)

    def note_life(self, connection: Connection, now: float) -> None:
        """Note that a browser has said something."""
        if connection in self._heard_of:
            self._heard_of[connection] = now

    def silent(self, now: float, seconds: float = GONE) -> Iterable[Connection]:
        """Return the browsers that have said nothing for so long."""
        return [c for c, heard in self._heard_of.items() if now - heard > seconds]

    def send(self, frame: str, state: Callable[[], str], now: float) -> None:
        """Send what is new; to who comes newly, or was slow, the `state` instead."""
        whole: str | None = None
        for connection, heard in list(self._heard_of.items()):
            if connection.is_busy() or now - heard > PATIENCE:
                self._stale.add(connection)
            elif connection in self._stale:
                whole = state() if whole is None else whole
                self._stale.discard(connection)
                connection.send(whole)
            elif frame:
                connection.send(frame)

    @property
    def waiting(self) -> bool:
        """Whether a browser has yet to be told everything anew."""
        return bool(self._stale)
