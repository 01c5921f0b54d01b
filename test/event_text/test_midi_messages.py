# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Events and mido's messages."""

from event_text_strategies import bodies, messages
from hypothesis import given
import mido
from mido import Message
import pytest

from improv_ros.event_text import (
    TimedEvent,
    event_of,
    is_note_off,
    is_note_on,
    message_of,
    note_off,
    note_on,
    timed_event_of,
)


@given(messages())
def test_a_message_survives_conversion_to_an_event_and_back(message):
    again = message_of(*event_of(message))
    again.time = message.time
    assert again == message


@given(bodies)
def test_an_event_survives_conversion_to_a_message_and_back(body):
    try:
        message = message_of(*body)
    except ValueError:
        assert body[0] in ('cl', 'mt')
        return
    kind, values = event_of(message)
    assert kind == body[0]
    if kind != 'mt':  # mido drops meta data beyond what it knows
        assert values == body[1]


@pytest.mark.parametrize(
    ('kind', 'values', 'message'),
    [
        ('no', (60, 0, 1), Message('note_on', note=60, velocity=0, channel=1)),
        ('nf', (60, 5, 0), Message('note_off', note=60, velocity=5)),
        ('st', (120, 500_000), mido.MetaMessage('set_tempo', tempo=500_000)),
        ('cc', (1, 64, 127), Message('control_change', channel=1, control=64, value=127)),
        ('pc', (2, 9), Message('program_change', channel=2, program=9)),
        ('pw', (3, -8192), Message('pitchwheel', channel=3, pitch=-8192)),
        ('ca', (4, 9), Message('aftertouch', channel=4, value=9)),
        ('ka', (5, 60, 9), Message('polytouch', channel=5, note=60, value=9)),
        ('sx', (b'\x01\x02',), Message('sysex', data=[1, 2])),
        ('sy', (b'\xf2\x01\x02',), Message('songpos', pos=257)),
        ('mt', (3, b'Mo\xff'), mido.MetaMessage('track_name', name='Mo\xff')),
        ('mt', (126, b'\x01'), mido.MetaMessage('unknown_126', data=(1,))),
    ],
)
def test_every_kind_and_its_message(kind, values, message):
    assert message_of(kind, values) == message
    assert event_of(message) == (kind, values)


def test_events_that_midi_cannot_express_are_refused():
    with pytest.raises(ValueError, match='cl is not a MIDI message'):
        message_of('cl', ())
    with pytest.raises(ValueError, match='pitch 128'):
        message_of('no', (128, 1, 0))
    with pytest.raises(ValueError, match='meta message 89'):
        message_of('mt', (0x59, b'\x70\x00'))
    with pytest.raises(ValueError, match='reset'):
        event_of(Message('reset'))


def test_what_a_keyboard_sends():
    played = Message('note_on', note=60, velocity=5, channel=2)
    assert timed_event_of(played, 17) == note_on(17, 60, 5, 2)
    released = timed_event_of(Message('note_off', note=60, velocity=9), 18)
    assert released == TimedEvent(18, 'nf', (60, 9, 0))
    assert is_note_off(released)
    for housekeeping in ('active_sensing', 'clock', 'reset', 'songpos'):
        assert timed_event_of(Message(housekeeping), 0) is None
    assert timed_event_of(mido.MetaMessage('set_tempo'), 0) is None


def test_on_and_off():
    assert is_note_on(note_on(0, 60, 1))
    assert not is_note_off(note_on(0, 60, 1))
    assert is_note_off(note_off(0, 60))
    assert not is_note_on(note_off(0, 60))
