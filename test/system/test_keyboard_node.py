"""The keyboard node and the player's port: real MIDI messages over a real JACK server."""

from __future__ import annotations

import mido
import pytest
from std_msgs.msg import String

from fixtures_midi import jack_server  # noqa: F401
from graph import Graph, wait_until
from improv_ros.event_text import StreamWriter, is_note_on, note_off, note_on

SECOND = 1_000_000_000
pytestmark = pytest.mark.usefixtures('jack_server')


def test_what_the_player_sends_to_a_port_comes_back_through_the_keyboard(graph: Graph) -> None:
    graph.start('midi_keyboard', port='improv keys', virtual_port=True, midi_api='jack')
    wait_until(lambda: graph.healthy('midi_keyboard'), 'a keyboard')
    player = graph.start('midi_player', outputs='port', port='improv keys', midi_api='jack')
    publisher = graph.publisher('generated_notes')
    start = graph.now() + SECOND // 2
    pitches = list(range(48, 72))
    events = [
        event
        for i, pitch in enumerate(pitches)
        for event in (
            note_on(start + i * SECOND // 20, pitch, 40 + pitch),
            note_off(start + i * SECOND // 20 + SECOND // 25, pitch),
        )
    ]
    publisher.publish(String(data=StreamWriter().write(events)[0]))
    heard = graph.events['heard_notes']
    wait_until(lambda: len(heard) >= len(events), 'every note on the other side')
    assert [e[1:] for e in heard[: len(events)]] == [e[1:] for e in events]
    for sent, received in zip(events, heard, strict=False):
        assert -0.01 < (received.time - sent.time) / SECOND < 0.3
    assert player.leave() < 2
    assert player.process.returncode == 0


def test_a_keyboard_that_is_not_there_is_a_state(graph: Graph) -> None:
    node = graph.start('midi_keyboard', port='no such keyboard', midi_api='jack')
    wait_until(lambda: 'no such keyboard' in graph.says('midi_keyboard'), 'the reason')
    assert node.process.poll() is None


def test_keys_held_when_the_node_leaves_are_released(graph: Graph) -> None:
    node = graph.start('midi_keyboard', port='improv keys', virtual_port=True, midi_api='jack')
    wait_until(lambda: graph.healthy('midi_keyboard'), 'a keyboard')
    backend = mido.Backend('mido.backends.rtmidi/UNIX_JACK')
    name = next(n for n in backend.get_output_names() if 'improv keys' in n)
    with backend.open_output(name) as port:
        port.send(mido.Message('note_on', note=60, velocity=70))
        heard = graph.events['heard_notes']
        wait_until(lambda: any(map(is_note_on, heard)), 'the key')
        assert node.leave() < 2
        wait_until(lambda: heard[-1].values[:2] == (60, 0), 'its release')
    assert node.process.returncode == 0
