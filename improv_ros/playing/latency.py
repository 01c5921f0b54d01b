"""How long before its sound an event is to be sent, for outputs that take their time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from improv_ros.event_text import TimedEvent, is_note_on
from improv_ros.playing.errors import PlayingError

VELOCITIES = 128
NO_STRIKE = (0,) * VELOCITIES

# (velocity, seconds) from command to hammer blow, straight lines in between. That of a Disklavier
# is nothing at velocity 100 and above, and 155 ms at velocity 10 and below.
PROFILES = {'disklavier': ((10, 0.155), (100, 0.0))}
LONGEST_STRIKE = 1.0  # seconds


@dataclass(frozen=True)
class Latency:
    """
    The time from sending an event to its sound, in nanoseconds.

    `fixed` is that of every event; `strike` says, for each of the 128 velocities, what a note-on
    takes besides, for a hammer that travels slowly when it is to strike softly.
    """

    fixed: int = 0
    strike: Sequence[int] = NO_STRIKE

    def of(self, event: TimedEvent) -> int:
        """Return how long after it is sent this event sounds."""
        return self.fixed + (self.strike[event.values[1]] if is_note_on(event) else 0)


NO_LATENCY = Latency()


def strike_table(profile: str) -> tuple[int, ...]:
    """
    Return the nanoseconds from command to blow for each velocity from 0 to 127.

    `profile` is '' (none), the name of a profile ('disklavier') or points as in
    '10:0.155, 60:0.07, 100:0' (velocity:seconds), joined by straight lines and level beyond the
    first and the last. PlayingError says what is wrong with any other.
    """
    if not profile:
        return NO_STRIKE
    points = PROFILES.get(profile) or _parse(profile)
    return tuple(round(1e9 * _between(points, velocity)) for velocity in range(VELOCITIES))


def _parse(profile: str) -> Sequence[tuple[int, float]]:
    points = []
    for part in profile.split(','):
        velocity, _, seconds = part.partition(':')
        try:
            points.append((int(velocity), float(seconds)))
        except ValueError:
            raise PlayingError(
                f'strike latency {profile!r}: {part.strip()!r} is not velocity:seconds; '
                f'write 10:0.155, 100:0 or one of {", ".join(PROFILES)}'
            ) from None
    if len(dict(points)) < len(points):
        raise PlayingError(f'strike latency {profile!r} has a velocity twice')
    for velocity_of_point, latency in points:
        if not (0 <= velocity_of_point < VELOCITIES and 0 <= latency <= LONGEST_STRIKE):
            raise PlayingError(
                f'strike latency {profile!r}: {velocity_of_point}:{latency:g} is out of range; '
                f'a velocity is 0 to {VELOCITIES - 1}, a latency 0 to {LONGEST_STRIKE:g} s'
            )
    return sorted(points)


def _between(points: Sequence[tuple[int, float]], velocity: int) -> float:
    """Return the height at `velocity` of the line through `points`."""
    left = points[0]
    for right in points:
        if velocity <= right[0]:
            if right[0] == left[0]:
                return right[1]
            share = max(0, velocity - left[0]) / (right[0] - left[0])
            return left[1] + share * (right[1] - left[1])
        left = right
    return left[1]
