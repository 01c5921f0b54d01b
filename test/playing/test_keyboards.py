# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Keyboards that are unplugged and plugged in: real ports of a real JACK server, and sockets."""

import contextlib
from queue import Empty, SimpleQueue
import socket
import time

import mido
import pytest

from fixtures_midi import JackServer, jack_server  # noqa: F401
from improv_ros.event_text import control_change, note_off, note_on
from improv_ros.playing import PlayingError
from improv_ros.playing.midi import port_names
from improv_ros.playing.midi.keyboard_input import KeyboardInput
from improv_ros.playing.midi.keyboards import Keyboards
from improv_ros.playing.outputs.port_output import PortOutput
from timing import PATIENCE

CHANNELS = 16
JACK = mido.Backend('mido.backends.rtmidi/UNIX_JACK')


@pytest.fixture
def no_alsa(monkeypatch, tmp_path):
    monkeypatch.setattr(port_names, 'ALSA_SEQUENCER', tmp_path / 'no-such-sequencer')


@pytest.fixture
def addresses():
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(('127.0.0.1', 0))) for _ in range(2)]
        return [f'socket://127.0.0.1:{probe.getsockname()[1]}' for probe in probes]


@contextlib.contextmanager
def opened(*names, **options):
    """Return keyboards and the queue of their events."""
    heard = SimpleQueue()
    keyboards = Keyboards(names, heard.put, **options)
    keyboards.open()
    try:
        yield keyboards, heard
    finally:
        keyboards.close()


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def struck(port, pitch, heard):
    """Send note-ons until one arrives: without real-time priority, JACK loses some."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        port.send(mido.Message('note_on', note=pitch, velocity=70))
        with contextlib.suppress(Empty):
            return heard.get(timeout=0.3)
    raise AssertionError(f'{pitch} is not heard')


def values(queue, count):
    return [queue.get(timeout=PATIENCE)[1:] for _ in range(count)]


@pytest.mark.usefixtures('jack_server', 'no_alsa')
def test_a_keyboard_that_vanishes_is_released_and_opened_again():
    with JACK.open_output('digital piano', virtual=True) as piano:
        keyboards = Keyboards(['PIANO'], (heard := SimpleQueue()).put)
        keyboards.open()
        assert struck(piano, 60, heard).values == (60, 70, 0)
        while not heard.empty():
            heard.get()
    try:
        assert heard.get(timeout=PATIENCE)[1:] == note_off(0, 60)[1:]
        wait_until(lambda: 'PIANO' in ' '.join(keyboards.problems))
        with JACK.open_output('digital piano', virtual=True) as piano:
            wait_until(lambda: not keyboards.problems)
            assert struck(piano, 64, heard).values == (64, 70, 0)
    finally:
        keyboards.close()


@pytest.mark.usefixtures('no_alsa')
def test_the_death_of_a_jack_server_leaves_no_note_held(jack_server: JackServer):  # noqa: F811
    with contextlib.ExitStack() as stack:
        piano = stack.enter_context(JACK.open_output('digital piano', virtual=True))
        keyboards, heard = stack.enter_context(opened('piano'))
        assert struck(piano, 60, heard).values == (60, 70, 0)
        while not heard.empty():
            heard.get()
        jack_server.kill()
        assert heard.get(timeout=PATIENCE)[1:] == note_off(0, 60)[1:]
        wait_until(lambda: keyboards.problems)
        piano.close()
        jack_server.start()
        piano = stack.enter_context(JACK.open_output('digital piano', virtual=True))
        wait_until(lambda: not keyboards.problems)
        assert struck(piano, 62, heard).values == (62, 70, 0)


@pytest.mark.usefixtures('jack_server', 'no_alsa')
def test_one_keyboard_plays_while_another_is_missing():
    with (
        JACK.open_output('organ', virtual=True) as organ,
        opened('organ', 'harpsichord') as (keyboards, heard),
    ):
        assert list(keyboards.problems) == ['keyboard harpsichord']
        assert struck(organ, 60, heard).values == (60, 70, 0)
        with JACK.open_output('harpsichord', virtual=True):
            wait_until(lambda: not keyboards.problems)


@pytest.mark.usefixtures('no_alsa')
def test_an_error_names_every_missing_keyboard(monkeypatch):
    monkeypatch.setenv('JACK_DEFAULT_SERVER', 'no-such-server')
    keyboards = Keyboards(['organ', 'harpsichord'], print)
    with pytest.raises(PlayingError, match=r'no-such-server.*; .*no-such-server'):
        keyboards.open()
    keyboards.close()


def test_two_keyboards_are_merged_with_their_channels(addresses):
    with opened(*addresses) as (_, heard), contextlib.ExitStack() as stack:
        players = [PortOutput(address) for address in addresses]
        for player in players:
            player.open()
            stack.callback(player.close)
        assert (
            len(values(heard, 2 * CHANNELS)) == 2 * CHANNELS
        )  # the silence that every port is sent first
        steps = [
            (0, note_on(0, 60, 64, 2)),
            (1, note_on(0, 60, 65, 3)),
            (1, control_change(0, 64, 45, 3)),
            (0, note_off(0, 60, 2)),
        ]
        for number, event in steps:
            players[number].send(event)
            assert values(heard, 1) == [event[1:]]
        players[1].close()
        gone = [note_off(0, 60, 3), control_change(0, 64, 0, 3)]
        assert values(heard, 2) == [event[1:] for event in gone]
        assert heard.empty()


def test_one_key_held_on_two_keyboards_sounds_until_both_release_it(addresses):
    with opened(*addresses) as (_, heard):
        first, second = (PortOutput(address) for address in addresses)
        first.open()
        second.open()
        assert len(values(heard, 2 * CHANNELS)) == 2 * CHANNELS
        first.send(note_on(0, 60, 64))
        assert values(heard, 1) == [('no', (60, 64, 0))]
        second.send(note_on(0, 60, 90))
        assert values(heard, 2) == [('no', (60, 0, 0)), ('no', (60, 90, 0))]
        first.close()
        time.sleep(0.3)
        assert heard.empty()
        second.close()
        assert values(heard, 1) == [('no', (60, 0, 0))]


@pytest.mark.parametrize('culprit', ['open', 'close', 'problem'])
def test_a_keyboard_is_opened_again_after_any_exception_of_its_driver(
    addresses, monkeypatch, caplog, culprit
):
    def fail(*_):
        raise RuntimeError('an odd driver')

    with opened(*addresses) as (keyboards, heard):
        with monkeypatch.context() as broken:
            first = keyboards._keyboards[0].keyboard
            if culprit == 'problem':
                broken.setattr(KeyboardInput, 'problem', property(fail))
            else:
                broken.setattr(first, culprit, fail)
                first._port.problem = 'gone'
            name = f'keyboard {addresses[0]}'
            words = {'open': 'an odd driver', 'close': 'gone', 'problem': 'an odd driver'}
            wait_until(lambda: words[culprit] in keyboards.problems.get(name, ''))
            if culprit == 'close':
                wait_until(lambda: 'an odd driver' in caplog.text)
        wait_until(lambda: not keyboards.problems)
        player = PortOutput(addresses[0])
        player.open()
        player.send(note_on(0, 60, 64))
        assert values(heard, CHANNELS + 1)[-1] == ('no', (60, 64, 0))
        player.close()
