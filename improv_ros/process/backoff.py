# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Pauses between attempts, each twice as long as the one before, up to a longest pause."""

from __future__ import annotations

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0  # seconds before a process is started again
STABLE = 10.0  # seconds; after a process ran for so long, the pauses begin at the first again
UNUSABLE = 2  # exit code of a process that would fail in the same way if it were started again


class Backoff:
    """Pauses from `first` to `longest` seconds."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = self._pause = first
        self._longest = longest

    def next_pause(self) -> float:
        """Return the seconds to wait before the next attempt; the pause after it is doubled."""
        pause = self._pause
        self._pause = min(2 * pause, self._longest)
        return pause

    def reset(self) -> None:
        """Begin at the first pause again: an attempt succeeded."""
        self._pause = self._first


class RestartBackoff(Backoff):
    """The pauses before restarts of one process. The caller gives the time, in seconds."""

    def __init__(self) -> None:
        super().__init__(FIRST_PAUSE, LONGEST_PAUSE)
        self._began = 0.0

    def started(self, now: float) -> None:
        """Note that the process starts."""
        self._began = now

    def ended(self, now: float) -> float:
        """Note that the process has ended; return the seconds until it should start again."""
        if now - self._began >= STABLE:
            self.reset()
        return self.next_pause()
