# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The keyboard as boxes: where keys are, which are lit, and where the notes to come are."""

from __future__ import annotations

from itertools import pairwise

import pytest

from improv_ros.display.keyboard import (
    HEARD,
    IVORY,
    PLAYED,
    WHITE_WIDTH,
    KeyboardScene,
    is_black,
    x_of,
)
from improv_ros.event_text import SECOND, clear, note_off, note_on


def colours(scene: KeyboardScene, now: int) -> dict[int, tuple[float, ...]]:
    return {key.number: key.colour for key in scene.keys(now)}


def test_the_keys_of_a_piano() -> None:
    keys = {key.number: key for key in KeyboardScene().keys(0)}
    assert len(keys) == 88
    assert sum(map(is_black, keys)) == 36
    assert keys[21].centre[0] == pytest.approx(WHITE_WIDTH / 2)
    assert keys[108].centre[0] == pytest.approx(51.5 * WHITE_WIDTH)
    assert x_of(60) < x_of(61) < x_of(62)
    middle = [keys[pitch] for pitch in (60, 62, 64, 65)]
    for left, right in pairwise(middle):
        assert right.centre[0] - left.centre[0] == pytest.approx(WHITE_WIDTH)


def test_a_key_is_lit_while_it_sounds_in_the_colour_of_who_plays() -> None:
    scene = KeyboardScene()
    scene.sound('heard', [note_on(SECOND, 60, 80)])
    scene.sound('played', [note_on(SECOND, 64, 80), note_on(SECOND, 67, 80)])
    assert colours(scene, SECOND // 2)[60] == IVORY
    assert [colours(scene, 2 * SECOND)[p] for p in (60, 62, 64)] == [HEARD, IVORY, PLAYED]
    scene.sound('heard', [note_off(3 * SECOND, 60)])
    scene.sound('played', [clear(3 * SECOND)])
    assert {colours(scene, 3 * SECOND)[p] for p in (60, 64, 67)} == {IVORY}


def test_a_key_whose_end_was_lost_is_not_lit_for_ever() -> None:
    scene = KeyboardScene()
    scene.sound('heard', [note_on(SECOND, 60, 80)])
    assert colours(scene, 60 * SECOND)[60] == IVORY


def test_a_note_to_come_falls_onto_its_key() -> None:
    scene = KeyboardScene()
    scene.generate([note_on(2 * SECOND, 72, 80), note_off(3 * SECOND, 72)])
    (bar,) = scene.bars(SECOND, 5 * SECOND, 0.2)
    assert bar.centre[0] == x_of(72)
    assert bar.size[2] == pytest.approx(0.2)  # it lasts a second
    (later,) = scene.bars(3 * SECOND // 2, 5 * SECOND, 0.2)
    assert later.centre[2] == pytest.approx(bar.centre[2] - 0.1)
    assert later.number == bar.number
    (sounding,) = scene.bars(5 * SECOND // 2, 5 * SECOND, 0.2)
    assert sounding.size[2] == pytest.approx(0.1)
    assert scene.bars(3 * SECOND, 5 * SECOND, 0.2) == []


def test_notes_beyond_the_horizon_and_withdrawn_ones_are_not_shown() -> None:
    scene = KeyboardScene()
    scene.generate([note_on(2 * SECOND, 72, 80), note_on(9 * SECOND, 74, 80)])
    assert len(scene.bars(SECOND, 2 * SECOND, 0.2)) == 1
    assert len(scene.bars(SECOND, 10 * SECOND, 0.2)) == 2
    scene.generate([clear(3 * SECOND)])
    (kept,) = scene.bars(SECOND, 10 * SECOND, 0.2)
    assert kept.size[2] == pytest.approx(0.2)  # until the clear
