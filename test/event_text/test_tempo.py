# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Ticks and times."""

from event_text_strategies import live_events, texts
from hypothesis import assume, given, settings
from hypothesis import strategies as st
import pytest

from improv_ros.event_text import (
    Event,
    TempoMap,
    Text,
    TimedEvent,
    from_timed,
    note_on,
    parse,
    to_timed,
)

MILLISECOND = 10**6


def test_a_tick_is_a_millisecond_in_a_live_message():
    text = parse('rs_500\nat_2_5\n0_no_60_64\n180_no_60_0')
    assert to_timed(text) == [
        TimedEvent(2_000_000_005, 'no', (60, 64, 0)),
        TimedEvent(2_180_000_005, 'no', (60, 0, 0)),
    ]
    assert to_timed(text, start=0)[1].time == 180 * MILLISECOND


def test_the_tempo_changes_on_the_way():
    text = parse('rs_100\n100_no_60_64\n50_st_60_1000000\n50_no_60_0\n100_no_61_64')
    assert [event.time for event in to_timed(text)] == [
        500 * MILLISECOND,
        1250 * MILLISECOND,
        2250 * MILLISECOND,
    ]


def test_tracks_come_together_under_one_tempo():
    text = parse('rs_100\ntr_0\n100_st_60_1000000\ntr_1\n200_no_60_64\ntr_2\n150_pc_0_1\n50_cl')
    assert to_timed(text) == [
        TimedEvent(1000 * MILLISECOND, 'pc', (0, 1)),
        TimedEvent(1500 * MILLISECOND, 'no', (60, 64, 0)),
        TimedEvent(1500 * MILLISECOND, 'cl', ()),
    ]


def test_time_does_not_drift():
    # A tick of 333333/480 microseconds is no whole number of nanoseconds.
    text = Text(480, [[Event(0, 'st', (180, 333_333))] + [Event(1, 'no', (60, 1, 0))] * 100_000])
    assert to_timed(text)[-1].time == round(100_000 * 333_333_000 / 480)


@pytest.mark.parametrize(
    ('frames', 'ticks', 'nanoseconds'),
    [(25, 40, 10**6), (24, 100, 416_667), (30, 1, 33_333_333), (29, 1, 33_366_667)],
)
def test_smpte_ticks_know_no_tempo(frames, ticks, nanoseconds):
    resolution = int.from_bytes(bytes([256 - frames, ticks]), 'big', signed=True)
    text = Text(resolution, [[Event(0, 'st', (60, 10**6)), Event(1, 'no', (60, 64, 0))]])
    assert to_timed(text)[0].time == nanoseconds


@pytest.mark.parametrize('resolution', [0, -6400])
def test_a_tick_without_length(resolution):
    with pytest.raises(ValueError, match='no length'):
        TempoMap(resolution)


@settings(max_examples=50)
@given(texts)
def test_times_never_go_back(text):
    assume(text.resolution > 0)
    times = [event.time for event in to_timed(text)]
    assert times == sorted(times)


@given(st.lists(live_events, max_size=40), st.integers(0, 10**18))
def test_timed_events_survive_conversion_to_text_and_back(events, origin):
    events = [event._replace(time=event.time + origin) for event in events]
    text = from_timed(events)
    assert to_timed(text) == sorted(events, key=lambda event: event.time)


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=200), st.sampled_from([24, 500, 977]))
def test_rounding_does_not_add_up(times, resolution):
    text = from_timed([note_on(time, 60, 64) for time in times], resolution)
    half_a_tick = 500_000_000 / resolution / 2
    for sent, received in zip(sorted(times), to_timed(text), strict=True):
        assert abs(sent - received.time) <= half_a_tick + 1


def test_a_tempo_is_no_timed_event():
    with pytest.raises(ValueError, match='tempo'):
        from_timed([TimedEvent(0, 'st', (120, 500_000))])


def test_no_events():
    assert to_timed(from_timed([])) == []
