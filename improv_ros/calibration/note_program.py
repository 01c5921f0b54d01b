# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The notes that a calibration plays: every key soft and loud, a run, chords, repetitions, pedal.

The velocities of each key are spread over the soft and the loud half of the range, so that all
velocities occur in all registers. Neighbours in time are far apart on the keyboard: a note is
measured best where nothing sounds near it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import gcd
from typing import NamedTuple

from improv_ros.event_text import (
    SECOND,
    TimedEvent,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
)

SILENCE = 3.0  # seconds before the first note and after the last
SECONDS = 120.0  # the whole program on 88 keys
_STROKE = 0.33  # seconds from one single note to the next
_HELD = 0.7  # of the time to the next note
_RUN_STEP = 0.11
_CHORD_STEP = 0.9
_REPETITIONS = (0.30, 0.22, 0.16, 0.13)  # seconds between strokes of a key
_REPEATED_KEYS = 4
_MIN_STROKES = 150  # fewer keys are struck more often
_MAX_PHRASE = 12.0  # seconds of a piece at the end
_SUSTAIN = 64  # controller


class Section(NamedTuple):
    """A part of the program. begin: nanoseconds since the begin of the program."""

    name: str
    begin: int


class Program(NamedTuple):
    """Notes to play, with times in nanoseconds since the begin; `end` includes the silence."""

    events: list[TimedEvent]
    sections: list[Section]
    end: int

    def section_at(self, time: int) -> str:
        """Return the name of the section at a time since the begin."""
        begun = [section.name for section in self.sections if section.begin <= time]
        return begun[-1] if begun else ''


class SentNote(NamedTuple):
    """A note that was sent. onset, offset: seconds."""

    onset: float
    offset: float
    pitch: int
    velocity: int


class _Writer:
    """Writes notes one after another."""

    def __init__(self, repeat: float) -> None:
        self.time = SILENCE
        self.events: list[TimedEvent] = []
        self.sections: list[Section] = []
        self._repeat = repeat  # shortest time between two strokes of a key
        self._last: dict[int, float] = {}

    def section(self, name: str) -> None:
        self.sections.append(Section(name, round(self.time * SECOND)))

    def strike(self, pitches: Iterable[int], velocity: int, seconds: float, step: float) -> None:
        """Strike keys together, hold them, and go on by `step`."""
        pitches = list(pitches)
        ready = max(self._last.get(pitch, 0.0) + self._repeat for pitch in pitches)
        self.time = max(self.time, ready)
        for pitch in pitches:
            self._last[pitch] = self.time
            self.events.append(note_on(round(self.time * SECOND), pitch, velocity))
            self.events.append(note_off(round((self.time + seconds) * SECOND), pitch))
        self.time += step


def note_program(
    pitches: Sequence[int],
    velocities: tuple[int, int] = (16, 112),
    repeat: float = 0.05,
    polyphony: int = 5,
    pedal: bool = True,
    phrase: Sequence[TimedEvent] = (),
) -> Program:
    """Return the program for an instrument with these pitches.

    velocities: the softest and the loudest to play. repeat: shortest time between two strokes of a
    key, in seconds. polyphony: most keys that can be struck together. pedal: whether to use it.
    phrase: a piece to play at the end, of which at most 12 seconds are played.

    Raises ValueError where there is no pitch.
    """
    keys = sorted(set(pitches))
    if not keys:
        raise ValueError('there is no key to play')
    write = _Writer(repeat)
    spread = _spread(*velocities)
    _single_notes(write, keys, spread)
    write.section('chromatic run')
    for number, pitch in enumerate(keys):
        write.strike([pitch], spread(number), _HELD * _RUN_STEP, _RUN_STEP)
    write.time += 0.5
    if polyphony > 1 and len(keys) > 1:
        _chords(write, keys, spread, polyphony)
    _repetitions(write, keys, spread)
    if pedal:
        _pedal(write, keys, spread)
    if phrase:
        _phrase(write, phrase, set(keys))
    write.section('silence')
    return Program(
        sorted(write.events, key=_order), write.sections, round((write.time + SILENCE) * SECOND)
    )


def _single_notes(write: _Writer, keys: list[int], spread: Callable[[int], int]) -> None:
    write.section('every key, soft and loud')
    rounds = max(2, -(-_MIN_STROKES // len(keys)))
    stride = _coprime(len(keys), round(len(keys) * 0.42))
    for stroke in range(rounds * len(keys)):
        turn, place = divmod(stroke, len(keys))
        index = (place * stride + turn) % len(keys)
        # In each round, every second key is struck in the soft half: each key in both.
        half = (index + turn) % 2
        velocity = spread(2 * (stroke * 29 % 97) + half)
        write.strike([keys[index]], velocity, _HELD * _STROKE, _STROKE)
    write.time += 0.5


def _chords(write: _Writer, keys: list[int], spread: Callable[[int], int], polyphony: int) -> None:
    write.section('chords')
    for number in range(16):
        size = min(2 + number % 4, polyphony, len(keys))
        root = number * 37 % max(1, len(keys) - 16)
        chord = {
            keys[min(root + step, len(keys) - 1)]
            for step in ((0, 4, 7, 12, 16), (0, 3, 8, 12, 15))[number % 2][:size]
        }
        write.strike(sorted(chord), spread(number * 5 + 3), 0.6 * _CHORD_STEP, _CHORD_STEP)


def _repetitions(write: _Writer, keys: list[int], spread: Callable[[int], int]) -> None:
    write.section('repetitions')
    for number in range(_REPEATED_KEYS):
        pitch = keys[(2 * number + 1) * len(keys) // (2 * _REPEATED_KEYS)]
        for times, step in enumerate(_REPETITIONS * 2):
            write.strike([pitch], spread(number * 7 + times * 3), 0.5 * step, step)
        write.time += 0.3


def _pedal(write: _Writer, keys: list[int], spread: Callable[[int], int]) -> None:
    write.section('pedal')
    for start in (0.25, 0.55):
        write.events.append(control_change(round(write.time * SECOND), _SUSTAIN, 127))
        write.time += 0.05
        for number, step in enumerate((0, 4, 7, 12, 7, 4, 0, 7)):
            pitch = keys[min(round(start * len(keys)) + step, len(keys) - 1)]
            write.strike([pitch], spread(number * 11), 0.15, 0.3)
        write.events.append(control_change(round(write.time * SECOND), _SUSTAIN, 0))
        write.time += 0.6


def _phrase(write: _Writer, phrase: Sequence[TimedEvent], keys: set[int]) -> None:
    write.section('a piece')
    begin = phrase[0].time
    latest = begin
    held: set[int] = set()
    for event in phrase:
        seconds = (event.time - begin) / SECOND
        if not is_note_on(event) and not is_note_off(event):
            continue
        pitch = event.values[0]
        if is_note_on(event):
            if seconds > _MAX_PHRASE or pitch not in keys:
                continue
            held.add(pitch)
        elif pitch in held:
            held.remove(pitch)
        else:
            continue
        latest = max(latest, event.time)
        write.events.append(event._replace(time=event.time - begin + round(write.time * SECOND)))
    write.time += (latest - begin) / SECOND + 0.5


def sent_notes(events: Iterable[TimedEvent], origin: int = 0) -> list[SentNote]:
    """Return the notes among events that a player sent, in seconds since `origin` (ns).

    A note without its end lasts 0.1 s.
    """
    notes: list[SentNote] = []
    sounding: dict[int, tuple[int, int]] = {}

    def end(pitch: int, time: int) -> None:
        began, velocity = sounding.pop(pitch)
        notes.append(
            SentNote((began - origin) / SECOND, (time - origin) / SECOND, pitch, velocity)
        )

    for event in sorted(events, key=_order):
        if is_note_on(event):
            if event.values[0] in sounding:
                end(event.values[0], event.time)
            sounding[event.values[0]] = event.time, event.values[1]
        elif is_note_off(event) and event.values[0] in sounding:
            end(event.values[0], event.time)
    for pitch, (began, _) in list(sounding.items()):
        end(pitch, began + SECOND // 10)
    return sorted(notes)


def _order(event: TimedEvent) -> tuple[int, bool]:
    return event.time, is_note_on(event)  # a key goes up before it goes down again


def _spread(low: int, high: int) -> Callable[[int], int]:
    """Return a sequence of velocities: even numbers are soft, odd ones loud, all spread evenly."""
    middle = (low + high) / 2
    golden = 0.618034

    def velocity(number: int) -> int:
        share = (number // 2 + 1) * golden % 1
        begin, end = (low, middle) if number % 2 == 0 else (middle, high)
        return round(begin + share * (end - begin))

    return velocity


def _coprime(size: int, near: int) -> int:
    """Return a number near `near` whose multiples visit all of `size` places."""
    number = max(1, near)
    while gcd(number, size) > 1:
        number += 1
    return number
