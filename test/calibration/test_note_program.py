# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The program that a calibration plays."""

from __future__ import annotations

from collections import defaultdict

import pytest

from improv_ros.calibration.note_program import SECONDS, note_program, sent_notes
from improv_ros.event_text import SECOND, is_note_off, is_note_on, note_off, note_on

PIANO = range(21, 109)


def test_every_key_is_struck_soft_and_loud() -> None:
    program = note_program(PIANO, velocities=(20, 100))
    velocities = defaultdict(list)
    for event in program.events:
        if is_note_on(event):
            velocities[event.values[0]].append(event.values[1])
    assert set(velocities) == set(PIANO)
    assert all(min(each) < 60 < max(each) for each in velocities.values())
    assert {min(map(min, velocities.values())), max(map(max, velocities.values()))} <= {
        *range(20, 25),
        *range(96, 101),
    }


def test_it_takes_two_minutes_begins_and_ends_with_silence_and_has_the_sections() -> None:
    program = note_program(PIANO)
    assert program.end < SECONDS * SECOND
    assert program.events[0].time >= 3 * SECOND
    assert program.events[-1].time <= program.end - 3 * SECOND
    names = [section.name for section in program.sections]
    assert names == [
        *('every key, soft and loud', 'chromatic run', 'chords', 'repetitions', 'pedal'),
        'silence',
    ]
    assert program.section_at(program.end) == 'silence'
    assert program.section_at(4 * SECOND) == 'every key, soft and loud'


@pytest.mark.parametrize('keys', [PIANO, range(60, 68), [64], range(36, 97)])
def test_a_key_goes_up_before_it_goes_down_again(keys: range | list[int]) -> None:
    down = set()
    for event in note_program(keys).events:
        if is_note_on(event):
            assert event.values[0] not in down
            down.add(event.values[0])
        elif is_note_off(event):
            down.discard(event.values[0])
    assert not down


def test_no_key_is_no_program() -> None:
    with pytest.raises(ValueError, match='no key'):
        note_program([])


def test_of_a_piece_only_the_keys_that_are_there_are_played() -> None:
    piece = [note_on(5, 60, 70), note_on(5, 30, 70), note_off(9, 30), note_off(10, 60)]
    without = len(note_program(range(60, 72)).events)
    assert len(note_program(range(60, 72), phrase=piece).events) == without + 2


def test_notes_are_told_from_what_the_player_sent() -> None:
    events = [note_on(2 * SECOND, 60, 50), note_on(3 * SECOND, 64, 60), note_off(4 * SECOND, 60)]
    first, second = sent_notes(events, origin=SECOND)
    assert first == (1.0, 3.0, 60, 50)
    assert second == (2.0, 2.1, 64, 60)  # its end was not sent
