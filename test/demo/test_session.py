"""What the demonstration says of a session."""

from __future__ import annotations

import mido
import numpy as np

from improv_ros.demo.session import Arrival, Note, Session, paired, percentile
from improv_ros.event_text import TimedEvent, clear, note_off, note_on

MS = 1_000_000


def arrivals(*events: tuple[TimedEvent, int]) -> list[Arrival]:
    return [Arrival(event, received) for event, received in events]


def test_notes_are_paired_by_pitch_and_sorted_by_onset() -> None:
    events = [note_on(1, 60, 70), note_on(2, 64, 80), note_off(5, 64), note_off(9, 60)]
    assert paired(events) == [Note(1, 9, 60, 70), Note(2, 5, 64, 80)]


def test_a_clear_cuts_what_sounds_and_withdraws_what_was_to_come() -> None:
    events = [
        note_on(1, 60, 70),
        note_off(9, 60),
        note_on(6, 62, 70),
        note_off(8, 62),
        note_on(3, 64, 70),
        clear(5),
    ]
    assert paired(events) == [Note(1, 5, 60, 70), Note(3, 5, 64, 70)]


def test_latencies_follow_from_arrivals() -> None:
    session = Session(
        heard=arrivals((note_on(0, 60, 70), 120 * MS), (note_off(500 * MS, 60), 650 * MS)),
        generated=arrivals(
            (note_on(1800 * MS, 62, 70), 1520 * MS),
            (note_off(2000 * MS, 62), 1700 * MS),
        ),
        played=arrivals(
            (note_on(1803 * MS, 62, 70), 1804 * MS), (note_off(2000 * MS, 62), 2001 * MS)
        ),
    )
    assert session.hearing() == [120 * MS]
    assert session.answering(pause=1000 * MS) == [20 * MS]
    assert session.lateness() == [3 * MS]
    assert session.yielding() == []


def test_yielding_is_counted_from_the_note_that_caused_it() -> None:
    session = Session(
        heard=arrivals((note_on(0, 60, 70), 100 * MS)),
        generated=arrivals((clear(103 * MS), 104 * MS)),
    )
    assert session.yielding() == [4 * MS]


def test_percentiles_are_in_milliseconds() -> None:
    values = [int(n * MS) for n in np.arange(1, 101)]
    assert percentile(values, 0.5) == 51.0
    assert percentile(values, 1.0) == 100.0


def test_mido_is_the_judge_of_a_written_session(tmp_path) -> None:
    from improv_ros.demo.command import write_session

    session = Session(
        began=0,
        heard=arrivals((note_on(500 * MS, 60, 70), 0), (note_off(1000 * MS, 60), 0)),
        played=arrivals((note_on(1500 * MS, 64, 80), 0), (note_off(2000 * MS, 64), 0)),
    )
    write_session(tmp_path / 'both.mid', session)
    file = mido.MidiFile(tmp_path / 'both.mid')
    assert len(file.tracks) == 2
    times, clock = {}, 0.0
    for message in file:
        clock += message.time
        if message.type == 'note_on' and message.velocity:
            times[message.note] = round(clock, 3)
    assert times == {60: 0.5, 64: 1.5}
