# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from improv_ros.event_text import HeldNotes, TimedEvent, control_change, note_off, note_on


def test_only_what_is_held_is_released():
    held = HeldNotes()
    for event in (
        note_on(0, 60, 64),
        note_on(0, 60, 64, channel=1),
        note_on(0, 62, 64),
        note_off(1, 62),
        note_on(0, 64, 64, channel=5),
        TimedEvent(1, 'nf', (64, 16, 5)),
        control_change(0, 64, 127, channel=2),
        control_change(0, 66, 127, channel=3),
        control_change(1, 66, 0, channel=3),
        control_change(0, 7, 100),  # the volume is not a pedal
        TimedEvent(0, 'pc', (0, 5)),
        TimedEvent(0, 'sx', (b'\x7d\x01',)),
    ):
        held.update(event)
    assert held.release_all(5) == [
        note_off(5, 60),
        note_off(5, 60, channel=1),
        control_change(5, 64, 0, channel=2),
    ]
    assert held.release_all(6) == []


def test_a_release_is_never_before_its_press():
    held = HeldNotes()
    held.update(note_on(20, 60, 64))
    held.update(note_on(5, 61, 64))
    held.update(control_change(5, 64, 40))
    held.update(control_change(9, 64, 90))
    assert held.release_all(7) == [note_off(7, 61), control_change(9, 64, 0), note_off(20, 60)]


def test_nothing_is_held_at_first():
    assert HeldNotes().release_all(0) == []
