# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from improv_ros.event_text import SECOND, TimedEvent, clear, control_change, note_off, note_on
from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    KEYS,
    PEDAL_DOWN,
    PEDAL_UP,
    RELEASE,
    TICK,
    TICKS_OF_BIN,
    TIME_BINS,
    VELOCITY_BINS,
    KeyboardState,
    decode,
    encode,
    key_of,
    time_bin,
    time_bins,
    velocity_bin,
    velocity_value,
)

BYTE = st.integers(0, 127)
CHANNEL = st.integers(0, 15)
ANY_EVENT = st.one_of(
    st.tuples(st.sampled_from(['no', 'nf']), st.tuples(BYTE, BYTE, CHANNEL)),
    st.tuples(st.just('cc'), st.tuples(CHANNEL, st.sampled_from([1, 7, 64, 120, 123]), BYTE)),
    st.tuples(st.just('pc'), st.tuples(CHANNEL, BYTE)),
    st.tuples(st.just('st'), st.just((120, 500_000))),
    st.tuples(st.just('sx'), st.just((b'\x01',))),
    st.tuples(st.just('cl'), st.just(())),
)


@st.composite
def any_events(draw):
    time, events = 0, []
    for wait, (kind, values) in draw(
        st.lists(st.tuples(st.integers(0, 12 * SECOND), ANY_EVENT), max_size=60)
    ):
        time += wait
        events.append(TimedEvent(time, kind, values))
    return events


@given(any_events())
def test_encodes_any_event_text_and_never_presses_a_key_that_is_down(events):
    steps = encode(events)
    assert steps.shape == (len(steps), 3)
    down, pedal = set(), False
    for time, what, velocity in steps.tolist():
        assert 0 <= time < TIME_BINS and 0 <= what < EVENT_TYPES
        assert (1 <= velocity <= VELOCITY_BINS) if what < KEYS else velocity == 0
        if what < KEYS:
            assert what not in down
            down.add(what)
        elif what < 2 * KEYS:
            down.remove(what - RELEASE)
        else:
            assert pedal == (what == PEDAL_UP)
            pedal = what == PEDAL_DOWN


@given(any_events())
def test_encoding_decoded_steps_returns_them(events):
    steps = encode(events)
    again = encode(decode(steps))
    if len(steps):
        steps[0, 0] = 0  # the first step waits for nothing
    np.testing.assert_array_equal(again, steps)


def test_a_performance_in_whole_ticks_is_decoded_exactly():
    events = [
        note_on(0, 60, 62),
        note_on(10 * TICK, 64, 90),
        control_change(12 * TICK, 64, 127),
        note_off(40 * TICK, 60),
        note_off(40 * TICK, 64),
        control_change(103 * TICK, 64, 0),
    ]
    assert decode(encode(events)) == events


@given(st.integers(0, 8 * SECOND))
def test_a_wait_is_off_by_half_a_tick_or_two_percent(wait):
    heard = TICKS_OF_BIN[time_bin((wait + TICK // 2) // TICK)] * TICK
    assert abs(heard - wait) <= max(TICK // 2, wait * 0.021 + TICK // 2)


def test_waits_beyond_the_range_are_clipped():
    assert time_bin(10**9) == TIME_BINS - 1
    assert time_bin(-5) == 0
    assert time_bins(np.array([-5, 0, 63, 10**9])).tolist() == [0, 0, 63, TIME_BINS - 1]
    assert (np.diff(TICKS_OF_BIN) > 0).all()


@given(st.integers(1, 127))
def test_velocity_is_off_by_two_at_most(velocity):
    assert 1 <= velocity_bin(velocity) <= VELOCITY_BINS
    assert abs(velocity_value(velocity_bin(velocity)) - velocity) <= 2
    assert 1 <= velocity_value(velocity_bin(velocity)) <= 127


@given(BYTE)
def test_pitches_move_into_the_piano_by_octaves(pitch):
    key = key_of(pitch)
    assert 0 <= key < KEYS
    assert (key + 21 - pitch) % 12 == 0
    if 21 <= pitch <= 108:
        assert key == pitch - 21


def test_rounding_errors_do_not_add_up():
    events = [note_on(i * 14_900_000, 60 + i % 2, 64) for i in range(1000)]
    total = TICKS_OF_BIN[encode(events)[:, 0]].sum() * TICK
    assert abs(total - events[-1].time) <= TICK


@pytest.mark.parametrize(
    ('event', 'moves'),
    [
        (note_on(0, 60, 64), [(RELEASE + 39, 0), (39, 64)]),
        (note_off(0, 60, 5), [(RELEASE + 39, 0)]),
        (note_off(0, 61), []),
        (note_on(0, 40, 64, 9), []),
        (control_change(0, 64, 63), []),
        (control_change(0, 64, 64), [(PEDAL_DOWN, 0)]),
        (control_change(0, 1, 64), []),
        (control_change(0, 123, 0), [(RELEASE + 39, 0)]),
        (clear(0), [(RELEASE + 39, 0)]),
    ],
)
def test_changes_of_the_keyboard(event, moves):
    keyboard = KeyboardState()
    keyboard.apply(note_on(0, 60, 80))
    assert keyboard.apply(event) == moves
