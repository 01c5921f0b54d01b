# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import mido
import numpy as np
import pytest
import soundfile

from improv_ros.event_text import TimedEvent, control_change, note_off, note_on
from improv_ros.playing import PlayingError
from improv_ros.playing.outputs import midi_file_output, wav_output
from improv_ros.playing.outputs.file_output import write_all
from improv_ros.playing.outputs.midi_file_output import MidiFileOutput
from improv_ros.playing.outputs.wav_output import WavOutput
from improv_ros.playing.synth.fluidsynth_synth import Synth
from timing import PATIENCE, promised

MILLISECOND = 1_000_000

ENDLESS_PLAYER = """
import sys, time
from improv_ros.event_text import note_off, note_on
from improv_ros.playing.outputs.midi_file_output import MidiFileOutput
from improv_ros.playing.outputs.wav_output import WavOutput
from improv_ros.playing.synth.fluidsynth_synth import Synth
from improv_ros.playing.player import Player

files = [MidiFileOutput(sys.argv[1]), WavOutput(sys.argv[2])]
player = Player(files, late_tolerance=10**10)  # every note is played, even on a busy machine
player.start()
start = time.monotonic_ns() + 100_000_000
for step in range(1000):
    on = start + step * 100_000_000
    player.submit([note_on(on, 60 + step % 12, 90), note_off(on + 80_000_000, 60 + step % 12)])
print('playing', flush=True)
time.sleep(100)
"""


def play_to(output, events):
    output.open()
    for event in events:
        output.send(event)
    output.close()


def ticks_of(path):
    """Return the (tick, message) of the only track of a file, without the end of track."""
    midi = mido.MidiFile(path)
    (track,) = midi.tracks
    tick = 0
    messages = []
    for message in track:
        tick += message.time
        messages.append((tick, message.copy(time=0)))
    assert messages[-1][1].type == 'end_of_track'
    return midi.ticks_per_beat, messages[:-1]


def wait_until_it_holds(path, messages):
    deadline = time.monotonic() + PATIENCE
    while not path.exists() or path.read_bytes().count(b'\x90') < messages:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_files_are_readable_after_the_player_is_killed(tmp_path):
    midi_path, wav_path = tmp_path / 'take.mid', tmp_path / 'take.wav'
    process = subprocess.Popen(
        [sys.executable, '-c', ENDLESS_PLAYER, midi_path, wav_path],
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b'playing\n'
    wait_until_it_holds(midi_path, messages=30)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()

    resolution, messages = ticks_of(midi_path)
    seconds_per_tick = 0.5 / resolution
    played = [(tick * seconds_per_tick, m) for tick, m in messages if m.type == 'note_on']
    beginnings = [(second, m.note) for second, m in played if m.velocity > 0]
    assert len(beginnings) >= 12
    for step, (second, pitch) in enumerate(beginnings):
        assert pitch == 60 + step % 12
        assert abs(second - step * 0.1) < promised(0.5)

    samples, rate = soundfile.read(wav_path)
    assert len(samples) / rate > 0.5
    assert os.path.getsize(wav_path) == 44 + 4 * len(samples)
    assert 0.01 < np.abs(samples).max() < 1.0
    # It is audible from beginning to end.
    quarters = np.array_split(samples, 4)
    assert all(np.abs(quarter).max() > 0.01 for quarter in quarters)


def test_a_midi_file_contains_every_kind_of_message_to_the_millisecond(tmp_path):
    path = tmp_path / 'take.mid'
    start = 5_000 * MILLISECOND
    events = [
        TimedEvent(start, 'pc', (0, 12)),
        note_on(start + 100 * MILLISECOND, 60, 64),
        TimedEvent(start + 150 * MILLISECOND, 'pw', (0, -100)),
        control_change(start + 200 * MILLISECOND, 64, 127, 3),
        TimedEvent(start + 300 * MILLISECOND, 'sx', (bytes(range(100)) + bytes(100),)),
        TimedEvent(start + 310 * MILLISECOND, 'sy', (b'\xf8',)),
        note_off(start + 40_000 * MILLISECOND, 60),
    ]
    play_to(MidiFileOutput(path), events)
    resolution, messages = ticks_of(path)
    assert resolution == 500
    assert messages == [
        (
            0,
            mido.MetaMessage('text', text=''),
        ),  # precedes a message that is shorter than a note-on
        (0, mido.Message('program_change', program=12)),
        (100, mido.Message('note_on', note=60, velocity=64)),
        (150, mido.Message('pitchwheel', pitch=-100)),
        (200, mido.Message('control_change', channel=3, control=64, value=127)),
        (300, mido.Message('sysex', data=bytes(range(100)) + bytes(100))),
        (40_000, mido.Message('note_on', note=60, velocity=0)),
    ]


def test_ticks_do_not_drift(tmp_path):
    path = tmp_path / 'take.mid'
    step = 1_400_001  # nanoseconds: rounding each delta would lose 40 % of the time
    play_to(MidiFileOutput(path), [note_on(i * step, 60, 1) for i in range(1000)])
    _, messages = ticks_of(path)
    assert messages[-1][0] == round(999 * step / MILLISECOND)


def test_a_midi_file_is_readable_from_the_moment_it_is_opened(tmp_path):
    output = MidiFileOutput(tmp_path / 'take.mid')
    output.open()
    assert ticks_of(output.path)[1] == []
    output.close()
    assert list(tmp_path.iterdir()) == [output.path]


def test_a_midi_file_that_is_opened_again_is_continued(tmp_path):
    output = MidiFileOutput(tmp_path / 'take.mid')
    play_to(output, [note_on(0, 60, 64)])
    play_to(output, [note_off(700 * MILLISECOND, 60)])
    assert [tick for tick, _ in ticks_of(output.path)[1]] == [0, 700]


@pytest.fixture
def writes(monkeypatch):
    """The (number of bytes, notes in the file afterwards) of each write of a MIDI file."""
    done = []

    def write_and_look(file, data):
        write_all(file, data)
        notes = [m.note for _, m in ticks_of(Path(file.name))[1] if m.type == 'note_on']
        done.append((len(data), notes))

    monkeypatch.setattr(midi_file_output, 'write_all', write_and_look)
    return done


def test_a_midi_file_is_readable_after_every_write(writes, tmp_path):
    output = MidiFileOutput(tmp_path / 'take.mid')
    for chord in range(20):
        time = chord * 700 * MILLISECOND
        written = list(range(chord))
        del writes[:]
        play_to(
            output, [TimedEvent(time, 'ca', (0, 3))] * (chord % 2) + [note_on(time, chord, 64)]
        )
        for _, notes in writes:
            assert notes[: len(written)] == written
        assert writes[-1][1] == [*written, chord]


def test_written_events_are_not_written_again(writes, tmp_path):
    output = MidiFileOutput(tmp_path / 'take.mid')
    sizes = []
    for number in range(100):
        del writes[:]
        play_to(output, [note_on(number * 700 * MILLISECOND, 60, 64)])
        sizes.append(sum(size for size, _ in writes))
    assert sizes[-1] == sizes[1] < 20


def test_a_removed_midi_file_is_created_again_with_the_missing_events(tmp_path):
    output = MidiFileOutput(tmp_path / 'take.mid')
    play_to(output, [note_on(0, 60, 64)])
    output.open()
    output.path.unlink()
    output.send(note_off(700 * MILLISECOND, 60))
    output.close()
    assert 'take.mid cannot be written' in output.problem
    play_to(output, [note_on(800 * MILLISECOND, 62, 64)])
    assert output.problem == ''
    assert [m.note for _, m in ticks_of(output.path)[1]] == [60, 62]


@pytest.mark.parametrize('output_type', [MidiFileOutput, WavOutput])
def test_recorded_files_are_kept_and_empty_files_are_reused(output_type, tmp_path):
    outputs = [output_type(tmp_path / 'take.x') for _ in range(4)]
    play_to(outputs[0], [])
    now = time.monotonic_ns()
    play_to(outputs[1], [note_on(now, 60, 64), note_off(now + 100 * MILLISECOND, 60)])
    recorded = outputs[1].path.read_bytes()
    play_to(outputs[2], [note_on(now, 62, 64), note_off(now + 100 * MILLISECOND, 62)])
    play_to(outputs[3], [])
    assert [output.path.name for output in outputs] == [
        *('take.x', 'take.x', 'take-2.x', 'take-3.x')
    ]
    assert outputs[3].name == 'file take-3.x'
    assert outputs[1].path.read_bytes() == recorded


@pytest.mark.parametrize('output_type', [MidiFileOutput, WavOutput])
def test_an_unwritable_file_is_named(output_type, tmp_path):
    path = tmp_path / 'no such folder' / 'take'
    output = output_type(path)
    with pytest.raises(PlayingError, match=r'no such folder/take cannot be written: No such'):
        output.open()
    output.close()


def test_a_write_error_becomes_a_problem_of_the_output(tmp_path):
    folder = tmp_path / 'folder'
    folder.mkdir()
    output = MidiFileOutput(folder / 'take.mid')
    output.open()
    output.path.unlink()
    folder.rmdir()
    output.send(note_on(0, 60, 64))
    output.close()
    assert 'take.mid cannot be written' in output.problem


def level(samples, rate, begin, end):
    return float(np.sqrt(np.mean(samples[round(begin * rate) : round(end * rate)] ** 2)))


def test_a_wav_file_sounds_when_the_notes_do(tmp_path):
    start = time.monotonic_ns() - 3_000 * MILLISECOND
    events = [
        note_on(start, 60, 100),
        note_off(start + 500 * MILLISECOND, 60),
        note_on(start + 2_500 * MILLISECOND, 72, 100),
        note_off(start + 2_900 * MILLISECOND, 72),
    ]
    output = WavOutput(tmp_path / 'take.wav')
    play_to(output, events)
    samples, rate = soundfile.read(output.path)
    assert rate == 44100
    assert samples.shape[1] == 2
    assert 4.5 < len(samples) / rate < 6.0
    assert level(samples, rate, 0.0, 0.4) > 0.01
    assert level(samples, rate, 2.5, 2.9) > 0.01
    assert level(samples, rate, 2.0, 2.45) < 0.1 * level(samples, rate, 2.55, 2.9)


def test_a_wav_file_without_a_note_is_empty_and_valid(tmp_path):
    output = WavOutput(Path(tmp_path) / 'take.wav')
    play_to(output, [])
    samples, _ = soundfile.read(output.path)
    assert len(samples) == 0


def test_a_wav_file_that_is_opened_again_continues_in_time(tmp_path):
    start = time.monotonic_ns() - 9_000 * MILLISECOND
    output = WavOutput(tmp_path / 'take.wav')
    play_to(output, [note_on(start, 60, 100)])
    first = soundfile.info(output.path).duration
    later = start + 14_000 * MILLISECOND
    play_to(output, [note_on(later, 72, 100)])
    samples, rate = soundfile.read(output.path)
    assert len(samples) / rate > first
    assert level(samples, rate, 14.0, 14.5) > 0.01
    assert level(samples, rate, 13.5, 13.95) < 0.001


def test_a_wav_file_needs_a_soundfont(tmp_path):
    with pytest.raises(PlayingError, match=r'no soundfont .*missing\.sf2'):
        WavOutput(tmp_path / 'take.wav', soundfont=str(tmp_path / 'missing.sf2')).open()


@pytest.mark.parametrize('output_type', [MidiFileOutput, WavOutput])
def test_a_file_that_another_output_has_locked_is_not_used(output_type, tmp_path):
    first, second, third = (output_type(tmp_path / 'take.x') for _ in range(3))
    now = time.monotonic_ns()
    first.open()
    play_to(second, [note_on(now, 62, 64), note_off(now + 100 * MILLISECOND, 62)])
    recorded = second.path.read_bytes()
    first.send(note_on(now, 60, 64))
    first.close()
    play_to(third, [])
    assert [output.path.name for output in (first, second, third)] == [
        *('take.x', 'take-2.x', 'take-3.x')
    ]
    assert first.path.stat().st_size > first.empty_size
    assert second.path.read_bytes() == recorded


def test_two_players_in_one_folder_record_into_two_files(tmp_path):
    paths = tmp_path / 'take.mid', tmp_path / 'take.wav'
    players = [
        subprocess.Popen([sys.executable, '-c', ENDLESS_PLAYER, *paths], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        for player in players:
            assert player.stdout.readline() == b'playing\n'
        deadline = time.monotonic() + 30
        takes = [tmp_path / 'take.mid', tmp_path / 'take-2.mid']
        while not all(take.exists() and len(ticks_of(take)[1]) > 10 for take in takes):
            assert time.monotonic() < deadline, [p.name for p in tmp_path.iterdir()]
            time.sleep(0.1)
    finally:
        for player in players:
            player.kill()
            player.communicate()
    for take in takes:
        pitches = [m.note for _, m in ticks_of(take)[1] if m.type == 'note_on' and m.velocity]
        assert pitches == [60 + step % 12 for step in range(len(pitches))]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ['take-2.mid', 'take-2.wav', 'take.mid', 'take.wav']


def test_a_file_that_was_replaced_is_not_written(tmp_path):
    output = MidiFileOutput(tmp_path / 'take.mid')
    play_to(output, [note_on(0, 60, 64)])
    output.path.unlink()
    output.path.write_bytes(b'what somebody else put here, which is longer than an empty file')
    theirs = output.path.read_bytes()
    play_to(output, [note_off(700 * MILLISECOND, 60)])
    assert output.path.name == 'take-2.mid'
    assert (tmp_path / 'take.mid').read_bytes() == theirs
    assert len(ticks_of(output.path)[1]) == 1


def test_a_full_wav_file_continues_in_the_next_file(tmp_path):
    seconds, rate = 3, 44100
    output = WavOutput(tmp_path / 'take.wav', max_bytes=seconds * rate * 4 + 3)
    (tmp_path / 'take-2.wav').write_bytes(bytes(100))  # this name is in use
    start = time.monotonic_ns() - 8_000 * MILLISECOND
    whole = WavOutput(tmp_path / 'whole.wav')
    events = [note_on(start + step * 1_000 * MILLISECOND, 60 + step, 100) for step in range(8)]
    play_to(whole, events)
    play_to(output, events)
    assert output.problem == ''
    parts = [tmp_path / name for name in ('take.wav', 'take-3.wav', 'take-4.wav', 'take-5.wav')]
    assert output.path in parts
    sounds = [soundfile.read(part)[0] for part in parts if part.exists()]
    assert [len(sound) for sound in sounds[:-1]] == [seconds * rate] * (len(sounds) - 1)
    assert len(sounds) >= 3
    together, expected = np.concatenate(sounds), soundfile.read(whole.path)[0]
    assert np.array_equal(together[: 7 * rate], expected[: 7 * rate])
    # If it is opened again, it continues in the last file.
    last = output.path
    output.open()
    output.close()
    assert output.path == last or soundfile.info(last).duration == seconds


@pytest.mark.parametrize('culprit', ['_write_header', '_render'])
@pytest.mark.parametrize('error', [OSError(28, 'No space left on device'), RuntimeError('odd')])
def test_a_failed_open_of_a_wav_file_leaves_nothing_open(monkeypatch, tmp_path, culprit, error):
    output = WavOutput(tmp_path / 'take.wav')
    play_to(output, [note_on(time.monotonic_ns(), 60, 64)])
    alive = []

    class Counted(Synth):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            alive.append(self)

        def close(self):
            super().close()
            alive.remove(self)

    def fail(*_):
        raise error

    monkeypatch.setattr(wav_output, 'Synth', Counted)
    files = len(os.listdir('/proc/self/fd'))
    with monkeypatch.context() as broken:
        broken.setattr(output, culprit, fail)
        for _ in range(3):
            with pytest.raises((PlayingError, RuntimeError)):
                output.open()
    assert alive == []
    assert len(os.listdir('/proc/self/fd')) == files
    play_to(output, [])
    assert alive == []
