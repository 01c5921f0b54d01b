# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Several MIDI keyboards as one, each of which may be unplugged and plugged in at any time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
import logging
from threading import Event, Lock, Thread
import time

from improv_ros.event_text import (
    PEDALS,
    HeldNotes,
    TimedEvent,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
)
from improv_ros.playing import PlayingError
from improv_ros.playing.midi.keyboard_input import KeyboardInput
from improv_ros.process.backoff import Backoff

logger = logging.getLogger(__name__)

WATCH_PERIOD = 0.25  # seconds between checks of the keyboards
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds between attempts to open a keyboard again

# velocity out = 1 + 126 * ((velocity in - 1) / 126) ** exponent. Below 1 soft notes become
# louder, for a keyboard that is played lightly; above 1 they become softer.
_EXPONENTS = {'normal': 1.0, 'light': 0.6, 'heavy': 1.7}
_FIXED_VELOCITY = 80  # for keyboards that do not measure velocity
_MAX_VELOCITY = 127
CURVES = (*_EXPONENTS, 'fixed')


def velocity_curve(name: str) -> tuple[int, ...]:
    """
    Return the velocity to use for each velocity received, 0 to 127, by a name out of CURVES.

    0, the end of a note, stays 0; no other velocity becomes 0; the curve never falls.
    """
    if name == 'fixed':
        return (0, *[_FIXED_VELOCITY] * _MAX_VELOCITY)
    steps = _MAX_VELOCITY - 1
    exponent = _EXPONENTS[name]
    return (0, *(1 + round(steps * (step / steps) ** exponent) for step in range(_MAX_VELOCITY)))


class KeyboardMerger:
    """
    Merges the events of keyboards, which are distinguished by number; channels stay as they are.

    A key is held while any keyboard holds it. Each note-on returned is followed by one note-off
    of its channel and pitch before the next, if each keyboard releases what it holds. The value
    of a pedal is the largest of all keyboards.
    """

    def __init__(self) -> None:
        self._held: defaultdict[int, HeldNotes] = defaultdict(HeldNotes)  # by keyboard

    def merge(self, keyboard: int, event: TimedEvent) -> list[TimedEvent]:
        """Take one event of a keyboard; return the events of the merged stream."""
        held = self._held[keyboard]
        if is_note_on(event) or is_note_off(event):
            pitch, _, channel = event.values
            key = channel, pitch
            was_held = key in held.keys
            others_hold = any(
                key in other.keys for other in self._held.values() if other is not held
            )
            held.update(event)
            if is_note_off(event):
                return [event] if was_held and not others_hold else []
            retriggered = was_held or others_hold
            return [*([note_off(event.time, pitch, channel)] if retriggered else []), event]
        if event.kind == 'cc' and event.values[1] in PEDALS:
            channel, controller, _ = event.values
            before = self._pedal_value(channel, controller)
            held.update(event)
            after = self._pedal_value(channel, controller)
            changed = after != before
            return [control_change(event.time, controller, after, channel)] if changed else []
        return [event]

    def _pedal_value(self, channel: int, controller: int) -> int:
        pedals = [held.pedals.get((channel, controller)) for held in self._held.values()]
        return max((event.values[2] for event in pedals if event), default=0)


class _WatchedKeyboard:
    """A keyboard that is opened again after a failure: it `is_open` or it has a `problem`."""

    def __init__(self, keyboard: KeyboardInput) -> None:
        self.keyboard = keyboard
        self.is_open = False
        self.problem = ''
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        self._next_attempt = 0.0

    def check(self) -> None:
        """Close the keyboard if it has failed; open it if the next attempt is due."""
        try:
            if self.is_open and (problem := self.keyboard.problem):
                self._fail(problem)
            if not self.is_open and time.monotonic() >= self._next_attempt:
                self.keyboard.open()
                self.is_open = True
                self.problem = ''
                self._backoff.reset()
        except Exception as error:  # a driver may raise anything
            self._fail(str(error) or type(error).__name__)

    def close(self) -> None:
        """Close the keyboard, which releases what it holds."""
        try:
            self.keyboard.close()
        except Exception:
            logger.exception('%s cannot be closed', self.keyboard.name)

    def _fail(self, problem: str) -> None:
        self.is_open = False
        self.problem = problem
        self._next_attempt = time.monotonic() + self._backoff.next_pause()
        self.close()


class Keyboards:
    """
    Several keyboards as one. Calls `on_event` with each event of the merged stream.

    A keyboard that vanishes releases its keys and pedals, is named in `problems`, and is opened
    again after a pause of 0.5 s, which doubles up to 8 s.

    on_event: never called by two threads at the same time; otherwise as of KeyboardInput.
    ports: one for each keyboard; they, `virtual` and `api` are those of KeyboardInput.
    """

    def __init__(
        self,
        ports: Sequence[str],
        on_event: Callable[[TimedEvent], None],
        virtual: bool = False,
        api: str = '',
    ) -> None:
        self._on_event = on_event
        self._merger = KeyboardMerger()
        self._lock = Lock()
        self._keyboards = [
            _WatchedKeyboard(KeyboardInput(port, partial(self._receive, number), virtual, api))
            for number, port in enumerate(ports)
        ]
        self._closed = Event()
        self._watcher = Thread(target=self._watch, name='keyboard watcher', daemon=True)

    def open(self) -> None:
        """Begin to receive and to watch; raises PlayingError if no keyboard can be opened."""
        for keyboard in self._keyboards:
            keyboard.check()
        if not any(keyboard.is_open for keyboard in self._keyboards):
            raise PlayingError('; '.join(self.problems.values()))
        self._watcher.start()

    def close(self) -> None:
        """Stop receiving, and release every key and pedal that is held."""
        self._closed.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for keyboard in self._keyboards:
            keyboard.close()

    def release(self) -> None:
        """Release every key and pedal that is held."""
        for watched in self._keyboards:
            watched.keyboard.release()

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with which keyboard, by its name; empty if all is well."""
        return {
            watched.keyboard.name: watched.problem
            for watched in self._keyboards
            if watched.problem
        }

    def _receive(self, number: int, event: TimedEvent) -> None:
        with self._lock:
            for merged in self._merger.merge(number, event):
                self._on_event(merged)

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_PERIOD):
            for keyboard in self._keyboards:
                keyboard.check()
