from queue import Empty, SimpleQueue
import socket
import time

import mido
import pytest

from fixtures_midi import jack_server, tried_again  # noqa: F401
from improv_ros.event_text import control_change, message_of, note_off, note_on
from improv_ros.playing import ports
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.input import KeyboardInput
from improv_ros.playing.outputs.port import PortOutput
from improv_ros.playing.player import Player

MILLISECOND = 1_000_000
PATIENCE = 4.0  # seconds


@pytest.fixture
def no_alsa(monkeypatch, tmp_path):
    monkeypatch.setattr(ports, 'ALSA_SEQUENCER', tmp_path / 'no-such-sequencer')


@pytest.fixture
def socket_address():
    with socket.create_server(('127.0.0.1', 0)) as probe:
        return f'socket://127.0.0.1:{probe.getsockname()[1]}'


def collect(queue, count):
    """Return what comes into the queue, `count` items or as many as come in time."""
    items = []
    deadline = time.monotonic() + PATIENCE
    try:
        while len(items) < count:
            items.append(queue.get(timeout=max(0.0, deadline - time.monotonic())))
    except Empty:
        pass
    return items


def scale(start):
    """Twenty notes, 20 ms each."""
    for step in range(20):
        time_on = start + step * 20 * MILLISECOND
        yield note_on(time_on, 50 + step, 60 + step)
        yield note_off(time_on + 15 * MILLISECOND, 50 + step)


def messages_of(events):
    return [message_of(event.kind, event.values) for event in events]


@pytest.mark.usefixtures('jack_server', 'no_alsa')
@tried_again
def test_every_message_arrives_over_jack_in_order_and_in_time():
    received = SimpleQueue()
    backend = mido.Backend('mido.backends.rtmidi/UNIX_JACK')

    def receive(message):
        received.put((time.monotonic_ns(), message))

    with (
        backend.open_input('grand piano', virtual=True, callback=receive),
        Player([PortOutput('Grand PIANO')]) as player,
    ):
        assert player.problems == {}
        start = time.monotonic_ns() + 100 * MILLISECOND
        events = list(scale(start))
        player.submit(events)
        arrived = collect(received, len(events))
    assert [message for _, message in arrived] == messages_of(events)
    offsets = [at - event.time for (at, _), event in zip(arrived, events, strict=True)]
    assert min(offsets) > -MILLISECOND
    assert sorted(offsets)[len(offsets) // 2] < 100 * MILLISECOND


@pytest.mark.usefixtures('jack_server', 'no_alsa')
@tried_again
def test_stop_releases_what_sounds_before_the_port_is_closed():
    received = SimpleQueue()
    backend = mido.Backend('mido.backends.rtmidi/UNIX_JACK')
    with backend.open_input('listener', virtual=True, callback=received.put):
        with Player([PortOutput('listener', api='jack')]) as player:
            now = time.monotonic_ns()
            player.submit([note_on(now, 60, 64), control_change(now, 64, 127)])
            collected = collect(received, 2)
        collected += collect(received, 3)
    assert collected[2:] == messages_of(
        [note_off(0, 60), control_change(0, 64, 0), control_change(0, 123, 0)]
    )


@pytest.mark.usefixtures('jack_server', 'no_alsa')
@tried_again
def test_a_virtual_output_can_be_found_and_heard_by_a_keyboard_input():
    heard = SimpleQueue()
    output = PortOutput('robot', virtual=True)
    output.open()
    keyboard = KeyboardInput('ROBO', heard.put)
    keyboard.open()
    try:
        time.sleep(0.2)  # the connection takes effect with JACK's next period
        now = time.monotonic_ns()
        sent = [note_on(now, 60, 64, 3), control_change(now, 64, 127, 3)]
        for event in sent:
            output.send(event)
        events = collect(heard, 2)
    finally:
        keyboard.close()
        output.close()
    assert [event[1:] for event in events] == [event[1:] for event in sent]
    assert all(abs(event.time - now) < PATIENCE * 1e9 for event in events)
    released = collect(heard, 2)
    assert [event[1:] for event in released] == [
        note_off(0, 60, 3)[1:],
        control_change(0, 64, 0, 3)[1:],
    ]


@pytest.mark.usefixtures('jack_server', 'no_alsa')
def test_a_wrong_name_is_answered_with_the_right_ones():
    keyboard = KeyboardInput('marimba', print, virtual=True)
    keyboard.open()
    try:
        assert any('marimba' in name for name in ports.output_names())
        with pytest.raises(PlayingError, match=r"'harp'.*marimba"):
            PortOutput('harp').open()
    finally:
        keyboard.close()


def test_without_any_midi_system_the_error_names_the_remedies(no_alsa, monkeypatch):
    monkeypatch.setenv('JACK_DEFAULT_SERVER', 'no-such-server')
    with pytest.raises(PlayingError, match=r'no ALSA sequencer.*no-such-server.*jackd'):
        PortOutput('piano').open()
    with pytest.raises(PlayingError, match=r'no ALSA sequencer.*snd-seq'):
        PortOutput('piano', api='alsa').open()


def test_an_unknown_api_is_refused():
    with pytest.raises(PlayingError, match=r"'coremidi'.*alsa, jack"):
        PortOutput('piano', api='coremidi').open()


def test_over_a_socket_every_message_arrives_normalised(socket_address):
    heard = SimpleQueue()
    keyboard = KeyboardInput(socket_address, heard.put)
    keyboard.open()
    output = PortOutput(socket_address)
    output.open()
    try:
        for message in (
            mido.Message('note_on', note=60, velocity=64),
            mido.Message('clock'),
            mido.Message('note_off', note=60, velocity=99),
            mido.Message('note_on', note=62, velocity=64),
            mido.Message('note_on', note=62, velocity=0),
            mido.Message('pitchwheel', pitch=-100),
        ):
            output._port.send(message)
        events = collect(heard, 5)
    finally:
        output.close()
        keyboard.close()
    assert [(event.kind, event.values) for event in events] == [
        ('no', (60, 64, 0)),
        ('no', (60, 0, 0)),
        ('no', (62, 64, 0)),
        ('no', (62, 0, 0)),
        ('pw', (0, -100)),
    ]
    assert heard.empty()


def test_a_sender_that_goes_leaves_no_note_held_and_another_may_come(socket_address):
    heard = SimpleQueue()
    keyboard = KeyboardInput(socket_address, heard.put)
    keyboard.open()
    try:
        for pitch in (60, 61):
            output = PortOutput(socket_address)
            output.open()
            output.send(note_on(0, pitch, 64))
            assert collect(heard, 1)[0].values == (pitch, 64, 0)
            output.close()
            assert collect(heard, 1)[0].values == (pitch, 0, 0)
    finally:
        keyboard.close()


def test_an_output_that_is_gone_and_comes_back_is_opened_again(socket_address):
    heard = SimpleQueue()
    with Player([PortOutput(socket_address)]) as player:
        assert 'nobody listens' in player.problems[f'port {socket_address}']
        keyboard = KeyboardInput(socket_address, heard.put)
        keyboard.open()
        try:
            deadline = time.monotonic() + 2 * PATIENCE
            while player.problems and time.monotonic() < deadline:
                time.sleep(0.05)
            assert player.problems == {}
            player.submit([note_on(time.monotonic_ns(), 60, 64)])
            assert collect(heard, 1)[0].values == (60, 64, 0)
        finally:
            keyboard.close()


@pytest.mark.parametrize('address', ['socket://', 'socket://host', 'socket://host:0'])
def test_a_malformed_address_is_refused(address):
    with pytest.raises(PlayingError, match='socket://host:port'):
        PortOutput(address).open()
