# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Live messages: whatever happens on the way, no note is left unmatched."""

from event_text_strategies import live_events
from hypothesis import given
from hypothesis import strategies as st
import pytest

from improv_ros.event_text import (
    LIVE_LIMITS,
    SECOND,
    EventTextError,
    StreamReader,
    StreamWriter,
    TimedEvent,
    clear,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
    parse,
    to_timed,
)
from improv_ros.event_text.stream import MAX_CLOCK_NOISE


def key(event):
    return event.values[2], event.values[0]


def assert_matched(events):
    """Check that each note-on has one note-off before its next, or a `cl`; none is left over."""
    sounding = {}
    for event in events:
        if is_note_on(event):
            assert key(event) not in sounding, f'struck twice: {event}'
            sounding[key(event)] = event.time
        elif is_note_off(event):
            assert key(event) in sounding, f'unmatched: {event}'
            assert event.time >= sounding.pop(key(event)), f'ends before it begins: {event}'
        elif event.kind == 'cl':
            sounding.clear()
    assert not sounding


def in_time(events):
    """The events as a schedule plays them."""
    return sorted(events, key=lambda event: event.time)


batches = st.lists(st.lists(live_events, min_size=1, max_size=8), min_size=1, max_size=12)


def one_after_the_other(batches):
    """Move each batch behind the one before it, as a keyboard's are."""
    moved, end = [], 0
    for batch in batches:
        moved.append([event._replace(time=event.time + end) for event in batch])
        end = max(event.time for event in moved[-1])
    return moved


@given(batches)
def test_undisturbed_messages_lose_nothing(batches):
    writer, reader = StreamWriter(), StreamReader()
    for batch in batches:
        (text,) = writer.write(batch)
        received = reader.read(text)
        # Only note-offs without a note are dropped, and only what strikes a note again is added.
        assert [e for e in received if not is_note_off(e)] == [
            e for e in in_time(batch) if not is_note_off(e)
        ]
    assert (reader.lost, reader.restarts, reader.duplicates) == (0, 0, 0)


@st.composite
def disturbed(draw):
    """Messages of up to three lives of a publisher, with some lost, repeated and reordered."""
    texts = []
    end = 0
    for batches_of_a_life in draw(st.lists(batches, min_size=1, max_size=3)):
        writer = StreamWriter()
        for batch in one_after_the_other(batches_of_a_life):
            texts += writer.write(event._replace(time=event.time + end) for event in batch)
        end += 60 * SECOND
    order = draw(st.lists(st.integers(0, len(texts) - 1), max_size=3 * len(texts)))
    near = sorted(order) if draw(st.booleans()) else order
    return [texts[number] for number in near]


@given(disturbed(), st.integers(0, 10**12))
def test_no_note_is_left_unmatched(texts, end):
    reader = StreamReader()
    events = [event for text in texts for event in reader.read(text)]
    events += reader.close(end)
    assert_matched(events)
    assert reader.close(end) == []


@given(batches, st.data())
def test_no_note_is_left_unmatched_in_time(batches, data):
    """What arrives in order, with gaps, is matched in the order of time as well."""
    writer, reader = StreamWriter(), StreamReader()
    events = []
    for batch in one_after_the_other(batches):
        (text,) = writer.write([event for event in batch if event.kind != 'cl'] or batch[:1])
        if data.draw(st.booleans()):
            events += reader.read(text)
    events += reader.close(0)
    if not any(event.kind == 'cl' for event in events):
        assert_matched(in_time(events))


@given(disturbed())
def test_nothing_is_played_twice(texts):
    reader = StreamReader()
    played = set()
    for text in texts:
        before = reader.duplicates
        events = reader.read(text)
        if reader.duplicates > before:
            assert events == []
        elif text in played:
            # Only a publisher that seems to have started again is heard again.
            assert reader.restarts
        played.add(text)


def test_a_gap_releases_what_sounds():
    writer, reader = StreamWriter(), StreamReader()
    first, _, third = (
        writer.write([event])[0]
        for event in (
            note_on(1 * SECOND, 60, 64),
            note_off(2 * SECOND, 60),
            note_on(3 * SECOND, 60, 50),
        )
    )
    assert reader.read(first) == [note_on(1 * SECOND, 60, 64)]
    assert reader.read(third) == [note_off(3 * SECOND, 60), note_on(3 * SECOND, 60, 50)]
    assert reader.lost == 1


def test_a_gap_lifts_the_pedal():
    writer, reader = StreamWriter(), StreamReader()
    (down,) = writer.write([control_change(0, 64, 127, 3)])
    writer.write([control_change(SECOND, 64, 0, 3)])
    (after,) = writer.write([note_on(2 * SECOND, 60, 64)])
    reader.read(down)
    assert reader.read(after) == [
        control_change(2 * SECOND, 64, 0, 3),
        note_on(2 * SECOND, 60, 64),
    ]


def test_a_release_never_comes_before_its_note():
    writer, reader = StreamWriter(), StreamReader()
    ahead, _, early = (
        writer.write([note_on(time * SECOND, pitch, 64)])[0]
        for time, pitch in ((9, 60), (10, 61), (5, 62))
    )
    reader.read(ahead)
    assert reader.read(early) == [note_off(9 * SECOND, 60), note_on(5 * SECOND, 62, 64)]
    assert reader.close(0) == [note_off(5 * SECOND, 62)]


def test_a_reader_keeps_to_its_own_clock_when_that_of_the_stamps_is_set_back():
    hour = 3600 * SECOND
    writer, reader = StreamWriter(), StreamReader()
    (first,) = writer.write([note_on(2 * hour, 60, 64)])
    writer.write([note_off(2 * hour, 60)])  # lost
    (third,) = writer.write([note_on(hour + SECOND, 60, 64), note_off(hour + 2 * SECOND, 60)])
    assert reader.read(first, shift=-2 * hour) == [note_on(0, 60, 64)]
    assert reader.read(third, shift=-hour) == [
        note_off(SECOND, 60),
        note_on(SECOND, 60, 64),
        note_off(2 * SECOND, 60),
    ]


def test_a_restart_releases_what_sounds():
    reader = StreamReader()
    (first,) = StreamWriter().write([note_on(0, 60, 64)])
    (again,) = StreamWriter().write([note_on(SECOND, 62, 64)])
    reader.read(first)
    assert reader.read(again) == [note_off(SECOND, 60), note_on(SECOND, 62, 64)]
    assert (reader.restarts, reader.lost, reader.duplicates) == (1, 0, 0)


def test_a_restart_is_known_without_its_first_message():
    old, new, reader = StreamWriter(), StreamWriter(), StreamReader()
    for number in range(5):
        reader.read(old.write([note_on(number * SECOND, 60, 64)])[0])
    new.write([note_on(10 * SECOND, 60, 64)])
    (second,) = new.write([note_on(11 * SECOND, 62, 64)])
    assert reader.read(second) == [note_off(11 * SECOND, 60), note_on(11 * SECOND, 62, 64)]
    assert (reader.restarts, reader.lost) == (1, 1)


def test_what_comes_twice_or_late_is_not_played():
    writer, reader = StreamWriter(), StreamReader()
    texts = [writer.write([note_on(n * SECOND, 60 + n, 64)])[0] for n in range(4)]
    for number in (0, 1, 1, 0, 3):
        reader.read(texts[number])
    assert reader.duplicates == 2
    assert reader.read(texts[2]) == []
    assert (reader.lost, reader.restarts, reader.duplicates) == (1, 0, 3)


def test_a_long_stream_is_not_remembered_whole():
    writer, reader = StreamWriter(), StreamReader()
    texts = [writer.write([note_on(n * SECOND, 60, 64)])[0] for n in range(1000)]
    for text in texts:
        reader.read(text)
    assert reader.read(texts[900]) == []
    assert reader.duplicates == 1
    reader.read(texts[0])
    assert reader.restarts == 1


def test_a_late_joiner_misses_nothing_it_could_have_heard():
    writer, reader = StreamWriter(), StreamReader()
    writer.write([note_on(0, 60, 64)])
    (text,) = writer.write([note_off(SECOND, 60), note_on(SECOND, 61, 64)])
    assert reader.read(text) == [note_on(SECOND, 61, 64)]
    assert (reader.lost, reader.unmatched) == (0, 1)


def test_a_clear_releases():
    writer, reader = StreamWriter(), StreamReader()
    (text,) = writer.write([note_on(0, 60, 64), clear(SECOND), note_off(2 * SECOND, 60)])
    assert reader.read(text) == [note_on(0, 60, 64), clear(SECOND)]
    assert reader.unmatched == 1
    assert reader.close(3 * SECOND) == []


@pytest.mark.parametrize(
    'text',
    [
        'rs_500\n0_no_60_0',
        'rs_500\nsq_1\n0_no_60_0',
        'rs_500\nat_5_5\n0_no_60_0',
        'rs_500\nat_5_5\nsq_1\n0_no_60',
        'rs_0\nat_5_5\nsq_1\n0_no_60_0',
    ],
)
def test_a_malformed_message_changes_nothing(text):
    reader = StreamReader()
    reader.read('rs_500\nat_1_0\nsq_0\n0_no_60_64')
    with pytest.raises(EventTextError):
        reader.read(text)
    assert reader.read('rs_500\nat_2_0\nsq_1\n0_no_60_0') == [note_off(2 * SECOND, 60)]
    assert (reader.lost, reader.restarts, reader.unmatched) == (0, 0, 0)


steps = st.integers(0, 3 * SECOND // 1000)


@given(
    st.lists(st.tuples(st.lists(steps, min_size=1, max_size=6), st.integers(-1, 1)), max_size=40),
    st.sampled_from([1, 500, 32_767]),
)
def test_what_is_in_order_is_read_in_order(messages, resolution):
    """Neither rounding to ticks nor the reading of two clocks one after the other upsets it."""
    writer, reader = StreamWriter(resolution), StreamReader()
    tick = SECOND // (2 * resolution)
    now, latest = 100 * SECOND, 0
    for steps_of_a_message, wavering in messages:
        events = []
        for step in steps_of_a_message:
            now += step
            events.append(note_on(now, 60, 64))
        shift = wavering * MAX_CLOCK_NOISE // 3
        read = [event for text in writer.write(events, shift) for event in reader.read(text)]
        times = [event.time for event in read if is_note_on(event)]
        assert times == sorted(times) and times[0] >= latest
        late = [time - event.time - shift for time, event in zip(times, events, strict=True)]
        assert -tick - 1 <= min(late) and max(late) <= MAX_CLOCK_NOISE + 2 * tick
        latest = times[-1]


def test_a_clock_that_was_set_back_and_a_clear_are_believed():
    writer = StreamWriter()
    writer.write([note_on(10 * SECOND, 60, 64)])
    (set_back,) = writer.write([note_on(11 * SECOND, 62, 64)], -5 * SECOND)
    assert parse(set_back).at == 6 * SECOND
    (cleared,) = writer.write([clear(11 * SECOND - 1)], -5 * SECOND)
    assert parse(cleared).at == 6 * SECOND - 1


def test_each_writer_has_an_id_of_its_own():
    texts = [writer.write([clear(0)])[0] for writer in (StreamWriter(), StreamWriter())]
    assert parse(texts[0]).publisher != parse(texts[1]).publisher
    (text,) = StreamWriter(publisher='5f3a9c').write([clear(0)])
    assert text == 'rs_500\nat_0_0\nsq_0\nid_5f3a9c\n0_cl\n'
    with pytest.raises(ValueError, match='id'):
        StreamWriter(publisher='the robot')


def test_what_the_writer_refuses_takes_no_number():
    writer = StreamWriter()
    for bad in (
        TimedEvent(0, 'no', (60, 128, 0)),
        TimedEvent(-1, 'no', (60, 64, 0)),
        TimedEvent(0, 'st', (120, 500_000)),
        TimedEvent(0, 'sx', (bytes(40_000),)),
    ):
        with pytest.raises(ValueError):
            writer.write([bad])
    assert writer.write([]) == []
    (text,) = writer.write([note_on(0, 60, 64)])
    assert parse(text).sequence == 0
    with pytest.raises(ValueError, match='resolution'):
        StreamWriter(0)


@pytest.mark.parametrize(
    'events',
    [
        [note_on(n * 1000, 60, 64) for n in range(10_000)],
        [TimedEvent(n * SECOND, 'sx', (bytes(20_000),)) for n in range(10)],
        [note_on(n * 3 * 3600 * SECOND, 60, 64) for n in range(5)],
        [note_on(0, 60, 64), note_off(3600 * SECOND, 60)],
    ],
)
@pytest.mark.parametrize('resolution', [1, 500, 32_767])
def test_a_message_keeps_to_the_bounds(events, resolution):
    writer = StreamWriter(resolution)
    texts = writer.write(reversed(events))
    read = [parse(text, LIVE_LIMITS) for text in texts]
    assert [text.sequence for text in read] == list(range(len(texts)))
    received = [event for text in read for event in to_timed(text)]
    assert [event[1:] for event in received] == [event[1:] for event in events]
    tick = SECOND // (2 * resolution)
    assert all(abs(a.time - b.time) <= tick for a, b in zip(events, received, strict=True))
