# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import contextlib
import os
from queue import Empty, SimpleQueue
import signal
import socket
import subprocess
import sys
from threading import Thread
import time

import mido
import pytest

from fixtures_midi import jack_server  # noqa: F401
from improv_ros.event_text import control_change, message_of, note_off, note_on
from improv_ros.playing import PlayingError
from improv_ros.playing import player as player_module
from improv_ros.playing.midi import port_names
from improv_ros.playing.midi.keyboard_input import KeyboardInput
from improv_ros.playing.midi.local_port import alsa_connection_problem
from improv_ros.playing.outputs.port_output import SILENCE, PortOutput
from improv_ros.playing.player import Player
from timing import PATIENCE, promised

MILLISECOND = 1_000_000
JACK = mido.Backend('mido.backends.rtmidi/UNIX_JACK')


# The format of /proc/asound/seq/clients.
SEQUENCER_CLIENTS = """Client info
  cur  clients : 4
  peak clients : 4
  max  clients : 192

Client   0 : "System" [Kernel Legacy]
  Port   0 : "Timer" (Rwe-) [In/Out]
  Port   1 : "Announce" (R-e-) [In]
Client  20 : "Disklavier" [Kernel Legacy]
  Port   0 : "Disklavier MIDI 1" (RWeX) [In/Out]
    Connected From: 128:0
Client 128 : "improv_ros-7-1" [User Legacy]
  Port   0 : "output" (R-e-) [In]
    Connecting To: 20:0
  Output pool :
    Pool size          : 500
Client 129 : "improv_ros-7-2" [User Legacy]
  Port   0 : "output" (R-e-) [In]
"""


LISTENER = """
import sys
import mido

def hear(message):
    if message.type == 'note_on':
        print(message.note, message.velocity, flush=True)

port = mido.Backend('mido.backends.rtmidi/UNIX_JACK').open_input(
    'listener', virtual=True, callback=hear
)
print('listening', flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(player_module, 'WATCH_PERIOD', 0.05)
    # No event is dropped as too late on a busy machine.
    _, *others = Player.__init__.__defaults__
    monkeypatch.setattr(Player.__init__, '__defaults__', (60_000_000_000, *others))
    monkeypatch.setattr(player_module, 'FIRST_PAUSE', 0.1)


@pytest.fixture
def no_alsa(monkeypatch, tmp_path):
    monkeypatch.setattr(port_names, 'ALSA_SEQUENCER', tmp_path / 'no-such-sequencer')


@pytest.fixture
def socket_address():
    with socket.create_server(('127.0.0.1', 0)) as probe:
        return f'socket://127.0.0.1:{probe.getsockname()[1]}'


def collect(queue, count):
    """Return `count` items of the queue, or as many as arrive in time."""
    items = []
    deadline = time.monotonic() + PATIENCE
    try:
        while len(items) < count:
            items.append(queue.get(timeout=max(0.0, deadline - time.monotonic())))
    except Empty:
        pass
    return items


def after_the_silence(hear):
    """Return a callback that skips the silence that every port is sent first."""
    silence = iter(SILENCE)

    def listen(*heard):
        if next(silence, None) is None:
            hear(*heard)

    return listen


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def scale(start):
    """Twenty notes, 20 ms each."""
    for step in range(20):
        time_on = start + step * 20 * MILLISECOND
        yield note_on(time_on, 50 + step, 60 + step)
        yield note_off(time_on + 15 * MILLISECOND, 50 + step)


def messages_of(events):
    return [message_of(event.kind, event.values) for event in events]


@pytest.mark.usefixtures('jack_server', 'no_alsa')
def test_every_message_arrives_over_jack_in_order_and_in_time():
    received = SimpleQueue()

    def receive(message):
        received.put((time.monotonic_ns(), message))

    with (
        JACK.open_input('grand piano', virtual=True, callback=after_the_silence(receive)),
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
    assert sorted(offsets)[len(offsets) // 2] < promised(0.1) * 1e9


@pytest.mark.usefixtures('jack_server', 'no_alsa')
def test_stop_releases_what_sounds_before_the_port_is_closed():
    received = SimpleQueue()
    hear = after_the_silence(received.put)
    with JACK.open_input('listener', virtual=True, callback=hear):
        with Player([PortOutput('listener', api='jack')]) as player:
            now = time.monotonic_ns()
            player.submit([note_on(now, 60, 64), control_change(now, 64, 127)])
            collected = collect(received, 2)
        collected += collect(received, 3)
    assert collected[2:] == messages_of(
        [note_off(0, 60), control_change(0, 64, 0), control_change(0, 123, 0)]
    )


@pytest.mark.usefixtures('jack_server', 'no_alsa')
def test_a_keyboard_input_receives_from_a_virtual_output():
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
def test_an_instrument_that_returns_is_released_and_receives_no_late_event():
    with Player([PortOutput('marimba')]) as player:
        marimba = JACK.open_input('marimba', virtual=True)
        wait_until(lambda: not player.problems)
        now = time.monotonic_ns()
        player.submit([note_on(now, 60, 64)])
        wait_until(lambda: player.pending == 0)
        marimba.close()
        wait_until(lambda: 'marimba' in player.problems.get('port marimba', ''))
        now = time.monotonic_ns()
        while_away = [note_on(now, 62, 64), note_off(now + MILLISECOND, 62)]
        player.submit([*while_away, note_on(now, 64, 64)])
        heard = SimpleQueue()
        hear = after_the_silence(heard.put)
        with JACK.open_input('marimba', virtual=True, callback=hear):
            wait_until(lambda: not player.problems)
            now = time.monotonic_ns()
            after = [note_on(now, 65, 64), note_off(now + MILLISECOND, 65)]
            player.submit([note_off(now, 60), note_off(now, 64), *after])
            messages = collect(heard, 5)
    held = [note_off(0, 60), control_change(0, 64, 0), control_change(0, 123, 0)]
    assert messages == messages_of([*held, *after])


@contextlib.contextmanager
def listening_process():
    """A port 'listener' in a process of its own, because a server's death harms its clients."""
    process = subprocess.Popen(
        [sys.executable, '-c', LISTENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    heard = SimpleQueue()
    reader = Thread(target=lambda: [heard.put(line.strip()) for line in process.stdout])
    reader.start()
    try:
        assert collect(heard, 1) == ['listening']
        yield heard
    finally:
        process.kill()
        reader.join()
        process.communicate()


@pytest.mark.usefixtures('no_alsa')
def test_the_death_of_a_jack_server_is_detected_and_a_new_one_is_found(jack_server):  # noqa: F811
    with contextlib.ExitStack() as stack:
        with listening_process() as heard:
            player = stack.enter_context(Player([PortOutput('listener')]))
            assert player.problems == {}
            player.submit([note_on(time.monotonic_ns(), 60, 64)])
            assert collect(heard, 1) == ['60 64']
            jack_server.kill()
        wait_until(lambda: player.problems)
        jack_server.start()
        heard = stack.enter_context(listening_process())
        wait_until(lambda: not player.problems)
        player.submit([note_on(time.monotonic_ns(), 62, 64)])
        assert collect(heard, 2) == ['60 0', '62 64']


@pytest.mark.usefixtures('jack_server', 'no_alsa')
def test_the_player_survives_the_crash_of_a_jack_client():
    with JACK.open_input('listener', virtual=True):
        output = PortOutput('listener')
        with Player([output]) as player:
            os.kill(output._port._helper._process.pid, signal.SIGKILL)
            wait_until(lambda: 'ended' in player.problems.get('port listener', ''))
            wait_until(lambda: not player.problems)


@pytest.mark.parametrize(
    ('client', 'problem'), [('improv_ros-7-1', False), ('improv_ros-7-2', True), ('other', True)]
)
def test_alsa_connections_are_read_from_the_kernel(tmp_path, client, problem):
    clients = tmp_path / 'clients'
    clients.write_text(SEQUENCER_CLIENTS)
    assert bool(alsa_connection_problem(client, clients)) == problem
    assert alsa_connection_problem(client, tmp_path / 'absent') == ''


@pytest.mark.usefixtures('jack_server', 'no_alsa')
def test_an_unknown_port_name_is_answered_with_the_existing_names():
    keyboard = KeyboardInput('marimba', print, virtual=True)
    keyboard.open()
    try:
        assert any('marimba' in name for name in port_names.output_names())
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
    keyboard = KeyboardInput(socket_address, after_the_silence(heard.put))
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
            output._port.send(message.bin())
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


def test_a_sender_that_leaves_is_released_and_another_can_connect(socket_address):
    heard = SimpleQueue()
    keyboard = KeyboardInput(socket_address, heard.put)
    keyboard.open()
    try:
        for pitch in (60, 61):
            output = PortOutput(socket_address)
            output.open()
            assert len(collect(heard, len(SILENCE))) == len(SILENCE)
            output.send(note_on(0, pitch, 64))
            assert collect(heard, 1)[0].values == (pitch, 64, 0)
            output.close()
            assert collect(heard, 1)[0].values == (pitch, 0, 0)
    finally:
        keyboard.close()


def test_an_output_that_returns_is_opened_again(socket_address):
    heard = SimpleQueue()
    with Player([PortOutput(socket_address)]) as player:
        assert 'nobody listens' in player.problems[f'port {socket_address}']
        keyboard = KeyboardInput(socket_address, after_the_silence(heard.put))
        keyboard.open()
        try:
            deadline = time.monotonic() + PATIENCE
            while player.problems and time.monotonic() < deadline:
                time.sleep(0.05)
            assert player.problems == {}
            player.submit([note_on(time.monotonic_ns(), 60, 64)])
            assert collect(heard, 1)[0].values == (60, 64, 0)
        finally:
            keyboard.close()


def test_a_port_that_is_opened_is_silenced_on_every_channel(socket_address):
    heard = SimpleQueue()
    keyboard = KeyboardInput(socket_address, heard.put)
    keyboard.open()
    output = PortOutput(socket_address)
    output.open()
    messages = collect(heard, 32)
    output.close()
    keyboard.close()
    silence = {(channel, controller, 0) for channel in range(16) for controller in (64, 123)}
    assert {event.values for event in messages} == silence


@pytest.mark.parametrize('address', ['socket://', 'socket://host', 'socket://host:0'])
def test_a_malformed_address_is_refused(address):
    with pytest.raises(PlayingError, match='socket://host:port'):
        PortOutput(address).open()


def test_a_receiver_that_leaves_is_detected_before_the_next_send(socket_address):
    keyboard = KeyboardInput(socket_address, print)
    keyboard.open()
    output = PortOutput(socket_address)
    output.open()
    assert output.problem == ''
    keyboard.close()
    wait_until(lambda: output.problem)
    assert 'is gone' in output.problem
    output.close()
