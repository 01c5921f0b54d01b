"""The error that reading and writing event text raises, and what else it may mean."""

from __future__ import annotations

LINE_SHOWN = 80


class EventTextError(ValueError):
    """A line that is not event text: its number (from 1), the line cut to 80 characters, why."""

    def __init__(self, line_number: int, line: str, reason: str) -> None:
        line = line if len(line) <= LINE_SHOWN else line[:LINE_SHOWN] + '...'
        super().__init__(line_number, line, reason)
        self.line_number = line_number
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return f'line {self.line_number}, {self.line!r}: {self.reason}'


class MisdatedError(EventTextError):
    """A live message whose events lie too far from now to be meant for now."""
