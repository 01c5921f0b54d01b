# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The session so far: what browsers that come late are shown, and what is kept of it."""

from __future__ import annotations

import io
import json

from hypothesis import given
from hypothesis import strategies as st
import mido

from improv_ros.event_text import clear, control_change, note_off, note_on, parse
from improv_ros.page.keys import LATEST, BrowserKeys
from improv_ros.page.page_state import MOST_PENDING, PageState
from improv_ros.page.session_log import (
    LONGEST_PAST,
    PAST,
    RecentEvents,
    SessionLog,
    as_midi,
    as_text,
    wire_event,
)

SECOND = 1_000_000_000


def test_events_on_the_wire() -> None:
    assert wire_event('h', note_on(5_500_000, 60, 70), 500_000) == ['h', 'n', 60, 70, 5.0]
    assert wire_event('p', note_off(0, 60), 0) == ['p', 'n', 60, 0, 0.0]
    assert wire_event('g', control_change(0, 64, 90), 0) == ['g', 'c', 90, 0, 0.0]
    assert wire_event('g', control_change(0, 7, 90), 0) is None
    assert wire_event('g', clear(0), 0) == ['g', 'x', 0, 0, 0.0]


def test_who_comes_late_sees_what_sounds_from_long_ago() -> None:
    recent = RecentEvents()
    recent.add(['h', 'n', 60, 70, 0.0], 0.0)
    recent.add(['h', 'n', 62, 70, 10.0], 10.0)
    recent.add(['h', 'n', 62, 0, 20.0], 20.0)
    later = PAST / 1e6 + 1000
    recent.add(['p', 'n', 40, 70, later], later)
    assert recent.all() == [['h', 'n', 60, 70, 0.0], ['p', 'n', 40, 70, later]]


def test_memory_is_bounded_however_much_comes() -> None:
    state = PageState(0)
    for n in range(60):
        events = [note_on(n * SECOND // 50, 20 + n % 80, 64)] * 1000
        state.add('heard_notes', events, n * SECOND // 50, watched=True)
        state.log.add('heard_notes', 0, events)
    assert len(state._recent.all()) <= LONGEST_PAST + 128
    assert len(json.loads(state.frame())['events']) == MOST_PENDING
    log = SessionLog(longest=1000)
    for n in range(50):
        log.add('heard_notes', n, [note_on(n, 60, 64)] * 100)
    assert sum(len(entry.events) for entry in log.entries()) == 1000
    assert log.forgotten == 4000


def test_frames_carry_what_is_new_once() -> None:
    state = PageState(0)
    state.add('heard_notes', [note_on(SECOND, 60, 70)], SECOND, watched=True)
    assert state.tell('turn', 'a') and not state.tell('turn', 'a')
    state.say('done')
    assert json.loads(state.frame()) == {
        'n': 1,
        'events': [['h', 'n', 60, 70, 1000.0]],
        'facts': {'turn': 'a'},
        'said': [{'words': 'done', 'good': True}],
    }
    assert state.frame() == ''
    whole = json.loads(state.state(2 * SECOND))
    assert whole['whole'] and whole['now'] == 2000.0 and whole['facts'] == {'turn': 'a'}
    assert whole['events'] == [['h', 'n', 60, 70, 1000.0]]


def test_the_session_as_text_and_as_midi() -> None:
    log = SessionLog()
    start = 1_700_000_000 * SECOND
    log.add('heard_notes', start, [note_on(start, 60, 70), note_off(start + SECOND, 60)])
    log.add('generated_notes', start, [note_on(start + SECOND, 64, 70)])
    later = start + 2 * SECOND
    log.add('played_notes', later, [note_on(later, 64, 70), note_off(later + SECOND, 64)])
    text = parse(as_text(log.entries()))
    assert len(text.tracks) == 2
    file = mido.MidiFile(file=io.BytesIO(as_midi(log.entries())))
    notes = [[m.note for m in track if m.type == 'note_on'] for track in file.tracks]
    assert notes == [[60, 60], [64, 64]]
    assert abs(file.length - 3.0) < 0.01
    assert mido.MidiFile(file=io.BytesIO(as_midi([]))).length == 0


KEY = st.tuples(st.sampled_from('ab'), st.integers(60, 62), st.sampled_from([0, 0, 70]))


@given(st.lists(KEY, max_size=60))
def test_however_browsers_play_no_note_hangs_and_each_has_one_end(strokes) -> None:
    keys = BrowserKeys()
    events = []
    for time, (browser, pitch, velocity) in enumerate(strokes):
        events += keys.key(browser, pitch, velocity, time, time)
    for browser in keys.browsers | {'never seen'}:
        events += keys.leave(browser, len(strokes))
    assert not keys.browsers
    sounding = set()
    for event in events:
        pitch, velocity, _ = event.values
        assert (pitch in sounding) != bool(velocity)
        (sounding.add if velocity else sounding.remove)(pitch)
    assert not sounding


def test_a_pedal_is_as_deep_as_the_deepest_and_times_are_believed_a_little() -> None:
    keys = BrowserKeys()
    now = 10 * SECOND
    assert [e.values[2] for e in keys.pedal('a', 90, now, now)] == [90]
    assert keys.pedal('b', 60, now, now) == []
    assert [e.values[2] for e in keys.leave('a', now)] == [60]
    assert [e.values[2] for e in keys.leave('b', now)] == [0]
    for said, taken in ((now + SECOND, now), (0, now - LATEST), (now - 5, now - 5)):
        assert keys.key('a', 60, 70, said, now)[-1].time == taken
