"""The robot's hands on the keys: what they hold, and the rules that no music makes them break.

A key is released only after it was pressed, and not pressed again before. No key is held, and
the pedal is not kept down, past a bound. Pitches, polyphony, density and repeats keep to the
settings. These rules outlast a speech: a key that an earlier one pressed is rested as well.
"""

from collections import deque

import numpy as np

from improv_ros.event_text import TimedEvent, control_change, is_note_off, is_note_on, note_off

from .settings import BOUNDS, SECOND, Settings, nanoseconds
from .vocabulary import LOWEST_PITCH, PEDAL_DOWN, PEDAL_UP, PRESS, RELEASE, SUSTAIN, WHATS

SHORTEST_NOTE = SECOND * 3 // 100
PEDAL_REST = SECOND // 10  # between two moves of the pedal
LONGEST_PEDAL = 10 * SECOND
_REMEMBERED = max(SECOND, nanoseconds(BOUNDS['min_repeat_interval'][1]))


class Hands:
    """What the robot holds after all that it has published.

    sounding: pitch to onset of the keys that are down; presses: (onset, pitch) of the latest
    ones, oldest first; quiet_since: when the last key went up; pedal_moved: when the pedal
    last was, None if not in this speech.
    """

    def __init__(self) -> None:
        self.sounding: dict[int, int] = {}
        self.presses: deque[tuple[int, int]] = deque()
        self.quiet_since = 0
        self.pedal = False
        self.pedal_moved: int | None = None

    def begin(self, start: int) -> None:
        """Be ready for a speech that starts then."""
        self.quiet_since, self.pedal_moved = start, None

    def may_press(self, time: int, settings: Settings) -> np.ndarray:
        """Return which events are a press that may come at `time`, bool (WHATS,).

        Where every key is still to be rested, all count as allowed: `in_bounds` then waits.
        """
        allowed = np.zeros(WHATS, bool)
        if len(self.sounding) >= settings.max_polyphony:
            return allowed
        free = [pitch for pitch in settings.pitches if pitch not in self.sounding]
        tired = self._tired(time, settings)
        rested = [pitch for pitch in free if pitch not in tired]
        allowed[PRESS - LOWEST_PITCH + np.array(rested or free, int)] = True
        return allowed

    def may_let_go(self) -> np.ndarray:
        """Return which events release what is held, key or pedal, bool (WHATS,)."""
        allowed = np.zeros(WHATS, bool)
        allowed[RELEASE - LOWEST_PITCH + np.array(list(self.sounding), int)] = True
        allowed[PEDAL_UP] = self.pedal
        return allowed

    def may_move(self, time: int, settings: Settings) -> np.ndarray:
        """Return which events may come at `time`, bool (WHATS,)."""
        allowed = self.may_press(time, settings) | self.may_let_go()
        rested = self.pedal_moved is None or time - self.pedal_moved >= PEDAL_REST
        allowed[PEDAL_UP] &= rested
        allowed[PEDAL_DOWN] = not self.pedal and rested
        return allowed

    def in_bounds(self, event: TimedEvent, earliest: int, settings: Settings) -> TimedEvent:
        """Return the event, later where it comes too soon, or a release that is due before."""
        time = event.time
        if is_note_on(event):
            densest = int(settings.max_density)
            if len(self.presses) >= densest:
                time = max(time, self.presses[-densest][0] + SECOND)
            tired = self._tired(time, settings)
            if event.values[0] in tired:
                time = tired[event.values[0]] + nanoseconds(settings.min_repeat_interval)
        elif is_note_off(event):
            time = max(time, self.sounding[event.values[0]] + SHORTEST_NOTE)
        longest = nanoseconds(settings.max_note_seconds)
        due = [
            note_off(max(onset + longest, earliest), pitch)
            for pitch, onset in self.sounding.items()
        ]
        if self.pedal:
            assert self.pedal_moved is not None
            due.append(control_change(max(self.pedal_moved + LONGEST_PEDAL, earliest), SUSTAIN, 0))
        first = min(due, key=lambda release: release.time, default=None)
        return first if first and first.time <= time else event._replace(time=time)

    def take(self, event: TimedEvent) -> None:
        """Note an event that is going to be published."""
        if is_note_on(event):
            pitch = event.values[0]
            self.sounding[pitch] = event.time
            self.presses.append((event.time, pitch))
            while event.time - self.presses[0][0] > _REMEMBERED:
                self.presses.popleft()
        elif is_note_off(event):
            del self.sounding[event.values[0]]
            if not self.sounding:
                self.quiet_since = event.time
        else:
            self.pedal = event.values[2] >= 64
            self.pedal_moved = event.time

    def letting_go(self, time: int) -> list[TimedEvent]:
        """Return what lets everything go at `time`: every key up, then the pedal."""
        events = [
            note_off(max(time, onset + SHORTEST_NOTE), pitch)
            for pitch, onset in self.sounding.items()
        ]
        events.sort(key=lambda event: event.time)
        if self.pedal:
            last = events[-1].time if events else time
            events.append(control_change(last, SUSTAIN, 0))
        return events

    def drop(self, now: int) -> None:
        """Let go of everything, and forget what was to come after `now`: it is withdrawn."""
        self.sounding.clear()
        self.pedal = False
        while self.presses and self.presses[-1][0] > now:
            self.presses.pop()

    def _tired(self, time: int, settings: Settings) -> dict[int, int]:
        """Return the pitches that may not be pressed yet at `time`, to when they were."""
        interval = nanoseconds(settings.min_repeat_interval)
        tired: dict[int, int] = {}
        for onset, pitch in reversed(self.presses):
            if time - onset >= interval:
                break
            tired.setdefault(pitch, onset)
        return tired
