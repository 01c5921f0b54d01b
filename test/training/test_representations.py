# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from midi_folder import scales, write_midi
import numpy as np
import pytest

from improv_ros.event_text import control_change, note_off, note_on
from improv_ros.improvising.network.vocabulary import (
    BIN_WIDTHS,
    PEDAL_DOWN,
    RELEASE,
    TICKS_OF_BIN,
    encode,
)
from improv_ros.training.improviser.dataset import events_of, performance_of, read_performance
from improv_ros.training.improviser.representations import (
    AS_PLAYED,
    LONGEST_PAUSE,
    NOTE_OFF,
    NOTE_ON,
    PERFORMANCE_RNN,
    SOUNDING,
    TIME_SHIFT,
    TOKENS,
    VELOCITY,
    Variation,
    quantise,
    room_to_transpose,
    seconds,
    sounding,
    sounding_events,
)

MS = 1_000_000


def wild(seed, notes=300):
    """Return a performance with pedal, chords, repeated keys, long pauses and keys left down."""
    random = np.random.default_rng(seed)
    events, time = [], 0
    for _ in range(notes):
        time += int(random.choice([0, 0, 3, 7, 90, 250, 1200, 2500, 11_000])) * MS
        pitch = int(random.integers(50, 62))
        events.append(note_on(time, pitch, int(random.integers(1, 128))))
        if random.random() < 0.95:
            events.append(note_off(time + int(random.integers(1, 900)) * MS, pitch))
        if random.random() < 0.3:
            events.append(control_change(time + 5 * MS, 64, int(random.choice([0, 127]))))
    return performance_of(sorted(events))


@pytest.fixture(params=range(4))
def performance(request):
    return wild(request.param)


def test_a_performance_and_its_events_are_the_same(performance):
    np.testing.assert_array_equal(performance_of(events_of(performance)), performance)
    np.testing.assert_array_equal(quantise(performance), encode(events_of(performance)))


def test_the_pedal_lengthens_notes_until_it_goes_up_or_the_key_is_struck_again():
    performance = performance_of(
        [
            note_on(0, 60, 50),
            control_change(50 * MS, 64, 127),
            note_on(100 * MS, 64, 60),
            note_off(200 * MS, 60),  # held by the pedal
            note_off(300 * MS, 64),  # held, then struck again
            note_on(700 * MS, 64, 70),
            control_change(900 * MS, 64, 0),  # 60 ends; 64 is down
            note_off(1000 * MS, 64),
            note_on(1100 * MS, 72, 80),  # never released: to the end
            note_on(1500 * MS, 73, 80),
        ]
    )
    found = [tuple(int(x) for x in note) for note in zip(*sounding(performance), strict=True)]
    assert found == [
        (0, 900, 39, 50),
        (100, 700, 43, 60),
        (700, 1000, 43, 70),
        (1100, 1500, 51, 80),
        (1500, 1500, 52, 80),
    ]
    held = sounding(performance, pedal=False)
    assert held.offset.tolist()[:3] == [200, 300, 1000]


def test_what_sounds_keeps_the_rules_of_the_keyboard(performance):
    for variation in (Variation(), Variation(0.9, -3, 1.2), Variation(1.1, 4, 0.5)):
        events = sounding_events(performance, variation)
        down, order = set(), (0, 0)
        for wait, what, velocity in events.tolist():
            key, begins = what % RELEASE, what < RELEASE
            assert 0 <= wait <= LONGEST_PAUSE and what < PEDAL_DOWN
            assert (1 <= velocity <= 32) if begins else velocity == 0
            assert begins == (key not in down)
            (down.add if begins else down.remove)(key)
            assert wait or (begins, key) > order  # one order within a tick
            order = (begins, key)
        assert not down and events[0, 0] == 0


def test_the_tokens_tell_exactly_what_the_steps_tell(performance):
    told, wait, velocity = [], 0, 0
    for token in PERFORMANCE_RNN.steps(performance)[:, 0].tolist():
        assert 0 <= token < TOKENS
        if token >= VELOCITY:
            velocity = token - VELOCITY + 1
        elif token >= TIME_SHIFT:
            wait += token - TIME_SHIFT + 1
        elif token >= NOTE_OFF:
            told.append((wait, RELEASE + token - NOTE_OFF - 21, 0))
            wait = 0
        else:
            told.append((wait, token - NOTE_ON - 21, velocity))
            wait = 0
    assert told == [tuple(event) for event in sounding_events(performance).tolist()]
    steps = SOUNDING.steps(performance)
    assert [tuple(step) for step in steps[:, 1:].tolist()] == [event[1:] for event in told]
    # The bin and what is added for the exact tick tell the wait: it is one of so many.
    waits = np.array([event[0] for event in told])
    nearest = np.abs(TICKS_OF_BIN[steps[:, 0]] - waits)
    assert (nearest <= BIN_WIDTHS[steps[:, 0]]).all()
    assert SOUNDING.exact(steps) == pytest.approx(np.log(BIN_WIDTHS[steps[:, 0]]).sum())


def test_time_bins_share_all_waits_among_them():
    assert BIN_WIDTHS.sum() == LONGEST_PAUSE + 1 and BIN_WIDTHS.min() == 1
    assert (BIN_WIDTHS[:64] == 1).all()


def test_all_representations_count_the_same_notes(performance):
    notes = len(sounding(performance).onset)
    pressed = AS_PLAYED.is_note(AS_PLAYED.steps(performance)).sum()
    assert pressed == notes
    sounds = SOUNDING.is_note(SOUNDING.steps(performance)).sum()
    tokens = PERFORMANCE_RNN.is_note(PERFORMANCE_RNN.steps(performance)).sum()
    assert sounds == tokens and 0.9 * notes < sounds <= notes


def test_a_long_pause_counts_eight_seconds():
    performance = performance_of([note_on(i * 20_000 * MS, 60 + i, 60) for i in range(3)])
    assert seconds(performance) == 16
    steps = AS_PLAYED.steps(performance)
    assert TICKS_OF_BIN[steps[:, 0]].tolist() == [0, 800, 800]


def test_variation_moves_keys_times_and_loudness_only(tmp_path):
    write_midi(tmp_path / 'a.mid', scales(3, 40))
    performance = read_performance(tmp_path / 'a.mid')
    plain = quantise(performance)
    varied = quantise(performance, Variation(stretch=1.1, transpose=-3, loudness=0.5))
    keys = plain[:, 1] < PEDAL_DOWN
    np.testing.assert_array_equal(varied[keys, 1], plain[keys, 1] - 3)
    np.testing.assert_array_equal(varied[~keys, 1], plain[~keys, 1])
    longer = TICKS_OF_BIN[varied[:, 0]].sum() / TICKS_OF_BIN[plain[:, 0]].sum()
    assert longer == pytest.approx(1.1, abs=0.01)
    pressed = plain[:, 1] < RELEASE
    assert (varied[pressed, 2] < plain[pressed, 2]).all()
    assert not varied[~pressed, 2].any()


def test_transposition_stays_on_the_piano():
    events = [note_on(i * 100 * MS, pitch, 60) for i, pitch in enumerate([23, *[60] * 20, 108])]
    assert room_to_transpose(performance_of(events)) == (-2, 0)
