# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whatever comes in, a reader returns a result or raises its own error, and nothing else."""

import io
import random

from event_text_strategies import midi_files, texts
from hypothesis import example, given, settings
from hypothesis import strategies as st

from improv_ros.event_text import (
    LIVE_LIMITS,
    EventTextError,
    MidiFileError,
    StreamReader,
    StreamWriter,
    Text,
    format_text,
    midi_to_text,
    note_off,
    note_on,
    parse,
    read_midi,
    write_midi,
)

ALPHABET = '0123456789_-+abcdefnostrqlpwxm \n\r\t\x00.６²é\ud800'


def survive(text):
    """Parse with and without limits; what is taken must be a text that writes and reads back."""
    for limits in (None, LIVE_LIMITS):
        try:
            parsed = parse(text, limits)
        except EventTextError as error:
            assert error.line_number >= 1
            assert error.reason
            assert len(str(error)) < 1000
        else:
            assert isinstance(parsed, Text)
            assert parse(format_text(parsed)) == parsed


@given(st.binary(max_size=300))
@example(b'rs_480\n0_no_60_\xff')
@example(b'\xef\xbb\xbfrs_480\n')
def test_any_bytes(data):
    survive(data)
    survive(b'rs_480\n' + data)


@given(st.text(alphabet=ALPHABET, max_size=200))
def test_any_text(text):
    survive(text)
    survive('rs_480\n0_' + text)


@given(texts, st.integers(0, 2**32), st.integers(1, 5))
def test_damaged_texts(text, seed, times):
    data = bytearray(format_text(text).encode())
    generator = random.Random(seed)
    for _ in range(times):
        damage(data, generator)
    survive(bytes(data))


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_a_reader_lives_through_damaged_messages(seed, times):
    generator = random.Random(seed)
    reader, writer = StreamReader(), StreamWriter()
    for start in range(5):
        notes = [note_on(start * 10**9, 60 + start, 64), note_off(start * 10**9 + 10**8, 60)]
        (text,) = writer.write(notes)
        data = bytearray(text.encode())
        for _ in range(times):
            damage(data, generator)
        before = state(reader)
        try:
            reader.read(bytes(data))
        except EventTextError:
            assert state(reader) == before


def survive_midi(data):
    """Read a MIDI file; what is taken must be a text that writes and reads back."""
    try:
        text = midi_to_text(read_midi(io.BytesIO(data)))
    except MidiFileError as error:
        assert str(error)
    else:
        assert parse(format_text(text)) == text


@settings(max_examples=150)
@given(midi_files, st.integers(0, 2**32), st.integers(1, 5))
def test_damaged_midi_files(midi, seed, times):
    file = io.BytesIO()
    write_midi(midi, file)
    data = bytearray(file.getvalue())
    generator = random.Random(seed)
    for _ in range(times):
        damage(data, generator)
    survive_midi(bytes(data))


def state(reader):
    return {
        name: dict(value) if isinstance(value, dict) else value
        for name, value in vars(reader).items()
    }


def damage(data, generator):
    """Change, drop, repeat or insert somewhere in the bytes."""
    place = generator.randrange(len(data) + 1)
    match generator.randrange(5):
        case 0:
            data[place : place + 1] = bytes([generator.randrange(256)])
        case 1:
            del data[place : place + generator.randrange(1, 8)]
        case 2:
            data[place:place] = data[: generator.randrange(40)]
        case 3:
            data[place:place] = generator.choice([b'_', b'\n', b'-', b'0', b'9' * 30, b'\r\n'])
        case 4:
            lines = data.split(b'\n')
            generator.shuffle(lines)
            data[:] = b'\n'.join(lines)
