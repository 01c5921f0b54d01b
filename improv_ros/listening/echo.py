"""Telling the player's own notes, which the microphone hears too, from the person's.

What the player sent is known, with pitch, time and velocity, before it is heard. A heard note is
an echo where one of the same pitch was sent the loop's delay ago. It is the shadow of an echo
where it begins with one, is weaker, and lies where the other's overtones do: a transcriber takes
overtones for notes. While the person seems to rest, more is laid to the echoes: what is dated
less exactly, and whatever is weak beside them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import hypot
from statistics import median
from typing import NamedTuple

from improv_ros.event_text import TimedEvent, is_note_off, is_note_on
from improv_ros.listening.loop_delay import EARLIEST, LATEST, MILLISECOND, LoopDelay

_REMEMBERED = 1024  # notes
_ECHOES = 48  # from which their loudness is known

# How far from its time, and how much louder than others (velocity), an echo is known.
_EXACT = 30 * MILLISECOND
_ROUGH = 60 * MILLISECOND
_LOUD = 50

_OVERTONES = frozenset((-12, 12, 19, 24, 28, 31))  # semitones; -12 for octaves heard too low
_FAINT = 0.6  # of the velocity at which the echo is heard: a shadow is weaker

# The person rests while lately no more notes were unexplained than a transcriber invents.
_LATELY = 2_000 * MILLISECOND
_INVENTED = 1
_INVENTED_SHARE = 0.05  # of what was sent


class _Source(NamedTuple):
    """What a heard note may come from: a note that was sent."""

    error: int  # nanoseconds from when it is expected
    interval: int  # semitones from the note sent to the one heard
    velocity: float  # at which it is expected

    def is_echoed(self, velocity: int, roughly: bool) -> bool:
        """Tell whether a note heard with this velocity is its echo."""
        if self.interval:
            return False
        if roughly:
            return self.error <= _ROUGH
        return hypot(self.error / _EXACT, max(0.0, velocity - self.velocity) / _LOUD) <= 1


class EchoCanceller:
    """Passes on what the person played. All times are nanoseconds of one clock.

    removed: notes taken for the player's.
    """

    def __init__(self) -> None:
        self.removed = 0
        self._loop = LoopDelay()
        self._sent: deque[TimedEvent] = deque(maxlen=_REMEMBERED)
        self._louder: deque[float] = deque(maxlen=_ECHOES)  # velocity heard minus sent
        self._held: set[tuple[int, int]] = set()  # (channel, pitch) of echoes that sound
        self._unexplained: deque[int] = deque(maxlen=_REMEMBERED)  # times

    @property
    def delay(self) -> int | None:
        """The measured delay from sending to hearing, in nanoseconds; None where no echo is
        heard, or none yet."""
        return self._loop.estimate

    def sent(self, events: Iterable[TimedEvent]) -> None:
        """Take note of what the player sent, stamped with when it did (nanoseconds)."""
        for event in events:
            if is_note_on(event):
                self._sent.append(event)
                self._loop.send()

    def heard(self, events: Iterable[TimedEvent]) -> list[TimedEvent]:
        """Return the events without echoes, and without the note-offs of those."""
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
        self._loop.hear(lag for lag, sent in lags if sent.values[0] == pitch)
        louder = median(self._louder) if self._louder else 0.0
        sources = [
            _Source(error, pitch - sent.values[0], sent.values[1] + louder)
            for lag, sent in lags
            if (error := self._loop.error(lag)) is not None
        ]
        rests = self._person_rests(event.time)

        echoes = [source for source in sources if source.is_echoed(velocity, roughly=rests)]
        if echoes:
            self._louder.append(velocity + louder - max(source.velocity for source in echoes))
            return True
        shadows = [source for source in sources if velocity < _FAINT * source.velocity]
        if self.delay is not None and any(
            source.interval in _OVERTONES and source.error <= _EXACT for source in shadows
        ):
            return True
        self._unexplained.append(event.time)
        return rests and any(source.error <= _ROUGH for source in shadows)

    def _person_rests(self, time: int) -> bool:
        """Tell whether there were lately no more notes than are heard without anyone playing."""
        unexplained = sum(0 <= time - other < _LATELY for other in self._unexplained)
        sent = sum(0 <= time - other.time < _LATELY for other in self._sent)
        return unexplained <= max(_INVENTED, _INVENTED_SHARE * sent)
