# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the demonstration says of a session."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import mido
import numpy as np
import pytest

from improv_ros.bags.session import Arrival, Note, Session, paired
from improv_ros.event_text import TimedEvent, clear, note_off, note_on
from improv_ros.listening.capture import FileSource, SourceError
from improv_ros.nodes.common.latency_figures import percentile

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
    assert session.transcription_latencies() == [120 * MS]
    assert session.answer_latencies(pause=1000 * MS) == [20 * MS]
    assert session.lateness() == [3 * MS]
    assert session.yield_latencies(1000 * MS) == []


ANSWER = (
    (note_on(1800 * MS, 62, 70), 1600 * MS),
    (note_off(2000 * MS, 62), 1700 * MS),
    (note_on(2100 * MS, 64, 70), 1900 * MS),
)


def test_yielding_is_counted_from_the_note_that_caused_it() -> None:
    session = Session(
        heard=arrivals((note_on(0, 60, 70), 100 * MS), (note_on(1900 * MS, 60, 70), 2000 * MS)),
        generated=arrivals(*ANSWER, (clear(2003 * MS), 2004 * MS)),
    )
    assert session.yield_latencies(1000 * MS) == [4 * MS]


def test_a_clear_without_a_person_who_came_back_is_no_yielding() -> None:
    last = (clear(22_000 * MS), 22_000 * MS)
    phrase = (note_on(0, 60, 70), 100 * MS)
    unheard = Session(heard=arrivals(phrase), generated=arrivals(*ANSWER, last))
    assert unheard.yield_latencies(1000 * MS) == []

    # The person came back after the answer, and the robot was stopped in its second one.
    again = (note_on(2500 * MS, 60, 70), 2600 * MS)
    second = (note_on(21_900 * MS, 64, 70), 21_700 * MS)
    answered = Session(heard=arrivals(phrase, again), generated=arrivals(*ANSWER, second, last))
    assert answered.yield_latencies(1000 * MS) == []

    # The note came with the last of the answer, and was answered instead.
    late = (note_on(2000 * MS, 60, 70), 2099 * MS)
    at_once = Session(heard=arrivals(phrase, late), generated=arrivals(*ANSWER, second, last))
    assert at_once.yield_latencies(1000 * MS) == []


def test_a_text_called_mp3_is_refused_in_the_sentence_of_the_microphone(tmp_path: Path) -> None:
    text = tmp_path / 'notes.mp3'
    text.write_text('no sound, but a text\nof two lines\n')
    with pytest.raises(SourceError) as refusal:
        FileSource(text).open()
    words = ['demo', '--input', str(text), '--out', str(tmp_path / 'out')]
    demo = [sys.executable, '-m', 'improv_ros.cli', *words]
    result = subprocess.run(demo, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, '')
    assert result.stderr == f'improv demo: {refusal.value}\n'
    assert 'notes.mp3 is not an audio file' in result.stderr


def test_the_summary_leaves_out_what_did_not_happen() -> None:
    from improv_ros.commands.demo import summary

    heard = arrivals((note_on(0, 60, 70), 100 * MS), (note_off(400 * MS, 60), 500 * MS))
    session = Session(began=0, heard=heard, generated=arrivals(*ANSWER))
    session.generated += arrivals((clear(22_000 * MS), 22_000 * MS))
    assert 'heard note-on to silence' not in summary(session)
    session.heard += arrivals((note_on(1900 * MS, 60, 70), 2000 * MS))
    session.generated[-1:] = arrivals((clear(2003 * MS), 2004 * MS))
    assert '4.0 ms median' in summary(session)['heard note-on to silence']


def test_withdrawn_notes_do_not_count_as_generated() -> None:
    from improv_ros.commands.demo import summary

    said = (note_on(3000 * MS, 60, 70), note_on(1000 * MS, 62, 70), clear(2000 * MS))
    session = Session(began=0, generated=arrivals(*((event, 500 * MS) for event in said)))
    assert summary(session)['notes generated'] == '1'


def test_percentiles_are_in_milliseconds() -> None:
    values = [int(n * MS) for n in np.arange(1, 101)]
    assert percentile(values, 0.5) == 51.0
    assert percentile(values, 1.0) == 100.0


def test_mido_reads_a_written_session(tmp_path) -> None:
    from improv_ros.commands.demo import write_session

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
