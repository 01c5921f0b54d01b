"""Telling the player's own notes, heard by the microphone, from the person's.

What the player sent is known, with pitch, time and velocity, before it is heard. A heard note is
an echo where one of the same pitch was sent the loop's delay ago. It is the shadow of an echo
where it begins with one and is weaker: a transcriber takes loud overtones for notes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median

from improv_ros.event_text import TimedEvent, is_note_off, is_note_on
from improv_ros.listening.loop_delay import EARLIEST, LATEST, LoopDelay

_REMEMBERED = 1024  # notes sent
_LOUDNESS_OF = 48  # echoes

# Semitones from a string to what its overtones sound like, and down to the octave it is mistaken
# for. While the person plays, only these are shadows; otherwise any pitch is.
_OVERTONES = frozenset((-12, 12, 19, 24, 28, 31))
_SHADOW = 0.75  # of the velocity at which the echo is heard, at most
_PERSON_RESTS = 1_500_000_000  # nanoseconds since the person's last note


class EchoCanceller:
    """Passes on what the person played.

    removed: notes taken for the player's.
    """

    def __init__(self) -> None:
        self.removed = 0
        self._loop = LoopDelay()
        self._sent: deque[TimedEvent] = deque(maxlen=_REMEMBERED)
        self._louder: deque[int] = deque(maxlen=_LOUDNESS_OF)  # velocity heard minus sent
        self._held: set[tuple[int, int]] = set()  # (channel, pitch) of echoes that sound
        self._person_played = -_PERSON_RESTS

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
            if self._is_echo(event) or self._is_shadow(event):
                self.removed += 1
                self._held.add((channel, pitch))
                return True
            self._held.discard((channel, pitch))
            self._person_played = event.time
        elif is_note_off(event):
            pitch, _, channel = event.values
            if (channel, pitch) in self._held:
                self._held.remove((channel, pitch))
                return True
        return False

    def _is_echo(self, event: TimedEvent) -> bool:
        pitch, velocity, _ = event.values
        same = [sent for sent in self._near(event) if sent.values[0] == pitch]
        if not self._loop.hear([event.time - sent.time for sent in same]):
            return False
        source = min(same, key=lambda sent: abs(event.time - sent.time - (self.delay or 0)))
        self._louder.append(velocity - source.values[1])
        return True

    def _is_shadow(self, event: TimedEvent) -> bool:
        if self.delay is None or not self._louder:
            return False
        pitch, velocity, _ = event.values
        louder = median(self._louder)
        person_rests = event.time - self._person_played > _PERSON_RESTS
        return any(
            self._loop.expects(event.time - sent.time)
            and (person_rests or pitch - sent.values[0] in _OVERTONES)
            and velocity < _SHADOW * (sent.values[1] + louder)
            for sent in self._near(event)
        )

    def _near(self, event: TimedEvent) -> list[TimedEvent]:
        """The sent notes of which this may be the echo, whatever the delay."""
        return [s for s in self._sent if EARLIEST <= event.time - s.time <= LATEST]
