# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The keyboard node and the player's port: real MIDI messages over a real JACK server."""

from __future__ import annotations

import time

import mido
import pytest
from std_msgs.msg import String

from fixtures_midi import jack_server  # noqa: F401
from graph import Graph, free_port, wait_until
from improv_ros.event_text import (
    SECOND,
    StreamWriter,
    TimedEvent,
    control_change,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.playing.midi.keyboards import velocity_curve
from improv_ros.playing.outputs.port_output import PortOutput
from timing import promised

pytestmark = pytest.mark.usefixtures('jack_server')


def play_through(graph: Graph, port: str) -> tuple[list[TimedEvent], list[TimedEvent]]:
    """Play two octaves into the port and return what was sent and what the keyboard heard."""
    player = graph.start(
        'midi_player', outputs='port', port=port, midi_api='jack', late_tolerance=10.0
    )
    publisher = graph.publisher('generated_notes')
    start = graph.now() + SECOND // 2
    sent = [
        event
        for i, pitch in enumerate(range(48, 72))
        for event in (
            note_on(start + i * SECOND // 20, pitch, 40 + pitch),
            note_off(start + i * SECOND // 20 + SECOND // 25, pitch),
        )
    ]
    publisher.publish(String(data=StreamWriter().write(sent)[0]))
    wait_until(lambda: len(graph.events['played_notes']) >= len(sent), 'the last note')
    assert player.leave() < promised(2)
    assert player.process.returncode == 0
    return sent, graph.events['heard_notes']


def notes_of(events: list[TimedEvent]) -> list[TimedEvent]:
    """Return the notes without what a port is told when it is opened and closed."""
    return [event for event in list(events) if event.kind == 'no']


def test_what_the_player_sends_comes_back_through_the_keyboard(graph: Graph) -> None:
    port = f'socket://localhost:{free_port()}'
    graph.start('midi_keyboard', ports=port)
    wait_until(lambda: graph.healthy('midi_keyboard'), 'a keyboard')
    sent, heard = play_through(graph, port)
    wait_until(lambda: len(notes_of(heard)) >= len(sent), 'every note on the other side')
    assert [event[1:] for event in notes_of(heard)] == [event[1:] for event in sent]
    confirmed = graph.events['confirmed_notes']
    wait_until(lambda: len(confirmed) >= len(heard), 'the same on the other topic')
    assert [event[1:] for event in confirmed] == [event[1:] for event in heard]
    assert all(abs(c.time - h.time) < SECOND // 20 for c, h in zip(confirmed, heard, strict=True))
    for due, received in zip(sent, notes_of(heard), strict=True):
        assert -0.01 < (received.time - due.time) / SECOND < promised(0.3)


def test_real_midi_ports_carry_it_too(graph: Graph) -> None:
    graph.start('midi_keyboard', ports='improv keys', virtual_port=True, midi_api='jack')
    wait_until(lambda: graph.healthy('midi_keyboard'), 'a keyboard')
    sent, heard = play_through(graph, 'improv keys')
    played = [event.values for event in sent if is_note_on(event)]
    wait_until(lambda: sum(map(is_note_on, heard)) >= len(played), 'every note')
    received = [event.values for event in heard if is_note_on(event)]
    assert received == played


def test_a_keyboard_that_is_not_there_is_a_state(graph: Graph) -> None:
    node = graph.start('midi_keyboard', ports='no such keyboard', midi_api='jack')
    wait_until(lambda: 'no such keyboard' in graph.says('midi_keyboard'), 'the reason')
    assert node.process.poll() is None


def test_keys_held_when_the_node_leaves_are_released(graph: Graph) -> None:
    node = graph.start('midi_keyboard', ports='improv keys', virtual_port=True, midi_api='jack')
    wait_until(lambda: graph.healthy('midi_keyboard'), 'a keyboard')
    backend = mido.Backend('mido.backends.rtmidi/UNIX_JACK')
    name = next(n for n in backend.get_output_names() if 'improv keys' in n)
    with backend.open_output(name) as port:
        port.send(mido.Message('note_on', note=60, velocity=70))
        heard = graph.events['heard_notes']
        wait_until(lambda: any(map(is_note_on, heard)), 'the key')
        assert node.leave() < promised(2)
        wait_until(lambda: heard[-1].values[:2] == (60, 0), 'its release')
    assert node.process.returncode == 0


def test_a_keyboard_that_vanishes_is_reported_let_go_of_and_found_again(graph: Graph) -> None:
    node = graph.start('midi_keyboard', ports='digital piano', midi_api='jack')
    backend = mido.Backend('mido.backends.rtmidi/UNIX_JACK')
    heard = graph.events['heard_notes']

    def strike(port: mido.ports.BaseOutput, pitch: int) -> None:
        def is_heard() -> bool:
            port.send(mido.Message('note_on', note=pitch, velocity=70))
            time.sleep(0.2)
            return any(is_note_on(event) and event.values[0] == pitch for event in heard)

        wait_until(is_heard, f'key {pitch}')

    with backend.open_output('digital piano', virtual=True) as piano:
        wait_until(lambda: graph.healthy('midi_keyboard'), 'a keyboard')
        strike(piano, 60)
    wait_until(lambda: 'digital piano' in graph.says('midi_keyboard'), 'the reason')
    wait_until(lambda: heard[-1].values[:2] == (60, 0), 'its release')
    assert node.process.poll() is None
    with backend.open_output('digital piano', virtual=True) as piano:
        wait_until(lambda: graph.healthy('midi_keyboard'), 'the keyboard again')
        strike(piano, 62)
    assert node.leave() < promised(2)
    assert 'Traceback' not in node.said


@pytest.mark.jazzy
def test_two_keyboards_are_merged_their_channels_and_half_pedals_kept(graph: Graph) -> None:
    addresses = [f'socket://localhost:{free_port()}' for _ in range(2)]
    graph.start('midi_keyboard', ports=', '.join(addresses), velocity_curve='heavy')
    wait_until(lambda: graph.healthy('midi_keyboard'), 'keyboards')
    heard = graph.events['heard_notes']
    for channel, address in enumerate(addresses):
        output = PortOutput(address)
        output.open()
        # A port is first told to end all notes and to lift the pedals, none of which is down.
        wait_until(lambda: len(heard) == 16, 'that it is silenced')
        heard.clear()
        output.send(control_change(0, 64, 45, channel))
        output.send(note_on(0, 60, 64, channel))
        wait_until(lambda: heard and is_note_on(heard[-1]), 'the key')
        output.close()
        wait_until(lambda: len(heard) == 4, 'its release')
        assert [event[1:] for event in heard] == [
            ('cc', (channel, 64, 45)),
            ('no', (60, velocity_curve('heavy')[64], channel)),
            ('no', (60, 0, channel)),
            ('cc', (channel, 64, 0)),
        ]
        heard.clear()
