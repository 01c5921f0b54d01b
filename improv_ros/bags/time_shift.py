"""From the time of a recording to the time of its replay."""

from __future__ import annotations

from dataclasses import dataclass, replace

from improv_ros.event_text import (
    LIVE_LIMITS,
    EventTextError,
    Text,
    from_timed,
    parse,
    to_timed,
)


@dataclass(frozen=True)
class TimeShift:
    """A moment of the recording, the moment of the replay it becomes (ns), and the speed after."""

    recorded: int
    replayed: int
    rate: float = 1.0

    def __call__(self, time: int) -> int:
        """Return when a recorded moment comes in the replay."""
        return self.replayed + round((time - self.recorded) / self.rate)


def shift_text(text: str, shift: TimeShift) -> Text:
    """Return a live message as it would have been sent in the replay, its number kept.

    EventTextError where it is no live message.
    """
    message = parse(text, LIVE_LIMITS)
    if message.at is None:
        raise EventTextError(1, text.partition('\n')[0], 'a live message needs at')
    events = [event._replace(time=shift(event.time)) for event in to_timed(message)]
    if shift.rate == 1.0 or not events:
        return replace(message, at=shift(message.at))
    return replace(from_timed(events), sequence=message.sequence)
