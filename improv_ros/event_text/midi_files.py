# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Converts MIDI files to event text and back without loss."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
import io
from pathlib import Path
from typing import BinaryIO

import mido
from mido.midifiles.meta import encode_variable_int, meta_charset

from improv_ros.event_text.events import Event, Text
from improv_ros.event_text.kinds import BULKY_KINDS, RESOLUTION, kind_named
from improv_ros.event_text.midi_messages import event_of, message_of

# The kinds of the original script pair.
ORIGINAL_KINDS = ('no', 'st', 'cc')


class MidiFileError(ValueError):
    """A MIDI file that cannot be read, or a text that cannot be written as one."""


def read_midi(source: str | Path | BinaryIO) -> mido.MidiFile:
    """Read a MIDI file from a path or an open binary file.

    MidiFileError for a file that is not valid MIDI; OSError for a path that cannot be read.
    """
    if isinstance(source, (str, Path)):
        try:
            return read_midi(io.BytesIO(Path(source).read_bytes()))
        except MidiFileError as error:
            raise MidiFileError(f'{source}: {error}') from None
    # mido uses the position in the file, which a pipe does not have.
    whole = io.BytesIO(source.read())
    try:
        return mido.MidiFile(file=whole)
    except EOFError:
        raise MidiFileError('not a whole MIDI file: it ends too early') from None
    except (OSError, ValueError) as error:
        raise MidiFileError(f'not a MIDI file that can be read: {error}') from None
    except Exception as error:  # mido's decoders raise many types of errors
        raise MidiFileError(f'not a MIDI file that can be read: {error!r}') from None


def write_midi(midi: mido.MidiFile, file: BinaryIO) -> None:
    """Write a MIDI file with every message as it is.

    mido's own save moves an `end_of_track` to the end of its track and refuses the real-time
    messages that it reads. This writes both as they stand, and adds the `end_of_track` only
    where a track does not end with one.
    """
    header = [midi.type, len(midi.tracks), midi.ticks_per_beat]
    chunks = [(b'MThd', b''.join(word.to_bytes(2, 'big', signed=True) for word in header))]
    with meta_charset(midi.charset):
        chunks += [(b'MTrk', _track_bytes(track)) for track in midi.tracks]
    for name, data in chunks:
        file.write(name + len(data).to_bytes(4, 'big') + data)


def midi_to_text(
    midi: mido.MidiFile, kinds: Collection[str] | None = None, track: int | None = None
) -> Text:
    """Return a MIDI file as a text, whole or restricted.

    With `kinds` only those stay, and the ticks of what is dropped go to the next event. If `no`
    stays and `nf` does not, a note off becomes a `no` with velocity 0, so that no note loses its
    end. With `track` only that track stays, as a text of one track, without the tempo that other
    tracks give it. ValueError for a kind or track that is not there.
    """
    for name in kinds or ():
        kind_named(name)
    tracks = list(midi.tracks)
    if track is not None:
        if not 0 <= track < len(tracks):
            raise ValueError(f'there is no track {track}: the file has {len(tracks)}, from 0')
        tracks = [tracks[track]]
    with meta_charset(midi.charset):
        converted = [[Event(message.time, *event_of(message)) for message in t] for t in tracks]
    if kinds is not None:
        converted = [list(_restricted(events, kinds)) for events in converted]
    return Text(midi.ticks_per_beat, converted or [[]])


def text_to_midi(text: Text) -> mido.MidiFile:
    """Return a text as a MIDI file: of type 0 if it has one track, otherwise of type 1.

    Raises MidiFileError for what no MIDI file can hold: a `cl`, or an `mt` whose data mean
    nothing.
    """
    midi = mido.MidiFile(
        type=0 if len(text.tracks) == 1 else 1, ticks_per_beat=RESOLUTION.check(text.resolution)
    )
    for number, events in enumerate(text.tracks):
        track = midi.add_track()
        for position, (delta, kind, values) in enumerate(events):
            try:
                make = message_of if kind in BULKY_KINDS else _remembered_message
                message = make(kind, values).copy()
            except ValueError as error:
                raise MidiFileError(f'event {position} of track {number}: {error}') from None
            # What `message.time = delta` does, less mido's look at a number known to be one.
            vars(message)['time'] = delta
            track.append(message)
    return midi


_remembered_message = lru_cache(1 << 16)(message_of)


def _restricted(events: list[Event], kinds: Collection[str]) -> Iterator[Event]:
    carried = 0
    for delta, kind, values in events:
        if kind == 'nf' and 'nf' not in kinds:
            pitch, _, channel = values
            kind, values = 'no', (pitch, 0, channel)
        if kind in kinds:
            yield Event(delta + carried, kind, values)
            carried = 0
        else:
            carried += delta


def _track_bytes(track: mido.MidiTrack) -> bytes:
    data = bytearray()
    status = None
    for message in track:
        data += bytes(encode_variable_int(message.time))
        encoded = bytes(message.bytes())
        if message.type == 'sysex':
            encoded = b'\xf0' + bytes(encode_variable_int(len(encoded) - 1)) + encoded[1:]
        # A status byte that repeats is left out, for channel messages only.
        data += encoded[1:] if encoded[0] == status else encoded
        status = encoded[0] if encoded[0] < 0xF0 else None
    if not track or track[-1].type != 'end_of_track':
        data += bytes([0, 0xFF, 0x2F, 0])
    return bytes(data)
