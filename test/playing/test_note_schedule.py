# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from hypothesis import given
from hypothesis import strategies as st
import pytest

from improv_ros.event_text import (
    SECOND,
    TimedEvent,
    clear,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.playing.note_schedule import MIN_REPEAT, Latency, NoteSchedule, strike_latency

TOLERANCE = 10
FOREVER = 10**18
MILLISECOND = 1_000_000
FIXED = 20 * MILLISECOND
DISKLAVIER = Latency(FIXED, strike_latency('disklavier'))


class Instrument:
    """Receives events, and checks that each can be played."""

    def __init__(self):
        self.sounding = set()
        self.pedals = set()
        self.played = []

    def play(self, events):
        for event in events:
            self.played.append(event)
            if is_note_on(event):
                key = event.values[2], event.values[0]
                assert key not in self.sounding
                self.sounding.add(key)
            elif is_note_off(event):
                key = event.values[2], event.values[0]
                assert key in self.sounding
                self.sounding.remove(key)
            elif event.values[1] == 64:
                pedal = self.pedals.add if event.values[2] >= 64 else self.pedals.discard
                pedal(event.values[0])


def play_until(schedule, now):
    instrument = Instrument()
    instrument.play(schedule.pop_due(now))
    return instrument


pitches = st.integers(60, 62)
channels = st.integers(0, 1)


@st.composite
def any_event(draw, now):
    time = now + draw(st.integers(-30, 60))
    kind = draw(st.sampled_from(['on', 'on', 'off', 'off', 'pedal', 'all off', 'clear']))
    channel = draw(channels)
    if kind == 'on':
        return note_on(time, draw(pitches), 64, channel)
    if kind == 'off':
        return note_off(time, draw(pitches), channel)
    if kind == 'pedal':
        return control_change(time, 64, draw(st.sampled_from([0, 127])), channel)
    if kind == 'all off':
        return control_change(time, 123, 0, channel)
    return clear(time)


@st.composite
def any_course(draw):
    """Random steps (now, events added then), with no rule at all."""
    now = 0
    steps = []
    for _ in range(draw(st.integers(1, 12))):
        now += draw(st.integers(0, 40))
        steps.append((now, draw(st.lists(any_event(now), max_size=8))))
    return steps


@given(any_course(), st.integers(1, 12))
def test_any_events_give_a_playable_bounded_and_releasable_schedule(course, limit):
    schedule = NoteSchedule(TOLERANCE, limit)
    instrument = Instrument()
    for now, events in course:
        schedule.add(events, now)
        keys_and_pedals = 6 + 2
        assert len(schedule) <= limit + keys_and_pedals + 1
        instrument.play(schedule.pop_due(now))
        assert set(schedule.sounding) == instrument.sounding
    instrument.play(schedule.release_all(course[-1][0]))
    assert not instrument.sounding
    assert not instrument.pedals
    assert schedule.next_time() is None


@given(any_course(), st.integers(1, 12))
def test_a_clear_after_everything_leaves_silence(course, limit):
    schedule = NoteSchedule(TOLERANCE, limit)
    instrument = Instrument()
    for now, events in course:
        schedule.add(events, now)
        instrument.play(schedule.pop_due(now))
    last = course[-1][0]
    schedule.add([clear(last + 20)], last)
    instrument.play(schedule.pop_due(last + 20))
    assert not instrument.sounding
    assert not instrument.pedals
    assert schedule.next_time() is None


@st.composite
def notes(draw, now):
    """Notes with note-offs: they overlap, are repeated, late or added twice."""
    events = []
    for _ in range(draw(st.integers(0, 6))):
        start = now + draw(st.integers(-25, 50))
        pitch, channel = draw(pitches), draw(channels)
        pair = [
            note_on(start, pitch, 64, channel),
            note_off(start + draw(st.integers(0, 30)), pitch, channel),
        ]
        events += pair * draw(st.sampled_from([1, 1, 2]))
    return events


@st.composite
def course_of_notes(draw):
    now = 0
    steps = []
    for _ in range(draw(st.integers(1, 10))):
        now += draw(st.integers(0, 40))
        events = draw(notes(now))
        if draw(st.integers(0, 3)) == 0:
            events.append(clear(now + draw(st.integers(-20, 40))))
        steps.append((now, events))
    return steps


@given(course_of_notes())
def test_notes_with_note_offs_end_even_if_some_are_withdrawn_or_late(course):
    schedule = NoteSchedule(TOLERANCE)
    instrument = Instrument()
    for now, events in course:
        schedule.add(events, now)
        instrument.play(schedule.pop_due(now))
    instrument.play(schedule.pop_due(FOREVER))
    assert not instrument.sounding


@st.composite
def melody(draw):
    """Notes in the order of time, without overlap: [(on, off), ...]."""
    time = 0
    pairs = []
    for _ in range(draw(st.integers(0, 20))):
        time += draw(st.integers(1, 20))
        pitch = draw(pitches)
        on = note_on(time, pitch, 64)
        time += draw(st.integers(1, 20))
        pairs.append((on, note_off(time, pitch)))
    return pairs


@given(melody(), st.integers(1, 40))
def test_events_in_time_are_returned_unchanged(pairs, step):
    events = [event for pair in pairs for event in pair]
    schedule = NoteSchedule(TOLERANCE)
    played = []
    schedule.add(events, 0)
    for now in range(0, 1000, step):
        played += schedule.pop_due(now)
        # The schedule is polled before any event is later than the tolerance.
        schedule.late_tolerance = step
    assert played == events
    assert schedule.dropped == schedule.late == 0


@given(melody(), st.lists(st.integers(0, 400), min_size=1, max_size=4))
def test_late_notes_are_dropped_with_their_note_offs(pairs, arrivals):
    """A stream in messages, each of which may be late."""
    events = [event for pair in pairs for event in pair]
    schedule = NoteSchedule(TOLERANCE)
    played = []
    size = len(events) // len(arrivals) + 1
    for index, now in enumerate(sorted(arrivals)):
        schedule.add(events[index * size : (index + 1) * size], now)
        played += schedule.pop_due(now)
    played += [event for now in range(max(arrivals) + 1, 1500) for event in schedule.pop_due(now)]
    kept = [pair for pair in pairs if pair[0] in played]
    assert played == [event for pair in kept for event in pair]
    assert len(pairs) - len(kept) == schedule.dropped


@given(melody(), st.integers(0, 400))
def test_a_clear_withdraws_from_its_time_on_and_releases_then(pairs, time):
    events = [event for pair in pairs for event in pair]
    schedule = NoteSchedule(FOREVER)
    schedule.add(events, 0)
    schedule.clear(time)
    instrument = play_until(schedule, FOREVER)
    expected = [event for event in events if event.time < time]
    if len(expected) % 2:
        expected.append(note_off(time, expected[-1].values[0]))
    assert instrument.played == expected


def test_a_late_note_within_the_tolerance_is_played_at_once_and_counted():
    schedule = NoteSchedule(TOLERANCE)
    schedule.add([note_on(0, 60, 64), note_off(100, 60)], now=TOLERANCE)
    assert schedule.pop_due(TOLERANCE) == [note_on(0, 60, 64)]
    assert (schedule.late, schedule.dropped) == (1, 0)


def test_a_note_off_is_never_too_late():
    schedule = NoteSchedule(TOLERANCE)
    schedule.add([note_on(0, 60, 64)], now=0)
    schedule.pop_due(0)
    schedule.add([note_off(10, 60)], now=1000)
    assert schedule.pop_due(1000) == [note_off(10, 60)]


def test_a_clear_in_the_past_acts_at_once_and_lifts_the_pedal():
    schedule = NoteSchedule(TOLERANCE)
    schedule.add([control_change(0, 64, 127), note_on(0, 60, 64), note_off(900, 60)], now=0)
    schedule.pop_due(0)
    schedule.add([clear(50)], now=100)
    assert schedule.pop_due(100) == [note_off(50, 60), control_change(50, 64, 0)]
    assert schedule.next_time() is None


def test_events_added_after_a_clear_are_played():
    schedule = NoteSchedule(TOLERANCE)
    schedule.add([note_on(0, 60, 64), note_off(90, 60)], now=0)
    schedule.add([clear(50), note_on(50, 60, 80), note_off(70, 60)], now=0)
    assert schedule.pop_due(0) == [note_on(0, 60, 64)]
    assert schedule.pop_due(50) == [note_off(50, 60), note_on(50, 60, 80)]
    assert schedule.pop_due(90) == [note_off(70, 60)]


def test_a_retriggered_note_is_released_first():
    schedule = NoteSchedule(TOLERANCE)
    first = [note_on(0, 60, 64), note_off(30, 60)]
    second = [note_on(10, 60, 90), note_off(20, 60)]
    schedule.add(first, now=0)
    schedule.add(second, now=0)
    played = play_until(schedule, 10).played + schedule.pop_due(100)
    assert played == [note_on(0, 60, 64), note_off(10, 60), *second]


def test_all_notes_off_in_the_stream_ends_the_notes_of_its_channel():
    schedule = NoteSchedule(TOLERANCE)
    all_off = control_change(5, 123, 0, channel=1)
    schedule.add([note_on(0, 60, 64), note_on(0, 60, 64, 1), all_off], now=0)
    assert schedule.pop_due(5)[2:] == [note_off(5, 60, 1), all_off]
    assert schedule.sounding == [(0, 60)]


def test_release_velocities_and_other_controls_pass():
    events = [
        TimedEvent(0, 'pc', (0, 5)),
        TimedEvent(1, 'pw', (0, -100)),
        note_on(2, 60, 64),
        TimedEvent(3, 'nf', (60, 33, 0)),
    ]
    schedule = NoteSchedule(TOLERANCE)
    schedule.add(events, now=0)
    assert schedule.pop_due(3) == events


def test_tempo_and_meta_events_are_not_played():
    schedule = NoteSchedule(TOLERANCE)
    schedule.add([TimedEvent(0, 'st', (120, 500000)), TimedEvent(0, 'mt', (1, b'x'))], now=0)
    assert schedule.next_time() is None


def test_a_full_schedule_refuses_whole_notes_and_counts_them():
    schedule = NoteSchedule(TOLERANCE, limit=4)
    schedule.add([note_on(time, 60 + time, 64) for time in range(5)], now=0)
    schedule.add([note_off(10, 60 + time) for time in range(5)], now=0)
    assert schedule.refused == 1
    instrument = play_until(schedule, TOLERANCE)
    assert [event.values[0] for event in instrument.played if is_note_on(event)] == [
        *range(60, 64)
    ]
    assert not instrument.sounding


def test_a_note_off_before_its_note_on_plays_nothing():
    schedule = NoteSchedule(TOLERANCE)
    schedule.add([note_on(10, 60, 64)], now=0)
    schedule.add([note_off(5, 60)], now=0)
    assert schedule.pop_due(10) == []
    assert schedule.next_time() is None
    assert schedule.dropped == 1


@st.composite
def soft_and_loud(draw):
    """Notes of every velocity on a few keys, without overlap on a key."""
    events = []
    for pitch in (60, 61):
        time = 10**9
        for _ in range(draw(st.integers(0, 8))):
            time += draw(st.integers(1, 400)) * MILLISECOND
            velocity = draw(st.integers(1, 127))
            events.append(note_on(time, pitch, velocity))
            time += draw(st.integers(0, 300)) * MILLISECOND
            events.append(note_off(time, pitch))
    return sorted(events, key=lambda event: event.time)


def play_punctually(schedule):
    played = []
    while (due := schedule.next_time()) is not None:
        played += schedule.pop_due(due)
    return played


@given(soft_and_loud())
def test_with_a_latency_every_note_is_played_in_its_order_and_sounds_in_time(said):
    schedule = NoteSchedule(0, latency=DISKLAVIER)
    schedule.add(said, 0)
    played = play_punctually(schedule)
    assert [event.time for event in played] == sorted(event.time for event in played)
    for pitch in (60, 61):
        wanted = [event for event in said if event.values[0] == pitch]
        got = [event for event in played if event.values[0] == pitch]
        assert [event.values for event in got] == [event.values for event in wanted]
        earlier_sent = 0
        for sent, event in zip(got, wanted, strict=True):
            if is_note_on(event):
                wish = event.time - DISKLAVIER.of(event)
                latest = min(event.time - FIXED, earlier_sent + MIN_REPEAT)
                assert sent.time == max(wish, latest)
                earlier_sent = sent.time
            else:
                assert sent.time <= event.time - FIXED
    ends = {event.values[0]: event.time for event in said}
    assert ends.keys() == {event.values[0] for event in played}


def test_notes_that_are_far_apart_sound_exactly_in_time():
    schedule = NoteSchedule(0, latency=DISKLAVIER)
    said = [
        event
        for step, velocity in enumerate([127, 10, 100, 55, 1])
        for event in (
            note_on((step + 1) * 500 * MILLISECOND, 60, velocity),
            note_off((step + 1) * 500 * MILLISECOND + 200 * MILLISECOND, 60),
        )
    ]
    schedule.add(said, 0)
    played = play_punctually(schedule)
    assert [event.time + DISKLAVIER.of(event) for event in played] == [
        event.time for event in said
    ]


def test_a_soft_note_added_after_a_clear_is_not_silenced_by_it():
    schedule = NoteSchedule(0, latency=DISKLAVIER)
    time = 10**9
    schedule.add([note_on(time, 60, 100), note_off(time + 10**9, 60)], 0)
    cleared = time + 300 * MILLISECOND
    soft = [note_on(cleared + MILLISECOND, 62, 10), note_off(cleared + 10**9, 62)]
    schedule.add([clear(cleared), *soft], 0)
    played = play_punctually(schedule)
    assert [event.values[:2] for event in played] == [(60, 100), (62, 10), (60, 0), (62, 0)]


def test_a_soft_note_waits_for_its_program_and_is_not_ended_by_an_earlier_all_notes_off():
    schedule = NoteSchedule(0, latency=DISKLAVIER)
    time = 10**9
    program = TimedEvent(time, 'pc', (0, 5))
    all_off = control_change(time, 123, 0)
    soft = [note_on(time + MILLISECOND, 60, 10), note_off(time + 10**9, 60)]
    schedule.add([program, all_off, *soft], 0)
    assert [event[1:] for event in play_punctually(schedule)] == [
        event[1:] for event in (program, all_off, *soft)
    ]


def test_withdrawn_notes_are_counted():
    schedule = NoteSchedule(0)
    schedule.add([note_on(5, 60, 64), note_off(9, 60), note_on(10, 60, 64), clear(6)], 0)
    assert schedule.withdrawn == 1
    schedule.release_all(0)
    assert schedule.withdrawn == 2


def test_only_notes_that_are_already_due_are_late():
    schedule = NoteSchedule(TOLERANCE)
    schedule.add([note_on(5, 60, 64)], now=5)
    assert schedule.late == 0
    schedule.add([note_on(5, 61, 64)], now=6)
    assert schedule.late == 1


def test_the_pedal_up_of_a_withdrawn_pedal_may_be_refused():
    schedule = NoteSchedule(TOLERANCE, limit=2)
    schedule.add([control_change(5, 64, 127), clear(0), note_on(5, 60, 64)], now=0)
    schedule.add([control_change(9, 64, 0)], now=0)
    assert (len(schedule), schedule.refused) == (2, 1)


@pytest.mark.parametrize(
    'later',
    [
        [note_on(2 * SECOND, 60, 127)],
        [TimedEvent(2 * SECOND, 'pc', (0, 5))],
        [TimedEvent(SECOND, 'pc', (0, 5)), clear(0)],
    ],
    ids=['a later note', 'a later program', 'a withdrawn program'],
)
def test_a_soft_note_does_not_wait_for(later):
    schedule = NoteSchedule(0, latency=DISKLAVIER)
    soft = note_on(SECOND, 60, 10)
    schedule.add([*later, soft], now=0)
    schedule.pop_due(0)
    assert schedule.next_time() == SECOND - DISKLAVIER.of(soft) < SECOND - FIXED


def test_a_clear_that_finds_the_schedule_full_withdraws_all():
    schedule = NoteSchedule(TOLERANCE, limit=1)
    schedule.add([note_on(0, 60, 64), clear(5)], now=0)
    assert schedule.withdrawn == 1
    assert schedule.pop_due(5) == []


@pytest.mark.parametrize(
    'before',
    [
        [TimedEvent(SECOND, 'pc', (0, 5))],
        [control_change(SECOND, 123, 0)],
        [TimedEvent(SECOND, 'pc', (0, 5)), TimedEvent(SECOND // 2, 'pc', (0, 6))],
    ],
    ids=['a program', 'an all-notes-off', 'a program said before an earlier one'],
)
def test_a_soft_note_never_overtakes(before):
    schedule = NoteSchedule(0, latency=DISKLAVIER)
    soft = note_on(SECOND + MILLISECOND, 60, 10)
    schedule.add([*before, soft], now=0)
    played = play_punctually(schedule)
    assert played[-1][1:] == soft[1:]
    assert played[-1].time == SECOND - FIXED


@pytest.mark.parametrize('pedal', [64, 66, 69])
@pytest.mark.parametrize('depth', [64, 127])
def test_a_clear_releases_every_pedal(pedal, depth):
    schedule = NoteSchedule(TOLERANCE)
    schedule.add([control_change(0, pedal, depth), clear(5)], now=0)
    assert schedule.pop_due(5)[1:] == [control_change(5, pedal, 0)]


@pytest.mark.parametrize('controller', [120, 123, 124, 125, 126, 127])
def test_every_channel_mode_message_that_ends_notes_ends_them(controller):
    schedule = NoteSchedule(TOLERANCE)
    ending = control_change(5, controller, 0)
    schedule.add([note_on(0, 60, 64), ending], now=0)
    assert schedule.pop_due(5)[1:] == [note_off(5, 60), ending]


def test_a_full_schedule_accepts_only_releases_of_accepted_events():
    schedule = NoteSchedule(TOLERANCE, limit=2)
    held = [control_change(0, 64, 127), note_on(0, 60, 64)]
    refused = [note_on(1, 61, 64), note_off(2, 61)]
    ends = [note_off(3, 60), control_change(3, 64, 0)]
    schedule.add([*held, *refused, *ends], now=0)
    assert len(schedule) == 4
    assert schedule.refused == 1
    assert schedule.pop_due(3) == [*held, *ends]
