"""When to start again what has ended: soon at first, and ever later while it keeps ending."""

from __future__ import annotations

FIRST_PAUSE = 0.2  # seconds; doubles each time
LONGEST_PAUSE = 30.0
SETTLED = 10.0  # seconds; what lived so long counts as well, and the pauses begin anew


class Backoff:
    """The pauses of one process. It has no clock: the caller says what time it is, in seconds."""

    def __init__(self) -> None:
        self._pause = FIRST_PAUSE
        self._began = 0.0

    def started(self, now: float) -> None:
        """Note that the process starts."""
        self._began = now

    def ended(self, now: float) -> float:
        """Note that the process has ended; return the seconds until it should start again."""
        if now - self._began >= SETTLED:
            self._pause = FIRST_PAUSE
        pause = self._pause
        self._pause = min(2 * pause, LONGEST_PAUSE)
        return pause
