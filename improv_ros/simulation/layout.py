# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Where the keys and strikers of a body are in space: its model, its URDF and its markers agree.

Metres. The keys lie in a row along x, their upper sides at z = 0; strikers come from above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import asin

from improv_ros.performing.body import Body

SEMITONE = 0.0137  # width of a piano's key action: 7 white keys of 23.5 mm per 12 semitones
PAD_DISTANCE = 0.32  # between the pads of a body whose strikers each play several pitches
PAD_WIDTH = 0.22
ROW_DISTANCE = 0.1  # between rows of keys that share no striker
UNIT_WIDTH = 0.03  # of a unit of `position` where the file gives none: one key
KEY_SHARE = 0.9  # width of a key as a share of the distance to its nearest neighbour
LANE = 0.06  # between the places on a key where two strikers of one row of keys hit it
HEAD_RADIUS = 0.012  # of a mallet or stick
PLUNGER_RADIUS = 0.005
MALLET_LENGTH = 0.25
STICK_LENGTH = 0.3
RAIL_HEIGHT = 0.12
RAIL_DISTANCE = 0.34  # from the middle of the keys
BLACK = frozenset((1, 3, 6, 8, 10))  # pitch classes


@dataclass(frozen=True)
class Key:
    """A key, bar or pad. pitch: its first pitch; width along x, length along y; both full."""

    pitch: int
    x: float
    y: float
    width: float
    length: float

    @property
    def black(self) -> bool:
        """Whether it is a black key of a piano."""
        return self.pitch % 12 in BLACK


@dataclass(frozen=True)
class Place:
    """
    Where a striker is.

    name: of the striker, and of its joint along x if it moves.
    x: of its head, at position 0 of its joint if it moves.
    y: of its head when it hits.
    side: 1 or -1: in which direction along y the rest of it lies.
    lever: length of the mallet or stick that turns about its end; 0: it slides vertically.
    stroke: way of the head from rest to the key.
    moves: whether it moves along x.
    """

    name: str
    x: float
    y: float
    side: int
    lever: float
    stroke: float
    moves: bool

    @property
    def drive(self) -> str:
        """The name of the joint that makes it hit."""
        return f'{self.name}_stroke'

    @property
    def contact(self) -> float:
        """
        The position of that joint at which the head touches the keys; at rest it is 0.

        In radians, or in metres if it slides.
        """
        return asin(self.stroke / self.lever) if self.lever else self.stroke

    @property
    def radius(self) -> float:
        """The radius of its head."""
        return HEAD_RADIUS if self.lever else PLUNGER_RADIUS


@dataclass(frozen=True)
class Layout:
    """
    The keys and strikers of a body.

    scale: metres per unit of the positions in the body file.
    """

    keys: tuple[Key, ...]
    places: tuple[Place, ...]
    scale: float

    @property
    def span(self) -> tuple[float, float]:
        """The smallest and largest x of all keys."""
        return (
            min(key.x - key.width / 2 for key in self.keys),
            max(key.x + key.width / 2 for key in self.keys),
        )


def layout_of(body: Body) -> Layout:
    """Return where the keys and strikers of a body are."""
    if body.moves:
        return _moving(body)
    if all(len(striker.positions) == 1 for striker in body.strikers):
        return _keyboard(body)
    return _pads(body)


def _moving(body: Body) -> Layout:
    """Rows of keys below strikers on rails: a row for each group of strikers that share keys."""
    positions = {
        pitch: position
        for striker in body.strikers
        for pitch, position in striker.positions.items()
        if position is not None
    }
    indexed = all(position == int(position) for position in positions.values())
    scale = UNIT_WIDTH if indexed else 1.0
    keys: list[Key] = []
    places: dict[int, Place] = {}
    begin = 0.0  # of the row
    for group in body.groups:
        pitches = {p for number in group for p in body.strikers[number].positions}
        row = {pitch: positions[pitch] for pitch in sorted(pitches, key=positions.__getitem__)}
        origin = begin - scale * min(row.values())
        keys += _row(body, row, origin, scale, len(group))
        begin = max(key.x + key.width / 2 for key in keys) + ROW_DISTANCE
        for index, number in enumerate(group):
            places[number] = Place(
                body.strikers[number].name,
                origin,
                (index - (len(group) - 1) / 2) * LANE,
                1 if index % 2 else -1,
                MALLET_LENGTH,
                body.physics.stroke,
                True,
            )
    return Layout(tuple(keys), tuple(places[number] for number in sorted(places)), scale)


def _row(
    body: Body, row: Mapping[int, float], origin: float, scale: float, strikers: int
) -> list[Key]:
    """Return the keys of a row; row: position by pitch, ascending. Low keys are longer."""
    pitches, places = list(row), list(row.values())
    keys = []
    for index, (pitch, place) in enumerate(row.items()):
        width = body.physics.key_width or KEY_SHARE * _nearest(places, index, UNIT_WIDTH / scale)
        low = (max(pitches) - pitch) / max(max(pitches) - min(pitches), 1)
        length = LANE * (strikers + 0.5) + 0.1 + 0.14 * low
        keys.append(Key(pitch, origin + scale * place, 0.0, scale * width, length))
    return keys


def _nearest(places: Sequence[float], index: int, alone: float) -> float:
    """Return the distance of a key to its nearest neighbour; `alone` if it has none."""
    here = places[index]
    others = [abs(here - there) for there in places[max(index - 1, 0) : index + 2]]
    return min([distance for distance in others if distance > 0], default=alone)


def _keyboard(body: Body) -> Layout:
    """A keyboard with one striker fixed over each key."""
    first = body.pitches[0]
    keys, places = [], []
    for striker in body.strikers:
        pitch = striker.start
        black = pitch % 12 in BLACK
        x, y = (pitch - first) * SEMITONE, 0.03 if black else 0.0
        keys.append(Key(pitch, x, y, SEMITONE * KEY_SHARE, 0.09 if black else 0.15))
        lever = 0.0 if body.holds else STICK_LENGTH
        places.append(Place(striker.name, x, y, 1, lever, body.physics.stroke, False))
    return Layout(tuple(keys), tuple(places), 1.0)


def _pads(body: Body) -> Layout:
    """Pads in a row, with one striker for each."""
    keys, places = [], []
    for number, striker in enumerate(body.strikers):
        x = number * PAD_DISTANCE
        keys.append(Key(striker.start, x, 0.0, PAD_WIDTH, PAD_WIDTH))
        lever = 0.0 if body.holds else STICK_LENGTH
        places.append(Place(striker.name, x, 0.0, 1, lever, body.physics.stroke, False))
    return Layout(tuple(keys), tuple(places), 1.0)
