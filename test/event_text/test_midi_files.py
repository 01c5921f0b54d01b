# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""MIDI files to text and back."""

import io

from event_text_strategies import midi_files
from hypothesis import given
from hypothesis import strategies as st
import mido
from mido import Message, MetaMessage
import pytest

from improv_ros.event_text import (
    ORIGINAL_KINDS,
    MidiFileError,
    Text,
    format_text,
    midi_to_text,
    parse,
    read_midi,
    text_to_midi,
    write_midi,
)


def written(midi):
    file = io.BytesIO()
    write_midi(midi, file)
    return file.getvalue()


def ended(track):
    """The track as a file holds it."""
    ends = track and track[-1].type == 'end_of_track'
    return list(track) if ends else [*track, MetaMessage('end_of_track')]


@given(midi_files)
def test_nothing_is_lost(midi):
    text = parse(format_text(midi_to_text(midi)))
    again = text_to_midi(text)
    assert again.ticks_per_beat == midi.ticks_per_beat
    assert again.type == midi.type
    assert again.tracks == midi.tracks


@given(midi_files)
def test_nothing_is_lost_in_the_file(midi):
    read = read_midi(io.BytesIO(written(text_to_midi(midi_to_text(midi)))))
    assert (read.type, read.ticks_per_beat) == (midi.type, midi.ticks_per_beat)
    assert [list(track) for track in read.tracks] == [ended(track) for track in midi.tracks]


@given(midi_files)
def test_files_are_what_mido_writes_too(midi):
    try:
        file = io.BytesIO()
        midi.save(file=file)
    except ValueError:
        return  # mido does not write the real-time messages it reads
    tidy = mido.MidiFile(file=io.BytesIO(file.getvalue()))
    assert written(read_midi(io.BytesIO(file.getvalue()))) == file.getvalue()
    assert len(tidy.tracks) == len(midi.tracks)


@given(midi_files, st.sets(st.sampled_from(['no', 'nf', 'st', 'cc', 'mt', 'sx', 'pw'])))
def test_a_choice_of_kinds_moves_nothing(midi, kinds):
    def positions(text):
        found = []
        for number, track in enumerate(text.tracks):
            tick = 0
            for event in track:
                tick += event.delta
                if event.kind in kinds:
                    found.append((number, tick, event.kind, event.values))
        return found

    whole = midi_to_text(midi)
    if 'nf' not in kinds:
        for track in whole.tracks:
            track[:] = [
                event._replace(kind='no', values=(event.values[0], 0, event.values[2]))
                if event.kind == 'nf'
                else event
                for event in track
            ]
    chosen = midi_to_text(midi, kinds)
    assert positions(chosen) == positions(whole)
    assert {event.kind for track in chosen.tracks for event in track} <= kinds


def test_the_original_form():
    midi = mido.MidiFile(type=0, ticks_per_beat=480)
    midi.tracks.append(
        mido.MidiTrack(
            [
                MetaMessage('track_name', name='x', time=200),
                Message('note_on', note=60, velocity=64, time=40),
                MetaMessage('set_tempo', tempo=500_000),
                Message('program_change', program=3, time=5),
                Message('control_change', control=64, value=127, time=7),
                Message('note_off', note=60, velocity=30, time=1),
                MetaMessage('end_of_track', time=9),
            ]
        )
    )
    assert format_text(midi_to_text(midi, ORIGINAL_KINDS)) == (
        'rs_480\n240_no_60_64\n0_st_120_500000\n12_cc_0_64_127\n1_no_60_0\n'
    )


def test_one_track_of_several():
    midi = mido.MidiFile(type=1, ticks_per_beat=96)
    for note in (60, 61):
        midi.tracks.append(mido.MidiTrack([Message('note_on', note=note, velocity=1)]))
    assert format_text(midi_to_text(midi, track=1)) == 'rs_96\n0_no_61_1\n'
    for track in (-1, 2):
        with pytest.raises(ValueError, match=f'no track {track}: the file has 2'):
            midi_to_text(midi, track=track)
    with pytest.raises(ValueError, match="no kind 'xx'"):
        midi_to_text(midi, kinds=['xx'])


def test_ticks_of_meta_events_that_mido_drops_are_kept():
    track = b'\x60\xff\x7e\x01\x05' + b'\x10\x90\x3c\x40' + b'\x00\xff\x2f\x00'
    data = b'MThd\0\0\0\6\0\0\0\1\1\xe0MTrk' + len(track).to_bytes(4, 'big') + track
    midi = read_midi(io.BytesIO(data))
    assert format_text(midi_to_text(midi)) == 'rs_480\n96_mt_126_05\n16_no_60_64\n0_mt_47\n'
    assert written(midi) == data


def test_messages_after_the_end_of_a_track_stay_there():
    text = parse('rs_480\n0_mt_47\n7_no_60_64\n3_sy_f8\n')
    read = midi_to_text(read_midi(io.BytesIO(written(text_to_midi(text)))))
    assert format_text(read) == 'rs_480\n0_mt_47\n7_no_60_64\n3_sy_f8\n0_mt_47\n'


def test_a_file_without_tracks():
    assert midi_to_text(mido.MidiFile(ticks_per_beat=99)) == Text(99, [[]])


@pytest.mark.parametrize('line', ['0_cl', '0_mt_89_7000', '0_mt_84_00'])
def test_what_no_midi_file_holds(line):
    with pytest.raises(MidiFileError, match='event 1 of track 0'):
        text_to_midi(parse(f'rs_480\n0_no_60_64\n{line}'))


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_bytes_are_a_midi_file_or_refused(data, track):
    chunk = b'MThd\0\0\0\6\0\1\0\1\1\xe0MTrk' + len(track).to_bytes(4, 'big') + track
    for file in (data, chunk):
        try:
            midi = read_midi(io.BytesIO(file))
        except MidiFileError as error:
            assert 'MIDI file' in str(error)
        else:
            assert text_to_midi(parse(format_text(midi_to_text(midi)))).tracks == midi.tracks


def test_a_bad_file_is_named(tmp_path):
    path = tmp_path / 'song.mid'
    path.write_bytes(b'RIFF')
    with pytest.raises(MidiFileError, match=r'song\.mid: not a whole MIDI file'):
        read_midi(path)
    with pytest.raises(FileNotFoundError):
        read_midi(tmp_path / 'none.mid')
