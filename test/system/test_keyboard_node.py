"""The keyboard node and the player's port: real MIDI messages over a real JACK server."""

from __future__ import annotations

import mido
import pytest
from std_msgs.msg import String

from fixtures_midi import jack_server  # noqa: F401
from graph import Graph, free_port, wait_until
from improv_ros.event_text import StreamWriter, TimedEvent, is_note_on, note_off, note_on

SECOND = 1_000_000_000
pytestmark = pytest.mark.usefixtures('jack_server')


def play_through(graph: Graph, port: str) -> tuple[list[TimedEvent], list[TimedEvent]]:
    """Play two octaves into the port and return what was sent and what the keyboard heard."""
    player = graph.start('midi_player', outputs='port', port=port, midi_api='jack')
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
    assert player.leave() < 2
    assert player.process.returncode == 0
    return sent, graph.events['heard_notes']


def test_what_the_player_sends_comes_back_through_the_keyboard(graph: Graph) -> None:
    port = f'socket://localhost:{free_port()}'
    graph.start('midi_keyboard', ports=port)
    wait_until(lambda: graph.healthy('midi_keyboard'), 'a keyboard')
    sent, heard = play_through(graph, port)
    wait_until(lambda: len(heard) >= len(sent), 'every note on the other side')
    assert [event[1:] for event in heard[: len(sent)]] == [event[1:] for event in sent]
    for due, received in zip(sent, heard, strict=False):
        assert -0.01 < (received.time - due.time) / SECOND < 0.3


def test_real_midi_ports_carry_it_too(graph: Graph) -> None:
    """Without real-time rights a busy JACK loses whole periods, so most is enough here."""
    graph.start('midi_keyboard', ports='improv keys', virtual_port=True, midi_api='jack')
    wait_until(lambda: graph.healthy('midi_keyboard'), 'a keyboard')
    sent, heard = play_through(graph, 'improv keys')
    played = [event.values for event in sent if is_note_on(event)]
    received = [event.values for event in heard if is_note_on(event)]
    assert set(received) <= set(played)
    assert received == sorted(received)
    assert len(received) >= 0.7 * len(played)


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
        assert node.leave() < 2
        wait_until(lambda: heard[-1].values[:2] == (60, 0), 'its release')
    assert node.process.returncode == 0
