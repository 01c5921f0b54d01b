# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from hypothesis import given, settings
from hypothesis import strategies as st

from improv_ros.event_text import TimedEvent, control_change, is_note_on, note_off, note_on
from improv_ros.playing.midi.keyboards import KeyboardMerger


def merged(*taken):
    merger = KeyboardMerger()
    return [event for number, taking in taken for event in merger.merge(number, taking)]


def test_a_key_sounds_until_the_last_keyboard_releases_it():
    assert merged(
        (0, note_on(0, 60, 64)),
        (1, note_on(1, 60, 90)),
        (0, note_off(2, 60)),
        (1, note_off(3, 60)),
    ) == [note_on(0, 60, 64), note_off(1, 60), note_on(1, 60, 90), note_off(3, 60)]


def test_channels_are_kept_and_are_independent():
    played = [
        (0, note_on(0, 60, 64, 0)),
        (1, note_on(1, 60, 64, 9)),
        (0, note_off(2, 60, 0)),
        (1, note_off(3, 60, 9)),
    ]
    assert merged(*played) == [event for _, event in played]


def test_half_pedal_values_are_kept_and_the_largest_value_counts():
    values = [(0, 40), (1, 90), (0, 55), (0, 0), (1, 31), (1, 0)]
    sent = merged(*((n, control_change(t, 64, value)) for t, (n, value) in enumerate(values)))
    assert [(e.time, e.values[2]) for e in sent] == [(0, 40), (1, 90), (4, 31), (5, 0)]


def test_events_other_than_keys_and_pedals_pass_unchanged():
    wheel, volume = TimedEvent(0, 'pw', (0, 100)), control_change(1, 7, 90)
    assert merged((0, wheel), (1, volume), (0, volume)) == [wheel, volume, volume]


moves = st.lists(
    st.tuples(st.integers(0, 2), st.booleans(), st.integers(60, 62), st.integers(0, 1)),
    max_size=60,
)


@settings(max_examples=200)
@given(moves=moves)
def test_a_key_sounds_while_any_keyboard_holds_it(moves):
    merger = KeyboardMerger()
    held, sounding = {}, set()
    for time, (number, down, pitch, channel) in enumerate(moves):
        event = note_on(time, pitch, 64, channel) if down else note_off(time, pitch, channel)
        holders = held.setdefault((pitch, channel), set())
        (holders.add if down else holders.discard)(number)
        for out in merger.merge(number, event):
            key = out.values[0], out.values[2]
            assert (key in sounding) != is_note_on(out)
            (sounding.add if is_note_on(out) else sounding.remove)(key)
        assert sounding == {key for key, holders in held.items() if holders}
