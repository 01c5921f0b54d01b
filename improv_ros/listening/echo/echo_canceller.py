# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Tells the player's own notes, which the microphone picks up too, from the person's.

The pitch, time and velocity of each note that the player sent are known before it is transcribed.
A transcribed note is removed if it is

* an echo: a note of the same pitch was sent one delay of the loop before; or
* a ghost of an echo: it begins with an echo, is weaker, and its pitch is an overtone, or an octave
  below, where transcribers report false notes.

While the person seems to be silent the rules are wider: an echo may be timed less exactly, and
every weak note that begins with an echo is removed.

The delay of the loop, from sending a note to its transcription, is estimated while it plays. Each
transcribed note has a lag behind every note of the same pitch that was sent. Lags between
unrelated notes are spread wide; those of echoes, over player, loudspeaker, air, microphone and
transcriber, form a cluster at the delay of the loop. Repeated notes form several clusters; the
largest one is at the delay in the end, and until then each of them may be.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from math import hypot
from statistics import median
from typing import NamedTuple

from improv_ros.event_text import TimedEvent, is_note_off, is_note_on

MILLISECOND = 1_000_000  # nanoseconds

# The constants of this module were chosen by hand with `improv bench echo`, on
# the pieces of the last row of its table in docs/measurements.md; the other rows validate them.

EARLIEST, LATEST = -50 * MILLISECOND, 500 * MILLISECOND
"""Range of the delay. It may seem negative where stamps are inexact."""
LIKELY = range(0, 300 * MILLISECOND)
"""Range of the delay that is assumed before it was measured."""

_SENT_NOTES = 48  # whose lags are considered
_MAX_LAGS = 512
_CLUSTER_WIDTH = 50 * MILLISECOND  # of the errors of transcribed onsets
_MIN_LAGS = 3  # in a cluster; fewer may be chance
_MIN_SHARE = 0.1  # likewise, of the sent notes considered
_MIN_RELATIVE_SIZE = 0.25  # of a cluster, relative to the largest
_MAX_WITHOUT_CLUSTER = 16  # notes sent, after which no echo is expected: headphones


class LoopDelay:
    """Estimates the delay of the loop from the lags of recent notes. All times are nanoseconds."""

    def __init__(self) -> None:
        self._sent = 0
        self._sent_without_cluster = 0
        # (number of notes sent until then, lag)
        self._lags: deque[tuple[int, int]] = deque(maxlen=_MAX_LAGS)
        self._clusters: list[int] = []  # their medians, the largest cluster first

    @property
    def estimate(self) -> int | None:
        """The delay, or None where no cluster of lags stands out."""
        return self._clusters[0] if self._clusters else None

    def note_sent(self) -> None:
        """Record that a note was sent."""
        self._sent += 1
        while self._lags and self._lags[0][0] <= self._sent - _SENT_NOTES:
            self._lags.popleft()
        self._measure()
        self._sent_without_cluster = 0 if self._clusters else self._sent_without_cluster + 1

    def add_lags(self, lags: Iterable[int]) -> None:
        """Record the lags of a transcribed note behind the sent notes of its pitch."""
        self._lags += [(self._sent, lag) for lag in lags]
        self._measure()

    def error(self, lag: int) -> int | None:
        """Return the distance of a lag from the nearest cluster.

        Before any measurement it is 0 for any likely lag. None: no echo is expected at this lag.
        """
        if self._clusters:
            return min(abs(lag - middle) for middle in self._clusters)
        expected = self._sent_without_cluster <= _MAX_WITHOUT_CLUSTER and lag in LIKELY
        return 0 if expected else None

    def _measure(self) -> None:
        lags = sorted(lag for _, lag in self._lags)
        min_size = max(_MIN_LAGS, _MIN_SHARE * min(self._sent, _SENT_NOTES))
        self._clusters = []
        while lags:
            sizes = [bisect_right(lags, lag + _CLUSTER_WIDTH) - i for i, lag in enumerate(lags)]
            size = max(sizes)
            if size < min_size:
                return
            first = sizes.index(size)
            middle = lags[first + size // 2]
            self._clusters.append(middle)
            lags = [lag for lag in lags if abs(lag - middle) > _CLUSTER_WIDTH]
            min_size = max(min_size, _MIN_RELATIVE_SIZE * size)


_MAX_NOTES = 1024  # kept in memory
_VELOCITY_OFFSETS = 48  # echoes over which the velocity offset is the median

_EXACT = 30 * MILLISECOND  # largest timing error of an echo
_ROUGH = 60 * MILLISECOND  # likewise, while the person is silent
_MAX_LOUDER = 50  # velocities by which an echo may exceed the expected one

_GHOST_INTERVALS = frozenset((-12, 12, 19, 24, 28, 31))  # semitones: octave below, overtones
_GHOST_VELOCITY = 0.6  # of the expected velocity of the echo; a ghost is weaker

# The person is silent if recently no more notes were unexplained than a transcriber invents.
_RECENT = 2_000 * MILLISECOND
_MAX_INVENTED = 1
_MAX_INVENTED_SHARE = 0.05  # of the notes sent


class _Source(NamedTuple):
    """A sent note that may have caused a transcribed note."""

    error: int  # nanoseconds between the transcribed note and its expected time
    interval: int  # semitones from the sent note to the transcribed one
    velocity: float  # expected velocity of the echo

    def is_echoed(self, velocity: int, roughly: bool) -> bool:
        """Return whether a note transcribed with this velocity is an echo of it."""
        if self.interval:
            return False
        if roughly:
            return self.error <= _ROUGH
        louder = max(0.0, velocity - self.velocity)
        return hypot(self.error / _EXACT, louder / _MAX_LOUDER) <= 1


class EchoCanceller:
    """Returns what the person played. All times are nanoseconds of one clock.

    removed: number of notes removed so far.
    """

    def __init__(self) -> None:
        self.removed = 0
        self._loop = LoopDelay()
        self._sent: deque[TimedEvent] = deque(maxlen=_MAX_NOTES)
        # transcribed minus sent velocity of recent echoes
        self._velocity_offsets: deque[float] = deque(maxlen=_VELOCITY_OFFSETS)
        self._held: set[tuple[int, int]] = set()  # (channel, pitch) of echoes that sound
        self._unexplained: deque[int] = deque(maxlen=_MAX_NOTES)  # times

    @property
    def delay(self) -> int | None:
        """The measured delay of the loop in nanoseconds, or None if no echo was found (yet)."""
        return self._loop.estimate

    def add_sent(self, events: Iterable[TimedEvent]) -> None:
        """Record what the player sent, stamped with when it did."""
        for event in events:
            if is_note_on(event):
                self._sent.append(event)
                self._loop.note_sent()

    def remove_echoes(self, events: Iterable[TimedEvent]) -> list[TimedEvent]:
        """Return the transcribed events without echoes and their note-offs."""
        return [event for event in events if not self._is_removed(event)]

    def _is_removed(self, event: TimedEvent) -> bool:
        if is_note_on(event):
            pitch, _, channel = event.values
            if self._is_own(event):
                self.removed += 1
                self._held.add((channel, pitch))
                return True
            self._held.discard((channel, pitch))
        elif is_note_off(event):
            pitch, _, channel = event.values
            if (channel, pitch) in self._held:
                self._held.remove((channel, pitch))
                return True
        return False

    def _is_own(self, event: TimedEvent) -> bool:
        pitch, velocity, _ = event.values
        lags = [(event.time - sent.time, sent) for sent in self._sent]
        lags = [(lag, sent) for lag, sent in lags if EARLIEST <= lag <= LATEST]
        self._loop.add_lags(lag for lag, sent in lags if sent.values[0] == pitch)
        offset = median(self._velocity_offsets) if self._velocity_offsets else 0.0
        sources = [
            _Source(error, pitch - sent.values[0], sent.values[1] + offset)
            for lag, sent in lags
            if (error := self._loop.error(lag)) is not None
        ]
        person_is_silent = self._person_is_silent(event.time)

        echoes = [source for source in sources if source.is_echoed(velocity, person_is_silent)]
        if echoes:
            expected = max(source.velocity for source in echoes)
            self._velocity_offsets.append(velocity + offset - expected)
            return True
        louder = [source for source in sources if velocity < _GHOST_VELOCITY * source.velocity]
        if self.delay is not None and any(
            source.interval in _GHOST_INTERVALS and source.error <= _EXACT for source in louder
        ):
            return True
        self._unexplained.append(event.time)
        return person_is_silent and any(source.error <= _ROUGH for source in louder)

    def _person_is_silent(self, time: int) -> bool:
        unexplained = sum(0 <= time - other < _RECENT for other in self._unexplained)
        sent = sum(0 <= time - other.time < _RECENT for other in self._sent)
        return unexplained <= max(_MAX_INVENTED, _MAX_INVENTED_SHARE * sent)
