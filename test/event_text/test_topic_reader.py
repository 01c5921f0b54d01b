# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A topic with several publishers, and messages that are not meant for now."""

from event_text_strategies import live_events
from hypothesis import given
from hypothesis import strategies as st
import pytest

from improv_ros.event_text import (
    HORIZON,
    SECOND,
    EventTextError,
    StreamReader,
    StreamWriter,
    TimestampOutOfRangeError,
    TopicReader,
    control_change,
    note_off,
    note_on,
)

NOW = 1_763_830_800 * SECOND


def test_two_publishers_do_not_disturb_each_other():
    reader, writers = TopicReader(), {'person': StreamWriter(), 'robot': StreamWriter()}
    writers['robot'].write([note_on(0, 1, 1)])  # so that their numbers differ
    for second in range(10):
        for name, writer in writers.items():
            pitch = 60 if name == 'robot' else 72
            note = note_off(second * SECOND, pitch)
            notes = [note if second % 2 else note_on(second * SECOND, pitch, 64)]
            assert reader.read(writer.write(notes)[0], name) == notes
    assert reader.counts == {'lost': 0, 'restarts': 0, 'duplicates': 0, 'unmatched': 0}


def test_publishers_that_nothing_else_tells_apart_are_told_by_their_ids():
    reader, writers = TopicReader(), {72: StreamWriter(), 60: StreamWriter()}
    writers[60].write([note_on(0, 1, 1)])  # so that their numbers differ
    for second in range(10):
        for pitch, writer in writers.items():
            note = note_off(second * SECOND, pitch)
            notes = [note if second % 2 else note_on(second * SECOND, pitch, 64)]
            assert reader.read(writer.write(notes)[0]) == notes
    assert reader.counts == {'lost': 0, 'restarts': 0, 'duplicates': 0, 'unmatched': 0}
    assert reader.publishers == [writer.publisher for writer in writers.values()]


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(live_events, min_size=1, max_size=4))))
def test_each_publisher_is_read_as_if_alone(messages):
    together, writers = TopicReader(), [StreamWriter() for _ in range(4)]
    alone = [StreamReader() for _ in range(4)]
    for publisher, events in messages:
        (text,) = writers[publisher].write(events)
        assert together.read(text, publisher) == alone[publisher].read(text)
    unmatched = sum(reader.unmatched for reader in alone)
    assert together.counts['unmatched'] == unmatched
    released = [event for reader in alone for event in reader.close(0)]
    assert sorted(together.close(0)) == sorted(released)


def test_a_publisher_that_leaves_or_restarts_leaves_no_note_on():
    reader = TopicReader()
    for publisher, pitch in enumerate((60, 62, 64)):
        held = [note_on(0, pitch, 64), control_change(0, 64, 127, publisher)]
        reader.read(StreamWriter().write(held)[0], publisher)
    assert reader.leave(0, SECOND) == [note_off(SECOND, 60), control_change(SECOND, 64, 0, 0)]
    reader.note_restart()
    assert reader.leave(1, SECOND) == [note_off(SECOND, 62), control_change(SECOND, 64, 0, 1)]
    assert reader.release(2, SECOND) == [note_off(SECOND, 64), control_change(SECOND, 64, 0, 2)]
    assert reader.publishers == [2]
    assert reader.counts['restarts'] == 1
    assert reader.close(SECOND) == []


def test_what_was_counted_of_a_publisher_stays_when_it_leaves():
    reader, writer = TopicReader(), StreamWriter()
    first, _, third = (writer.write([note_on(time, 60, 64)])[0] for time in range(3))
    for text in (first, third, third):
        reader.read(text, 'robot')
    counts = reader.counts
    assert (counts['lost'], counts['duplicates']) == (1, 1)
    reader.leave('robot', 0)
    assert reader.counts == counts


@pytest.mark.parametrize('off', [-HORIZON - 1, HORIZON + 1, -NOW, 10**18])
def test_what_is_not_meant_for_now_is_refused_and_changes_nothing(off):
    reader, writer = StreamReader(), StreamWriter()
    assert reader.read(writer.write([note_on(NOW, 60, 64)])[0], NOW)
    (text,) = StreamWriter().write([note_on(NOW + off, 60, 64)])
    with pytest.raises(TimestampOutOfRangeError, match='from now'):
        reader.read(text, NOW)
    ended = [note_off(NOW + SECOND, 60)]
    assert reader.read(writer.write(ended)[0], NOW) == ended
    assert (reader.lost, reader.restarts, reader.duplicates) == (0, 0, 0)


def test_the_last_event_is_looked_at_too():
    far = [note_on(NOW, 60, 64), note_off(NOW + HORIZON + SECOND, 60)]
    (text,) = StreamWriter().write(far)
    with pytest.raises(EventTextError, match='601 s from now'):
        StreamReader().read(text, NOW)


@pytest.mark.parametrize('off', [-HORIZON, 0, HORIZON])
def test_what_is_within_the_horizon_is_taken(off):
    (text,) = StreamWriter().write([note_on(NOW + off, 60, 64)])
    assert StreamReader().read(text, NOW) == [note_on(NOW + off, 60, 64)]
