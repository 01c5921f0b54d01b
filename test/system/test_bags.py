# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Sessions recorded from a real graph and replayed into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import os
import resource
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from std_msgs.msg import Int16MultiArray, String

from graph import NAMESPACE, Graph, wait_until
from improv_ros.bags.bag_format import STRING
from improv_ros.bags.bag_reader import read_bag
from improv_ros.bags.bag_writer import BagWriter
from improv_ros.bags.session import paired
from improv_ros.event_text import (
    SECOND,
    StreamWriter,
    TimedEvent,
    is_note_on,
    note_off,
    note_on,
    parse,
)
from improv_ros.listening.capture.audio_chunk import AudioChunk
from improv_ros.nodes.common.audio_topic import audio_chunk, audio_message
from improv_ros.nodes.common.note_topics import CHAIN_QOS, NOTES_QOS
from timing import PATIENCE, promised

HEARD = f'{NAMESPACE}/heard_notes'


class Command:
    """`improv` with its words kept."""

    def __init__(self, graph: Graph, *words: str) -> None:
        self._log = graph.folder / f'{words[0]}_{len(list(graph.folder.iterdir()))}.log'
        with self._log.open('w') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'improv_ros.cli', *words],
                env={**os.environ, **graph.env},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def leave(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@pytest.fixture
def improv(graph: Graph) -> Iterator[Callable[..., Command]]:
    """Provide `improv` in the graph's domain, ended after the test."""
    started: list[Command] = []

    def start(*words: str) -> Command:
        started.append(Command(graph, *words))
        return started[-1]

    yield start
    for command in started:
        if command.process.poll() is None:
            command.process.kill()
            command.process.wait()


def publisher_to_two(graph: Graph, topic: str, kind: type = String) -> Any:
    """Return a publisher that the probe hears, and the recorder."""
    publisher = graph.probe.create_publisher(kind, topic, CHAIN_QOS)
    wait_until(lambda: publisher.get_subscription_count() == 2, f'two listeners on {topic}')
    return publisher


def sound_of(time: int) -> AudioChunk:
    return AudioChunk(np.arange(640, dtype=np.int16)[:, None], 16000, time, sequence=7)


def phrase(graph: Graph) -> list[TimedEvent]:
    """Return eight notes, a tenth of a second each, from now on."""
    now = graph.now()
    events = []
    for i in range(8):
        start = now + i * SECOND // 10
        events += [note_on(start, 60 + i, 70 + i), note_off(start + SECOND // 20, 60 + i)]
    return events


def play(graph: Graph, publisher, events: list[TimedEvent]) -> None:
    """Publish each event when it is due, as a keyboard does."""
    writer = StreamWriter()
    for event in events:
        wait_until(lambda event=event: graph.now() >= event.time, 'its time')
        publisher.publish(String(data=writer.write([event])[0]))


def test_a_session_is_recorded_and_replayed_in_time(graph: Graph, improv) -> None:
    bag = graph.folder / 'bag'
    recording = improv('record', str(bag), '--audio')
    sound = publisher_to_two(graph, 'audio', Int16MultiArray)
    publisher = publisher_to_two(graph, 'heard_notes')
    events = phrase(graph)
    chunk = sound_of(events[0].time)
    sound.publish(audio_message(chunk))
    play(graph, publisher, events)
    heard = graph.texts['heard_notes']
    wait_until(lambda: len(heard) == 16, 'all of it')
    wait_until(lambda: len(read_bag(bag).messages) == 17, 'all of it in the bag')
    assert recording.leave() == 0
    assert f'{HEARD}  16 messages\n' in recording.said

    # Another library finds there what went over the topic, to the byte.
    with AnyReader([bag]) as reader:
        kept = [
            (time, reader.deserialize(raw, connection.msgtype).data)
            for connection, time, raw in reader.messages()
            if connection.topic == HEARD
        ]
    assert [text for _, text in kept] == heard
    for (time, _), event in zip(kept, events, strict=True):
        assert 0 <= time - event.time < promised(1) * SECOND

    heard.clear()
    graph.events['heard_notes'].clear()
    graph.probe.destroy_publisher(publisher)
    graph.probe.destroy_publisher(sound)
    graph.chunks.clear()
    before = graph.now()
    replay = improv('replay', str(bag))
    assert replay.process.wait(PATIENCE) == 0, replay.said
    wait_until(lambda: len(heard) == 16, 'the replay')
    assert 'another publisher' not in replay.said
    assert [parse(text).sequence for text in heard] == list(range(16))
    replayed = graph.events['heard_notes']
    assert [event[1:] for event in replayed] == [event[1:] for event in events]
    shift = replayed[0].time - events[0].time
    assert replayed[0].time > before
    assert {event.time - shift for event in replayed} == {event.time for event in events}
    (message,) = graph.chunks
    assert audio_chunk(message).time - shift == chunk.time
    assert message.data == audio_message(chunk).data


def test_a_player_plays_a_replay_as_it_was_announced(graph: Graph, improv) -> None:
    bag = graph.folder / 'bag'
    improv('record', str(bag))
    publisher = publisher_to_two(graph, 'generated_notes')
    events = [event._replace(time=event.time + SECOND // 2) for event in phrase(graph)]
    publisher.publish(String(data=StreamWriter().write(events)[0]))
    wait_until(lambda: len(read_bag(bag).messages) == 1, 'the message in the bag')
    graph.start(
        'midi_player',
        outputs='file',
        midi_file=str(graph.folder / 'played.mid'),
        late_tolerance=10.0,
    )
    wait_until(lambda: graph.healthy('midi_player'), 'a player')
    graph.probe.destroy_publisher(publisher)
    replay = improv('replay', str(bag), '--topics', 'generated_notes', '--rate', '2')
    assert replay.process.wait(PATIENCE) == 0, replay.said
    played = graph.events['played_notes']
    wait_until(lambda: len(played) >= 16, 'the music')
    notes, asked = paired(played), paired(events)
    assert [note.pitch for note in notes] == [note.pitch for note in asked]
    for note, due in zip(notes, asked, strict=True):  # twice as fast
        elapsed = note.start - notes[0].start
        assert abs(elapsed - (due.start - asked[0].start) / 2) < promised(0.2) * SECOND


def test_a_killed_recorder_keeps_all_but_the_last_second(graph: Graph, improv) -> None:
    bag = graph.folder / 'bag'
    recording = improv('record', str(bag))
    publisher = publisher_to_two(graph, 'heard_notes')
    play(graph, publisher, phrase(graph))
    publisher.publish(String(data='hello'))
    wait_until(lambda: len(graph.texts['heard_notes']) == 17, 'all of it')
    wait_until(lambda: len(read_bag(bag).messages) == 17, 'the last second', promised(1))

    def counted() -> int:
        with AnyReader([bag]) as reader:
            return reader.message_count

    wait_until(lambda: counted() == 17, 'the count of them', promised(1))
    assert recording.leave(signal.SIGKILL) == -signal.SIGKILL
    with AnyReader([bag]) as reader:
        assert reader.message_count == len(list(reader.messages())) == 17
    assert len(read_bag(bag).messages) == 17

    replay = improv('replay', str(bag), '--namespace', 'elsewhere')
    assert replay.process.wait(PATIENCE) == 0
    assert 'heard_notes has no subscriber' in replay.said
    assert '1 malformed messages skipped' in replay.said


def test_on_a_full_disk_recording_ends_in_words_and_with_a_whole_bag(graph: Graph, improv) -> None:
    bag = graph.folder / 'bag'
    recording = improv('record', str(bag))
    publisher = publisher_to_two(graph, 'heard_notes')
    for text in ('one', 'two', 'three'):
        publisher.publish(String(data=text))
    wait_until(lambda: len(read_bag(bag).messages) == 3, 'the bag')
    room = (bag / 'bag_0.mcap').stat().st_size + 1000
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(recording.process.pid, resource.RLIMIT_FSIZE, (room, unlimited))
    publisher.publish(String(data=os.urandom(10000).hex()))
    assert recording.process.wait(PATIENCE) == 1
    assert f'improv record: {bag}: File too large' in recording.said
    assert 'Traceback' not in recording.said
    kept = read_bag(bag)
    assert len(kept.messages) == 3
    assert not kept.truncated


def test_a_replay_that_is_stopped_leaves_no_note_sounding(graph: Graph, improv) -> None:
    bag = graph.folder / 'bag'
    improv('record', str(bag))
    publisher = publisher_to_two(graph, 'heard_notes')
    now = graph.now()
    events = [note_on(now, 60, 70), note_on(now + SECOND, 64, 70), note_off(now + 2 * SECOND, 60)]
    play(graph, publisher, events)
    wait_until(lambda: len(read_bag(bag).messages) == 3, 'all of it in the bag')
    heard = graph.events['heard_notes']
    heard.clear()
    graph.probe.destroy_publisher(publisher)
    replay = improv('replay', str(bag), '--loop')
    wait_until(lambda: any(e.values[:2] == (64, 70) for e in heard), 'the second note')
    assert replay.leave() == 0
    wait_until(lambda: not sounding(heard), 'the releases')


def sounding(events: list[TimedEvent]) -> set[int]:
    """Return the pitches that are down after some events."""
    last = {event.values[0]: event for event in list(events) if event.kind == 'no'}
    return {pitch for pitch, event in last.items() if is_note_on(event)}


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        (['replay', 'nowhere'], 'nowhere does not exist'),
        (['replay', '{bag}', '--topics', 'drums'], 'no topic drums; it has'),
        (['replay', '{bag}'], 'no message'),
        (['record', '{bag}'], 'exists already'),
    ],
)
def test_what_cannot_be_done_is_a_sentence(graph: Graph, improv, words, reason) -> None:
    BagWriter(graph.folder / 'bag', {HEARD: STRING}).close()
    command = improv(*(word.format(bag=graph.folder / 'bag') for word in words))
    assert command.process.wait(PATIENCE) == 2
    assert reason in command.said
    assert 'Traceback' not in command.said


def test_each_publisher_of_a_topic_is_followed_by_itself(graph: Graph, improv) -> None:
    bag = graph.folder / 'bag'
    recording = improv('record', str(bag))
    writers = [StreamWriter(), StreamWriter()]
    publishers = [publisher_to_two(graph, 'heard_notes') for _ in writers]
    for number in range(10):
        for publisher, writer in zip(publishers[: 1 + number // 5], writers, strict=False):
            note = note_on(graph.now(), 60 + number, 80)
            publisher.publish(String(data=writer.write([note])[0]))
    wait_until(lambda: len(read_bag(bag).messages) == 15, 'all of it in the bag')
    assert recording.leave() == 0
    assert f'{HEARD}  15 messages\n' in recording.said  # and none lost


def test_a_recorder_that_got_no_processor_for_a_while_has_lost_nothing(
    graph: Graph, improv
) -> None:
    bag = graph.folder / 'bag'
    recording = improv('record', str(bag))
    publisher = graph.probe.create_publisher(String, 'heard_notes', NOTES_QOS)
    wait_until(lambda: publisher.get_subscription_count() == 2, 'two listeners')
    recording.process.send_signal(signal.SIGSTOP)
    writer, now = StreamWriter(), graph.now()
    for number in range(900):
        publisher.publish(String(data=writer.write([note_on(now, number % 128, 80)])[0]))
    recording.process.send_signal(signal.SIGCONT)
    wait_until(lambda: len(read_bag(bag).messages) == 900, 'all of it in the bag')
    assert recording.leave() == 0
    assert f'{HEARD}  900 messages\n' in recording.said
