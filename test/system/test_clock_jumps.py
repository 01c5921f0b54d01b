# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The system's clock is set while the robot plays: an hour forward, an hour back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import time

import pytest
from std_msgs.msg import String

from clocks import SettableClock, a_settable_clock
from graph import Graph, wait_until
from improv_ros.bags.session import paired
from improv_ros.event_text import (
    SECOND,
    HeldNotes,
    StreamWriter,
    TimedEvent,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.playing.synth.rendering import render, write_wav
from piano import Piano
from timing import PATIENCE, promised

HOUR = 3600.0
# A note every half second at least, and at most eight in a second.
LIVELY = {'max_silence': 0.4, 'max_note_seconds': 1.0, 'max_density': 8.0, 'seed': 1}


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[SettableClock]:
    """Provide the clock of all nodes that the test starts."""
    with a_settable_clock(tmp_path) as clock:
        yield clock


def start_player(graph: Graph, piano: Piano) -> None:
    # What a busy machine keeps waiting is not to be dropped as too late besides.
    graph.start('midi_player', outputs='port', port=piano.address, late_tolerance=2.0)
    wait_until(lambda: graph.healthy('midi_player'), 'the player')


@pytest.mark.parametrize(
    'leaps',
    [(HOUR, 0.0), pytest.param((-HOUR, 0.0), marks=pytest.mark.nightly)],
    ids=['forward', 'back'],
)
def test_a_solo_neither_stalls_nor_bursts(
    graph: Graph, clock: SettableClock, piano: Piano, leaps: tuple[float, float]
) -> None:
    start_player(graph, piano)
    robot = graph.start('improviser', mode='solo', **LIVELY)
    piano.plays_on(5, within=PATIENCE)
    for ahead in leaps:
        began = time.monotonic()
        clock.set_ahead(ahead)
        wait_until(lambda began=began: len(piano.onsets(began + 0.5)) >= 2, 'music', promised(2.5))
        time.sleep(2)
        # That many, and what is late by a little; an hour's music would be thousands.
        assert piano.most_in(1.0, began) <= promised(8 + 4, 30)
    robot.leave()
    wait_until(lambda: not piano.down, 'silence', promised(2))
    assert piano.longest() < promised(2.0)
    played = [event for event in graph.events['played_notes'] if is_note_on(event)]
    assert abs(played[-1].time - graph.now()) < 60 * SECOND  # ROS time as it is now


def test_an_end_that_is_stamped_by_the_clock_as_it_was_leaves_no_note_hanging(
    graph: Graph, clock: SettableClock, piano: Piano
) -> None:
    start_player(graph, piano)
    publisher = graph.publisher('generated_notes')
    writer = StreamWriter()

    def publish(*events: TimedEvent) -> None:
        publisher.publish(String(data=writer.write(events)[0]))

    now = graph.now()
    publish(note_on(now + SECOND // 5, 60, 80))
    wait_until(lambda: 60 in piano.down, 'the note')
    clock.set_ahead(-HOUR)
    publish(note_off(graph.now() + SECOND // 5, 60))
    wait_until(lambda: not piano.down, 'its end', promised(2))

    # What is stamped by the clock as it is now is played as ever.
    now = graph.now() - round(HOUR * SECOND) + SECOND // 5
    publish(note_on(now, 62, 80), note_off(now + SECOND // 5, 62))
    wait_until(lambda: piano.events[-1].values[:2] == (62, 0), 'the next note', promised(2))


@pytest.mark.parametrize(
    'ahead', [pytest.param(HOUR, marks=pytest.mark.nightly), -HOUR], ids=['forward', 'back']
)
def test_a_phrase_is_answered_though_the_clock_is_set_in_the_middle(
    graph: Graph, clock: SettableClock, ahead: float
) -> None:
    graph.start('improviser', pause_mode='fixed', pause=1.0, seed=1, shortest_answer=2.0)
    publisher = graph.publisher('heard_notes')
    writer = StreamWriter()

    def play(pitch: int, since: float) -> None:
        onset = graph.now() + round(since * SECOND)
        notes = [note_on(onset, pitch, 80), note_off(onset + SECOND // 5, pitch)]
        publisher.publish(String(data=writer.write(notes)[0]))

    for pitch in (60, 64):
        play(pitch, 0)
        time.sleep(0.3)
    clock.set_ahead(ahead)
    play(67, 0)  # stamped before, but heard after
    time.sleep(0.3)
    play(72, ahead)
    began = time.monotonic()
    generated = graph.events['generated_notes']
    wait_until(lambda: sum(map(is_note_on, generated)) >= 3, 'an answer', promised(10))
    assert time.monotonic() - began > 0.9  # the person was not interrupted
    assert abs(generated[0].time - graph.now() - ahead * SECOND) < 60 * SECOND


def test_a_node_that_waits_does_not_wait_for_the_clock_to_come_back(
    graph: Graph, clock: SettableClock
) -> None:
    graph.start('improviser', pause_mode='fixed', pause=4.0, seed=1)
    publisher = graph.publisher('heard_notes')
    now = graph.now()
    phrase = [note_on(now, 60, 80), note_off(now + SECOND // 5, 60)]
    publisher.publish(String(data=StreamWriter().write(phrase)[0]))
    wait_until(lambda: graph.figures('improviser').get('notes remembered') == '1', 'hearing')
    assert not graph.events['generated_notes']
    clock.set_ahead(-HOUR)
    wait_until(lambda: graph.events['generated_notes'], 'an answer', promised(8))


def test_transcription_continues_after_the_clock_is_set(
    graph: Graph, clock: SettableClock
) -> None:
    recording = graph.folder / 'notes.wav'
    events = []
    for i in range(8):
        onset = SECOND + i * SECOND // 2
        events += [note_on(onset, 60 + i, 90), note_off(onset + SECOND // 3, 60 + i)]
    write_wav(recording, render(events, start=0), 44100)
    graph.start('transcriber')
    wait_until(lambda: 'audio received' in graph.figures('transcriber'), 'a transcriber')
    graph.start('microphone', source='file', file=str(recording), loop=True)
    heard = graph.events['heard_notes']
    wait_until(lambda: len(paired(heard)) >= 2, 'two notes')
    clock.set_ahead(-HOUR)
    half = round(HOUR * SECOND / 2)

    def after() -> list[int]:
        middle = graph.now() - half
        return [event.time for event in heard if is_note_on(event) and event.time < middle]

    wait_until(lambda: len(after()) >= 4, 'notes after the clock was set')
    assert all(abs(time - graph.now() + 2 * half) < half // 2 for time in after())


def test_a_robot_performs_on(graph: Graph, clock: SettableClock) -> None:
    graph.start('robot_performer', body='piano_88')
    wait_until(lambda: graph.healthy('robot_performer'), 'the performer')
    robot = graph.start('improviser', mode='solo', lookahead=0.5, **LIVELY)
    played = graph.events['played_notes']
    wait_until(lambda: sum(map(is_note_on, played)) >= 5, 'music')
    for ahead in (HOUR, -HOUR):
        clock.set_ahead(ahead)
        time.sleep(1)
        before = sum(map(is_note_on, played))
        wait_until(
            lambda before=before: sum(map(is_note_on, played)) >= before + 2, 'music', promised(3)
        )
    robot.leave()

    def sounding() -> HeldNotes:
        held = HeldNotes()
        for event in list(played):
            held.update(event)
        return held

    wait_until(lambda: not sounding().keys, 'an end of every note', promised(5))
