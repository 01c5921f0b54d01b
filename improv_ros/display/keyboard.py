# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A piano keyboard as boxes in space, with lit keys and the notes to come above it.

Metres. The origin is the left front corner of the lowest key, on its upper side; x is to the
right, y away from the player, z up. A note to come is a bar that falls onto its key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from improv_ros.event_text import SECOND, TimedEvent, is_note_off, is_note_on

LOWEST, HIGHEST = 21, 108
WHITE_WIDTH, WHITE_LENGTH = 0.0235, 0.15
BLACK_WIDTH, BLACK_LENGTH, BLACK_HEIGHT = 0.0137, 0.095, 0.012
KEY_HEIGHT = 0.02
BAR_DEPTH = 0.01
BLACK = frozenset((1, 3, 6, 8, 10))  # pitch classes
WHITES_BELOW = (0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6)  # in the octave, by pitch class
IVORY, EBONY = (0.95, 0.94, 0.9, 1.0), (0.08, 0.08, 0.09, 1.0)
HEARD, PLAYED = (0.12, 0.37, 0.66, 1.0), (0.82, 0.34, 0.17, 1.0)  # the person, the robot
OPEN_LENGTH = SECOND // 4  # of a note to come whose end is not known yet
LONGEST = 30 * SECOND  # a key is not lit for longer, if its note-off is lost

Colour = tuple[float, float, float, float]


class Box(NamedTuple):
    """A box. number: names it; centre, size: (x, y, z) in metres; colour: RGBA from 0 to 1."""

    number: int
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    colour: Colour


@dataclass
class _Note:
    number: int
    pitch: int
    begin: int
    end: int | None = None


def is_black(pitch: int) -> bool:
    """Return whether a pitch is a black key."""
    return pitch % 12 in BLACK


def x_of(pitch: int) -> float:
    """Return the middle of a key."""

    def whites_below(pitch: int) -> int:
        return 7 * (pitch // 12) + WHITES_BELOW[pitch % 12]

    whites = whites_below(pitch) - whites_below(LOWEST)
    return WHITE_WIDTH * (whites if is_black(pitch) else whites + 0.5)


class KeyboardScene:
    """The keyboard at a moment: from the events of the note topics to boxes."""

    def __init__(self) -> None:
        self._down: dict[tuple[str, int, int], int] = {}  # (who, channel, pitch): since when
        self._notes: list[_Note] = []
        self._open: dict[tuple[int, int], _Note] = {}
        self._count = 0

    def sound(self, who: str, events: Iterable[TimedEvent]) -> None:
        """Add events that sound; who: 'heard' or 'played'."""
        for event in events:
            if is_note_on(event):
                self._down[who, event.values[2], event.values[0]] = event.time
            elif is_note_off(event):
                self._down.pop((who, event.values[2], event.values[0]), None)
            elif event.kind == 'cl':
                self._down = {key: at for key, at in self._down.items() if key[0] != who}

    def generate(self, events: Iterable[TimedEvent]) -> None:
        """Add events to come; a clear withdraws those from its time on."""
        for event in events:
            if is_note_on(event) and LOWEST <= event.values[0] <= HIGHEST:
                self._count += 1
                note = _Note(self._count, event.values[0], event.time)
                self._notes.append(note)
                self._open[event.values[2], event.values[0]] = note
            elif is_note_off(event):
                note_to_end = self._open.pop((event.values[2], event.values[0]), None)
                if note_to_end:
                    note_to_end.end = event.time
            elif event.kind == 'cl':
                self._notes = [note for note in self._notes if note.begin < event.time]
                self._open.clear()
                for note in self._notes:
                    note.end = min(note.end or event.time, event.time)

    def keys(self, now: int) -> list[Box]:
        """Return all keys, those that sound in colour."""
        self._down = {key: at for key, at in self._down.items() if now - at < LONGEST}
        lit = {
            pitch: HEARD if who == 'heard' else PLAYED
            for (who, _, pitch), at in self._down.items()
            if at <= now
        }
        return [_key(pitch, lit.get(pitch)) for pitch in range(LOWEST, HIGHEST + 1)]

    def bars(self, now: int, ahead: int, speed: float) -> list[Box]:
        """
        Return the bars of the notes to come within `ahead` nanoseconds.

        speed: at which they fall, in metres per second.
        """
        self._notes = [n for n in self._notes if _end(n, now) > now]
        boxes = []
        for note in self._notes:
            begin, end = max(note.begin, now), min(_end(note, now), now + ahead)
            if begin >= end:
                continue
            low, high = ((time - now) / SECOND * speed for time in (begin, end))
            width = BLACK_WIDTH if is_black(note.pitch) else WHITE_WIDTH * 0.8
            boxes.append(
                Box(
                    note.number,
                    (x_of(note.pitch), WHITE_LENGTH, BLACK_HEIGHT + (low + high) / 2),
                    (width, BAR_DEPTH, high - low),
                    PLAYED,
                )
            )
        return boxes


def _end(note: _Note, now: int) -> int:
    """Return the end of a note; one that has no end yet lasts while it sounds."""
    return max(note.begin, now) + OPEN_LENGTH if note.end is None else note.end


def _key(pitch: int, lit: Colour | None) -> Box:
    if is_black(pitch):
        y = WHITE_LENGTH - BLACK_LENGTH / 2
        centre = (x_of(pitch), y, BLACK_HEIGHT - KEY_HEIGHT / 2)
        return Box(pitch, centre, (BLACK_WIDTH, BLACK_LENGTH, KEY_HEIGHT), lit or EBONY)
    centre = (x_of(pitch), WHITE_LENGTH / 2, -KEY_HEIGHT / 2)
    return Box(pitch, centre, (WHITE_WIDTH * 0.96, WHITE_LENGTH, KEY_HEIGHT), lit or IVORY)
