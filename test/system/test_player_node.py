# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The player node: a real process, real messages, a real MIDI route."""

from __future__ import annotations

from queue import SimpleQueue
import signal
import subprocess
import sys

import mido
import pytest
from std_msgs.msg import String
from std_srvs.srv import Trigger

from graph import Graph, free_port, wait_until
from improv_ros.event_text import (
    SECOND,
    StreamWriter,
    TimedEvent,
    clear,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.playing.midi.keyboard_input import KeyboardInput
from timing import promised

pytestmark = pytest.mark.jazzy

LOADED = 'import sys, improv_ros.nodes.midi_player; print(*sys.modules)'


def test_notes_are_played_at_their_time_and_reported(graph: Graph) -> None:
    path = graph.folder / 'played.mid'
    graph.start('midi_player', outputs='file', midi_file=str(path), late_tolerance=10.0)
    publisher = graph.publisher('generated_notes')
    start = graph.now() + SECOND
    events = [
        event
        for i, pitch in enumerate((60, 64, 67, 72))
        for event in (
            note_on(start + i * SECOND // 4, pitch, 80),
            note_off(start + i * SECOND // 4 + SECOND // 5, pitch),
        )
    ]
    for text in StreamWriter().write(events):
        publisher.publish(String(data=text))
    played = graph.events['played_notes']
    wait_until(lambda: len(played) >= 8, 'eight events played')
    assert [event[1:] for event in played[:8]] == [event[1:] for event in events]
    for due, sent in zip(events, played, strict=False):
        assert -0.001 < (sent.time - due.time) / SECOND < promised(0.2)

    node = graph.nodes[0]
    assert node.leave() < promised(2)
    assert node.process.returncode == 0
    assert 'Traceback' not in node.said
    notes = [m for m in mido.MidiFile(path) if m.type == 'note_on' and m.velocity]
    assert [m.note for m in notes] == [60, 64, 67, 72]


def test_a_clear_silences_what_sounds_and_what_was_to_come(graph: Graph) -> None:
    graph.start(
        'midi_player',
        outputs='file',
        midi_file=str(graph.folder / 'played.mid'),
        late_tolerance=10.0,
    )
    publisher = graph.publisher('generated_notes')
    writer = StreamWriter()
    now = graph.now()
    held = [note_on(now + SECOND // 5, 60, 80), note_off(now + 60 * SECOND, 60)]
    later = [note_on(now + 5 * SECOND, 62, 80), note_off(now + 6 * SECOND, 62)]
    publisher.publish(String(data=writer.write(held + later)[0]))
    played = graph.events['played_notes']
    wait_until(lambda: played, 'the held note')
    publisher.publish(String(data=writer.write([clear(graph.now())])[0]))
    wait_until(lambda: len(played) >= 2, 'its release')
    wait_until(
        lambda: graph.now() > now + 5 * SECOND + SECOND // 5, 'the time of the withdrawn note'
    )
    assert [event.values[:2] for event in played] == [(60, 80), (60, 0)]


def test_bad_messages_are_skipped_and_counted_and_good_ones_still_played(graph: Graph) -> None:
    node = graph.start(
        'midi_player',
        outputs='file',
        midi_file=str(graph.folder / 'p.mid'),
        late_tolerance=10.0,
    )
    publisher = graph.publisher('generated_notes')
    for text in ('', 'hello', 'rs_500\n0_no_60_64', 'rs_500\nat_1_0\nsq_0\n0_no_60_640\n'):
        publisher.publish(String(data=text))
    events = [note_on(graph.now(), 60, 80), note_off(graph.now() + SECOND // 10, 60)]
    publisher.publish(String(data=StreamWriter().write(events)[0]))
    wait_until(lambda: len(graph.events['played_notes']) >= 2, 'the good message')
    wait_until(
        lambda: graph.figures('midi_player').get('generated_notes malformed') == '4',
        'four malformed messages in the diagnostics',
    )
    assert node.process.poll() is None
    assert 'message skipped' in node.said


def test_leaving_releases_every_note(graph: Graph) -> None:
    path = graph.folder / 'played.mid'
    node = graph.start('midi_player', outputs='file', midi_file=str(path), late_tolerance=10.0)
    publisher = graph.publisher('generated_notes')
    now = graph.now()
    chord = [note_on(now, pitch, 80) for pitch in (48, 55, 64)]
    ends = [note_off(now + 60 * SECOND, pitch) for pitch in (48, 55, 64)]
    publisher.publish(String(data=StreamWriter().write(chord + ends)[0]))
    wait_until(lambda: len(graph.events['played_notes']) >= 3, 'the chord')
    assert node.leave(signal.SIGTERM) < promised(2)
    assert node.process.returncode == 0
    sounding = set()
    for message in mido.MidiFile(path):
        if message.type == 'note_on' and message.velocity:
            sounding.add(message.note)
        elif message.type in ('note_on', 'note_off'):
            sounding.discard(message.note)
    assert not sounding
    released = [e for e in graph.events['played_notes'] if e.kind == 'no' and not is_note_on(e)]
    assert len(released) == 3


def test_a_missing_soundfont_is_a_sentence_not_a_crash(graph: Graph) -> None:
    wav = str(graph.folder / 'played.wav')
    node = graph.start('midi_player', outputs='wav', wav_file=wav, soundfont='/nowhere/piano.sf2')
    wait_until(lambda: '/nowhere/piano.sf2' in graph.says('midi_player'), 'the reason')
    assert node.process.poll() is None


def test_soft_notes_are_sent_ahead_and_told_when_they_sound(graph: Graph) -> None:
    address = f'socket://127.0.0.1:{free_port()}'
    heard: SimpleQueue[tuple[int, TimedEvent]] = SimpleQueue()

    def hear(event: TimedEvent) -> None:
        if event.kind == 'no':
            heard.put((graph.now(), event))

    keyboard = KeyboardInput(address, hear)
    keyboard.open()
    try:
        graph.start(
            'midi_player',
            outputs='port',
            port=address,
            strike_latency='10:0.4, 100:0.0',
            late_tolerance=10.0,
            output_latency=0.1,
        )
        publisher = graph.publisher('generated_notes')
        wait_until(lambda: graph.healthy('midi_player'), 'the player')
        start = graph.now() + SECOND
        chord = [note_on(start, 60, 10), note_on(start, 64, 100)]
        ends = [note_off(start + SECOND // 2, pitch) for pitch in (60, 64)]
        publisher.publish(String(data=StreamWriter().write(chord + ends)[0]))
        played = graph.events['played_notes']
        wait_until(lambda: len(played) >= 4, 'the chord')
    finally:
        keyboard.close()
    sent = {event.values[:2]: at - start for at, event in (heard.get() for _ in range(4))}
    for (pitch, velocity), expected in [((60, 10), -0.5), ((64, 100), -0.1), ((60, 0), 0.4)]:
        assert -0.001 < sent[pitch, velocity] / SECOND - expected < promised(0.1)
    for told, due in zip(played, [*chord, *ends], strict=True):
        assert -SECOND // 1000 < told.time - due.time < promised(0.1) * SECOND


def test_panic_silences_every_channel(graph: Graph) -> None:
    graph.start(
        'midi_player',
        outputs='file',
        midi_file=str(graph.folder / 'played.mid'),
        late_tolerance=10.0,
    )
    publisher = graph.publisher('generated_notes')
    soon = graph.now() + SECOND // 2
    held = [note_on(soon, 60, 80), note_off(soon + 60 * SECOND, 60)]
    publisher.publish(String(data=StreamWriter().write(held)[0]))
    played = graph.events['played_notes']
    wait_until(lambda: played, 'the held note')
    client = graph.probe.create_client(Trigger, 'midi_player/panic')
    wait_until(client.service_is_ready, 'the service')
    assert wait_until(client.call_async(Trigger.Request()).result, 'an answer').success
    wait_until(lambda: len(played) >= 2 + 3 * 16, 'its release, and silence everywhere')
    assert played[1].values == (60, 0, 0)
    assert {event.values[0] for event in played[2:] if event.values[1] == 120} == set(range(16))


def test_wrong_strike_latencies_are_refused_in_words(graph: Graph) -> None:
    graph.start('midi_player', outputs='port', virtual_port=True, strike_latency='soft')
    wait_until(lambda: "'soft' is not velocity:seconds" in graph.says('midi_player'), 'the reason')


def test_real_time_priority_is_taken_or_the_remedy_told(graph: Graph) -> None:
    path = graph.folder / 'played.mid'
    node = graph.start('midi_player', outputs='file', midi_file=str(path), realtime_priority=20)
    told = wait_until(
        lambda: graph.figures('midi_player').get('real-time priority'), 'word of the priority'
    )
    if told == '20':
        assert 'rtprio' not in node.said
    else:
        assert 'rtkit' in told and 'limits' in told
        assert told in node.said


def test_the_process_of_the_player_holds_nothing_that_is_not_its_own() -> None:
    listing = subprocess.run(
        [sys.executable, '-c', LOADED], capture_output=True, text=True, check=True
    )
    loaded = set(listing.stdout.split())
    assert 'improv_ros.playing.player' in loaded
    foreign = ('tensorflow', 'keras', 'ai_edge_litert', 'pyaudio', 'soxr', 'fluidsynth', 'rtmidi')
    rooms = ('listening', 'improvising', 'training')
    assert loaded.isdisjoint([*foreign, *(f'improv_ros.{room}' for room in rooms)])
