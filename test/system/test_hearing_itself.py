# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The robot is heard by the microphone, and is not taken for the person."""

from __future__ import annotations

from pathlib import Path
import time

import numpy as np
import pytest
from std_msgs.msg import String

from graph import Graph, wait_until
from improv_ros.event_text import (
    SECOND,
    StreamWriter,
    TimedEvent,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.nodes.common.audio_topic import audio_chunk
from improv_ros.playing.synth.rendering import render, write_wav

DELAY = SECOND * 12 // 100  # of the loop
RATE = 44100


def melody(pitches: list[int], start: float, step: float) -> list[TimedEvent]:
    events = []
    for number, pitch in enumerate(pitches):
        begin = round((start + number * step) * SECOND)
        events += [note_on(begin, pitch, 80), note_off(begin + round(0.8 * step * SECOND), pitch)]
    return events


# The person comes in when the robot has played a few notes.
PERSON = melody([72, 74, 76, 77, 79, 77, 76, 74], 2.18, 0.55)
ROBOT = melody([48, 55, 52, 60, 53, 57, 50, 59] * 2, 0.5, 0.35)


def recording_of_both(folder: Path) -> Path:
    echo = [event._replace(time=event.time + DELAY) for event in ROBOT]
    parts = [render(part, start=0, tail=3.0).astype(float) for part in (PERSON, echo)]
    both = np.zeros((max(map(len, parts)), 2))
    for part in parts:
        both[: len(part)] += part / 2
    write_wav(folder / 'both.wav', both.astype(np.int16), RATE)
    return folder / 'both.wav'


def notes_above_and_below(pitch: int, events: list[TimedEvent]) -> tuple[list[int], list[int]]:
    pitches = [event.values[0] for event in events if is_note_on(event)]
    return [p for p in pitches if p >= pitch], [p for p in pitches if p < pitch]


@pytest.mark.parametrize('cancel_echo', [True, pytest.param(False, marks=pytest.mark.nightly)])
def test_only_the_person_is_heard_where_both_sound(graph: Graph, cancel_echo: bool) -> None:
    recording = recording_of_both(graph.folder)
    graph.start('midi_player', outputs='file', midi_file=str(graph.folder / 'played.mid'))
    publisher = graph.publisher('generated_notes')
    graph.start('transcriber', cancel_echo=cancel_echo)
    writer = StreamWriter()

    def play(part: list[TimedEvent], start: int) -> None:
        for text in writer.write(event._replace(time=event.time + start) for event in part):
            publisher.publish(String(data=text))

    if cancel_echo:  # what is played before they have found each other is told to nobody

        def is_told() -> bool:
            play(melody([30], 0.0, 0.1), graph.now())
            time.sleep(0.5)
            return graph.figures('transcriber').get('played_notes received', '0') != '0'

        wait_until(is_told, 'the transcriber hears of what is played')
    graph.start('microphone', source='file', file=str(recording), min_subscribers=2)
    wait_until(lambda: graph.chunks, 'sound')
    began = audio_chunk(graph.chunks[0]).time
    play(ROBOT, began)
    wait_until(lambda: 'has ended' in graph.says('microphone'), 'the end of the recording')
    heard = graph.events['heard_notes']
    wait_until(lambda: 'no audio' in graph.says('transcriber'), 'the end of the sound')
    wait_until(lambda: heard and is_note_off(heard[-1]), 'the last release')

    figures = graph.figures('transcriber')
    # On a machine that is too busy, a transcriber skips sound, as it should, and a player is late.
    is_all_heard = float(figures['audio skipped (s)']) == float(figures['audio lost']) == 0
    is_in_time = is_all_heard and float(graph.figures('midi_player')['lateness max (ms)']) < 50
    person, robot = notes_above_and_below(66, heard)
    if not cancel_echo:
        assert len(robot) > len(ROBOT) // 4
        return
    most = 1 if is_in_time else len(ROBOT) // 2
    assert len(robot) <= most
    assert len(person) >= (len(PERSON) // 2 - 1 if is_all_heard else 1)
    _, robot = notes_above_and_below(66, graph.events['confirmed_notes'])
    assert len(robot) <= most
    if not is_in_time:
        return
    assert abs(float(figures['loop delay (ms)']) - DELAY / 1e6) < 60
    assert int(figures['echoes removed']) >= len(ROBOT) // 2 - 2
