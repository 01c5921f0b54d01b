# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Conversion of stamps from the time of a recording to the time of its replay."""

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
    """A time of the recording, the same moment in the replay (both in ns), and the speed."""

    recorded: int
    replayed: int
    rate: float = 1.0

    def __call__(self, time: int) -> int:
        """Return the time in the replay of a time in the recording, in ns."""
        return self.replayed + round((time - self.recorded) / self.rate)


def shift_text(text: str, shift: TimeShift) -> Text:
    """Return a live message with its times moved to the replay and its sequence number kept.

    EventTextError for a text that is not a live message.
    """
    message = parse(text, LIVE_LIMITS)
    if message.at is None:
        raise EventTextError(1, text.partition('\n')[0], 'a live message needs at')
    events = [event._replace(time=shift(event.time)) for event in to_timed(message)]
    if shift.rate == 1.0 or not events:
        return replace(message, at=shift(message.at))
    return replace(from_timed(events), sequence=message.sequence)
