import numpy as np

from improv_ros.event_text import control_change, note_off, note_on
from improv_ros.improvising import Settings
from improv_ros.improvising.hands import LONGEST_PEDAL, SHORTEST_NOTE, Hands
from improv_ros.improvising.settings import SECOND
from improv_ros.improvising.vocabulary import LOWEST_PITCH, PEDAL_DOWN, PEDAL_UP, RELEASE, WHATS

C = 60 - LOWEST_PITCH


def hands(*events) -> Hands:
    hands = Hands()
    hands.begin(0)
    for event in events:
        hands.take(event)
    return hands


def test_a_key_can_be_pressed_then_released_then_pressed():
    up, down = hands(), hands(note_on(0, 60, 64))
    both = hands(note_on(0, 60, 64), note_off(SECOND, 60))
    for held, press, release in ((up, True, False), (down, False, True), (both, True, False)):
        allowed = held.may_move(2 * SECOND, Settings())
        assert (allowed[C], allowed[RELEASE + C]) == (press, release)


def test_a_key_is_rested_where_there_is_another():
    pressed = hands(note_on(0, 60, 64), note_off(SECOND // 10, 60))
    settings = Settings(min_repeat_interval=0.5)
    assert not pressed.may_press(SECOND // 3, settings)[C]
    assert pressed.may_press(SECOND // 3, settings)[C + 1]
    assert pressed.may_press(SECOND // 2, settings)[C]
    only = Settings(min_repeat_interval=0.5, lowest_pitch=60, highest_pitch=60)
    assert pressed.may_press(SECOND // 3, only)[C]
    event = pressed.in_bounds(note_on(SECOND // 3, 60, 64), SECOND // 3, only)
    assert event.time == SECOND // 2


def test_full_hands_press_nothing():
    full = hands(note_on(0, 60, 64), note_on(0, 64, 64))
    assert not full.may_press(SECOND, Settings(max_polyphony=2)).any()
    assert full.may_press(SECOND, Settings(max_polyphony=3)).any()


def test_what_is_due_goes_before_what_is_proposed():
    held = hands(note_on(0, 60, 64), note_on(SECOND, 64, 64))
    settings = Settings(max_note_seconds=2)
    assert held.in_bounds(note_on(3 * SECOND, 67, 64), SECOND, settings) == note_off(
        2 * SECOND, 60
    )
    pedalled = hands(control_change(0, 64, 127))
    assert pedalled.in_bounds(note_on(11 * SECOND, 67, 64), SECOND, settings) == control_change(
        LONGEST_PEDAL, 64, 0
    )


def test_a_crowd_of_notes_waits_and_no_note_is_too_short():
    crowd = hands(*(note_on(0, 60 + i, 64) for i in range(4)))
    event = crowd.in_bounds(note_on(SECOND // 4, 72, 64), 0, Settings(max_density=4.0))
    assert event.time == SECOND
    assert crowd.in_bounds(note_off(1, 60), 0, Settings()).time == SHORTEST_NOTE


def test_lets_everything_go_keys_first():
    held = hands(note_on(0, 60, 64), control_change(0, 64, 127), note_on(SECOND, 64, 64))
    allowed = held.may_let_go()
    assert set(np.flatnonzero(allowed)) == {RELEASE + C, RELEASE + C + 4, PEDAL_UP}
    assert held.letting_go(SECOND) == [
        note_off(SECOND, 60),
        note_off(SECOND + SHORTEST_NOTE, 64),
        control_change(SECOND + SHORTEST_NOTE, 64, 0),
    ]


def test_the_pedal_rests_between_two_moves():
    pedalled = hands(control_change(0, 64, 127))
    assert not pedalled.may_move(SECOND // 20, Settings())[PEDAL_UP]
    allowed = pedalled.may_move(SECOND, Settings())
    assert allowed.shape == (WHATS,) and allowed[PEDAL_UP] and not allowed[PEDAL_DOWN]


def test_what_was_withdrawn_was_not_pressed():
    dropped = hands(note_on(0, 60, 64), note_on(SECOND, 64, 64))
    dropped.drop(SECOND // 2)
    assert not dropped.sounding
    allowed = dropped.may_press(SECOND, Settings(min_repeat_interval=5))
    assert not allowed[C] and allowed[C + 4]
