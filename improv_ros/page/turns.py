# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whose turn it is, as a listener on the topics can tell, in a word and in a sentence."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from improv_ros.event_text import TimedEvent, is_note_off, is_note_on

SECOND = 1_000_000_000
SHOWN = 2 * SECOND  # how long a yielding or a stop is shown at least
THINKING = 3 * SECOND  # after the pause, while the answer has not come
LONGEST_REST = SECOND  # within an answer; a longer one looks like its end
HELD_AT_MOST = 30 * SECOND  # a key that was never released counts no longer
ANSWERS = 50  # whose delays are kept

WORDS = {
    'listening': 'listening',
    'hearing': 'hearing a phrase',
    'pausing': 'you pause: the answer comes when the ring is closed, or sooner',
    'thinking': 'about to answer',
    'answering': 'answering',
    'accompanying': 'playing along',
    'soloing': 'playing on its own',
    'yielding': 'yielding to you',
    'stopped': 'stopped',
}
_PLAYING = {'respond': 'answering', 'accompany': 'accompanying', 'solo': 'soloing'}


class Turn(NamedTuple):
    """A state of the dialogue; a ring closes from `since` to `until` (ns), where they differ."""

    state: str
    words: str
    since: int = 0
    until: int = 0


class Turns:
    """Follows `heard_notes` and `generated_notes`; `mode` and `pause` are the improviser's.

    pause: the longest that it waits, in seconds.
    """

    def __init__(self) -> None:
        self.mode = 'respond'
        self.pause = 0.8  # seconds
        self.delays: deque[int] = deque(maxlen=ANSWERS)
        """From the end of a pause to the first message of the answer (ns)."""
        self._held: dict[int, int] = {}
        self._latest_heard: int | None = None  # while a phrase is unanswered
        self._played_until = -LONGEST_REST
        self._silenced: tuple[int, str, str] | None = None  # when, state, words
        self._asked: tuple[int, str] | None = None  # when somebody asked for silence, and who
        self._last_press = 0

    def hear(self, events: Iterable[TimedEvent], now: int) -> None:
        """Take in what the person plays."""
        for event in events:
            if is_note_on(event):
                self._held[event.values[0]] = event.time
                self._latest_heard = event.time
                self._last_press = now
                if self._silenced and self._silenced[1] == 'stopped':
                    self._silenced = None
            elif is_note_off(event):
                self._held.pop(event.values[0], None)
                if self._latest_heard is not None:
                    self._latest_heard = max(self._latest_heard, event.time)
            elif event.kind == 'cl':
                self._held.clear()

    def generate(self, events: Iterable[TimedEvent], now: int) -> None:
        """Take in what the robot is going to play, or withdraws."""
        for event in events:
            if event.kind == 'cl':
                self._played_until = min(self._played_until, event.time)
                self._fall_silent(now)
            elif event.kind == 'no':
                if is_note_on(event):
                    self._begin(now)
                self._played_until = max(self._played_until, event.time)

    def ask_for_silence(self, who: str, now: int) -> None:
        """Note who asks the robot to stop, before it does."""
        self._asked = now, who
        self._silenced = now, 'stopped', f'stopped by {who}'

    def now(self, now: int) -> Turn:
        """Return the state at `now`."""
        if self._silenced and (self._silenced[1] == 'stopped' or now - self._silenced[0] < SHOWN):
            _, state, words = self._silenced
            if state == 'stopped' or not self._phrase_is_over(now):
                return Turn(state, words)
        rest = LONGEST_REST if self._latest_heard is None else 0
        if self._played_until + rest > now:
            state = _PLAYING.get(self.mode, 'answering')
            return Turn(state, WORDS[state])
        if any(now - since < HELD_AT_MOST for since in self._held.values()):
            return Turn('hearing', WORDS['hearing'])
        if self._latest_heard is not None:
            over = self._latest_heard + round(self.pause * SECOND)
            if now < over and self.mode == 'respond':
                return Turn('pausing', WORDS['pausing'], self._latest_heard, over)
            if now < over:
                return Turn('hearing', WORDS['hearing'])
            if now < over + THINKING and self.mode == 'respond':
                return Turn('thinking', WORDS['thinking'])
        return Turn('listening', WORDS['listening'])

    def _phrase_is_over(self, now: int) -> bool:
        """Tell whether the ring may be shown though a yielding was just now."""
        return not self._held and self._latest_heard is not None

    def _begin(self, now: int) -> None:
        self._silenced = None
        if self._latest_heard is not None and self._played_until <= now and not self._held:
            over = self._latest_heard + round(self.pause * SECOND)
            if self.mode == 'respond' and now >= over:
                self.delays.append(now - over)
        self._latest_heard = None

    def _fall_silent(self, now: int) -> None:
        if self._asked and now - self._asked[0] < SHOWN:
            self._silenced = now, 'stopped', f'stopped by {self._asked[1]}'
        elif now - self._last_press < SECOND // 2:
            self._silenced = now, 'yielding', WORDS['yielding']
        else:
            self._silenced = now, 'stopped', 'stopped by another program'
        self._asked = None
