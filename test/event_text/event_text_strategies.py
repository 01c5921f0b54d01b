# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Generated events, texts and MIDI files."""

from hypothesis import strategies as st
import mido
from mido.midifiles.meta import build_meta_message

from improv_ros.event_text import Event, Text, TimedEvent
from improv_ros.event_text.kinds import KINDS, SYSTEM_LENGTHS, beats_per_minute

data_byte = st.integers(0, 127)
channel = st.integers(0, 15)
tempo = st.one_of(st.integers(0, 2**24 - 1), st.sampled_from([0, 1, 500_000, 2**24 - 1]))
deltas = st.one_of(st.integers(0, 1000), st.integers(0, 2**63 - 1))


@st.composite
def system_bytes(draw):
    status = draw(st.sampled_from(sorted(SYSTEM_LENGTHS)))
    return bytes([status, *(draw(data_byte) for _ in range(SYSTEM_LENGTHS[status] - 1))])


VALUES = {
    'no': st.tuples(data_byte, data_byte, channel),
    'nf': st.tuples(data_byte, data_byte, channel),
    'st': tempo.map(lambda microseconds: (beats_per_minute(microseconds), microseconds)),
    'cc': st.tuples(channel, data_byte, data_byte),
    'pc': st.tuples(channel, data_byte),
    'pw': st.tuples(channel, st.integers(-8192, 8191)),
    'ca': st.tuples(channel, data_byte),
    'ka': st.tuples(channel, data_byte, data_byte),
    'sx': st.lists(data_byte, max_size=20).map(lambda data: (bytes(data),)),
    'sy': system_bytes().map(lambda data: (data,)),
    'mt': st.tuples(st.integers(0, 255).filter(lambda kind: kind != 0x51), st.binary(max_size=40)),
    'cl': st.just(()),
}
assert VALUES.keys() == KINDS.keys()

bodies = st.sampled_from(sorted(VALUES)).flatmap(
    lambda kind: st.tuples(st.just(kind), VALUES[kind])
)
events = st.builds(lambda delta, body: Event(delta, *body), deltas, bodies)

texts = st.builds(
    Text,
    st.integers(-(2**15), 2**15 - 1),
    st.lists(st.lists(events, max_size=12), min_size=1, max_size=3),
    st.none() | st.integers(0, 2**62),
    st.none() | st.integers(0, 2**63 - 1),
)

# What mido can read in a meta message of each type it has a name for; the rest are unknown.
_META_DATA = {
    0x00: st.binary(min_size=2, max_size=2),
    0x20: st.binary(min_size=1, max_size=1),
    0x21: st.binary(min_size=1, max_size=1),
    0x2F: st.just(b''),
    0x51: st.binary(min_size=3, max_size=3),
    0x54: st.tuples(*(st.integers(0, high) for high in (127, 59, 59, 255, 99))).map(bytes),
    0x58: st.tuples(*(st.integers(0, high) for high in (255, 28, 255, 255))).map(bytes),
    0x59: st.tuples(st.sampled_from([*range(8), *range(249, 256)]), st.integers(0, 1)).map(bytes),
}


@st.composite
def meta_messages(draw, time):
    kind = draw(st.one_of(st.sampled_from(sorted(_META_DATA)), st.integers(0, 255)))
    message = build_meta_message(kind, list(draw(_META_DATA.get(kind, st.binary(max_size=140)))))
    message.time = time
    return message


@st.composite
def messages(draw):
    time = draw(st.integers(0, 100) | st.integers(0, 2**28 - 1))
    if draw(st.integers(0, 3)) == 0:
        return draw(meta_messages(time))
    status = draw(st.sampled_from([0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0, 0xF0, 0xF1]))
    if status == 0xF0:
        return mido.Message('sysex', data=draw(st.lists(data_byte, max_size=200)), time=time)
    if status == 0xF1:
        return mido.Message.from_bytes(draw(system_bytes()), time=time)
    length = 1 if status in (0xC0, 0xD0) else 2
    encoded = [status | draw(channel), *(draw(data_byte) for _ in range(length))]
    return mido.Message.from_bytes(encoded, time=time)


tracks = st.lists(messages(), max_size=15).map(mido.MidiTrack)
midi_files = st.builds(
    lambda resolution, tracks: mido.MidiFile(
        type=0 if len(tracks) == 1 else 1, ticks_per_beat=resolution, tracks=tracks
    ),
    st.integers(-(2**15), 2**15 - 1),
    st.lists(tracks, min_size=1, max_size=3),
)

# A few keys on two channels, so that the same ones come again and again.
live_bodies = st.one_of(
    st.tuples(
        st.sampled_from(['no', 'nf']),
        st.tuples(st.integers(60, 62), st.sampled_from([0, 1, 64, 127]), st.integers(0, 1)),
    ),
    st.tuples(st.just('cc'), st.tuples(st.integers(0, 1), st.just(64), st.sampled_from([0, 127]))),
    st.just(('cl', ())),
)
live_events = st.builds(
    lambda time, body: TimedEvent(time * 1_000_000, *body), st.integers(0, 5000), live_bodies
)
