# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np

from improv_ros.event_text import SECOND, control_change, note_off, note_on
from improv_ros.improvising import ImproviserSettings
from improv_ros.improvising.dialogue.playability import (
    MAX_PEDAL,
    MIN_NOTE,
    PlayabilityConstraints,
)
from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    LOWEST_PITCH,
    PEDAL_DOWN,
    PEDAL_UP,
    RELEASE,
)

C = 60 - LOWEST_PITCH


def constraints(*events) -> PlayabilityConstraints:
    result = PlayabilityConstraints()
    result.start_phrase(0)
    for event in events:
        result.add(event)
    return result


def test_a_key_can_be_pressed_then_released_then_pressed():
    up, down = constraints(), constraints(note_on(0, 60, 64))
    both = constraints(note_on(0, 60, 64), note_off(SECOND, 60))
    for held, press, release in ((up, True, False), (down, False, True), (both, True, False)):
        allowed = held.allowed_events(2 * SECOND, ImproviserSettings())
        assert (allowed[C], allowed[RELEASE + C]) == (press, release)


def test_a_recently_struck_key_is_not_pressed_if_there_is_another():
    pressed = constraints(note_on(0, 60, 64), note_off(SECOND // 10, 60))
    settings = ImproviserSettings(min_repeat_interval=0.5)
    assert not pressed.allowed_presses(SECOND // 3, settings)[C]
    assert pressed.allowed_presses(SECOND // 3, settings)[C + 1]
    assert pressed.allowed_presses(SECOND // 2, settings)[C]
    only = ImproviserSettings(min_repeat_interval=0.5, lowest_pitch=60, highest_pitch=60)
    assert pressed.allowed_presses(SECOND // 3, only)[C]
    event = pressed.enforce_limits(note_on(SECOND // 3, 60, 64), SECOND // 3, only)
    assert event.time == SECOND // 2


def test_no_press_is_allowed_at_maximum_polyphony():
    full = constraints(note_on(0, 60, 64), note_on(0, 64, 64))
    assert not full.allowed_presses(SECOND, ImproviserSettings(max_polyphony=2)).any()
    assert full.allowed_presses(SECOND, ImproviserSettings(max_polyphony=3)).any()


def test_a_due_release_precedes_the_sampled_event():
    held = constraints(note_on(0, 60, 64), note_on(SECOND, 64, 64))
    settings = ImproviserSettings(max_note_seconds=2)
    assert held.enforce_limits(note_on(3 * SECOND, 67, 64), SECOND, settings) == note_off(
        2 * SECOND, 60
    )
    pedalled = constraints(control_change(0, 64, 127))
    assert pedalled.enforce_limits(
        note_on(11 * SECOND, 67, 64), SECOND, settings
    ) == control_change(MAX_PEDAL, 64, 0)


def test_density_and_note_duration_are_limited():
    crowd = constraints(*(note_on(0, 60 + i, 64) for i in range(4)))
    event = crowd.enforce_limits(
        note_on(SECOND // 4, 72, 64), 0, ImproviserSettings(max_density=4.0)
    )
    assert event.time == SECOND
    assert crowd.enforce_limits(note_off(1, 60), 0, ImproviserSettings()).time == MIN_NOTE


def test_release_all_releases_the_keys_before_the_pedal():
    held = constraints(note_on(0, 60, 64), control_change(0, 64, 127), note_on(SECOND, 64, 64))
    allowed = held.allowed_releases()
    assert set(np.flatnonzero(allowed)) == {RELEASE + C, RELEASE + C + 4, PEDAL_UP}
    assert held.release_all(SECOND) == [
        note_off(SECOND, 60),
        note_off(SECOND + MIN_NOTE, 64),
        control_change(SECOND + MIN_NOTE, 64, 0),
    ]


def test_the_pedal_does_not_change_too_often():
    pedalled = constraints(control_change(0, 64, 127))
    assert not pedalled.allowed_events(SECOND // 20, ImproviserSettings())[PEDAL_UP]
    allowed = pedalled.allowed_events(SECOND, ImproviserSettings())
    assert allowed.shape == (EVENT_TYPES,) and allowed[PEDAL_UP] and not allowed[PEDAL_DOWN]


def test_withdrawn_presses_do_not_count():
    dropped = constraints(note_on(0, 60, 64), note_on(SECOND, 64, 64))
    dropped.withdraw_after(SECOND // 2)
    assert not dropped.sounding
    allowed = dropped.allowed_presses(SECOND, ImproviserSettings(min_repeat_interval=5))
    assert not allowed[C] and allowed[C + 4]
