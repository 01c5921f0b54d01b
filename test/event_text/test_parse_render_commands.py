# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv parse` and `improv render`, as processes."""

from array import array
import subprocess
import sys
import wave

import pytest

from improv_ros.event_text import parse, read_midi, text_to_midi, write_midi

TEXT = 'rs_480\n240_no_60_64\n0_st_120_500000\n12_cc_0_64_127\n240_no_60_0\n'


def improv(*words, data=b''):
    return subprocess.run(
        [sys.executable, '-m', 'improv_ros.cli', *map(str, words)],
        input=data,
        capture_output=True,
        timeout=60,
    )


@pytest.fixture
def song(tmp_path):
    path = tmp_path / 'song.mid'
    with open(path, 'wb') as file:
        write_midi(text_to_midi(parse(TEXT)), file)
    return path


def test_a_midi_file_survives_parse_and_render(song, tmp_path):
    text, again = tmp_path / 'song.txt', tmp_path / 'again.mid'
    assert improv('parse', song, '-o', text).returncode == 0
    assert text.read_text() == TEXT + '0_mt_47\n'
    assert improv('render', text, '-o', again).returncode == 0
    assert again.read_bytes() == song.read_bytes()


def test_standard_input_and_output(song):
    parsed = improv('parse', '-', '--kinds', 'no,st,cc', data=song.read_bytes())
    assert parsed.stdout.decode() == TEXT
    rendered = improv('render', '-', '-o', '-', data=parsed.stdout)
    assert rendered.stdout == song.read_bytes()


def test_windows_line_ends_are_taken(tmp_path):
    target = tmp_path / 'song.mid'
    rendered = improv('render', '-', '-o', target, data=TEXT.replace('\n', '\r\n').encode())
    assert rendered.returncode == 0
    assert len(read_midi(target).tracks[0]) == 5


def test_text_is_rendered_to_a_wav_file(tmp_path):
    target = tmp_path / 'song.wav'
    text = b'rs_500\n1000_no_60_100\n500_no_60_0\n'
    rendered = improv('render', '-', '-o', target, data=text)
    assert rendered.stderr == b''
    assert rendered.returncode == 0
    with wave.open(str(target)) as file:
        rate = file.getframerate()
        samples = array('h', file.readframes(file.getnframes()))
    first_second, rest = samples[: 2 * rate], samples[2 * rate :]
    assert max(map(abs, first_second)) < 50
    assert max(map(abs, rest)) > 2000


def test_a_missing_soundfont_is_named(tmp_path):
    target = tmp_path / 'song.wav'
    rendered = improv(
        'render', '-', '-o', target, '--soundfont', 'none.sf2', data=b'rs_500\n0_no_60_100\n'
    )
    assert rendered.returncode == 1
    assert b'none.sf2' in rendered.stderr
    assert b'Traceback' not in rendered.stderr


def test_a_reader_that_leaves_early(song, tmp_path):
    long = tmp_path / 'long.mid'
    with open(long, 'wb') as file:
        write_midi(text_to_midi(parse('rs_480\n' + '1_no_60_64\n' * 50_000)), file)
    command = [sys.executable, '-m', 'improv_ros.cli', 'parse', str(long)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b'rs_480\n'
    process.stdout.close()
    assert process.stderr.read() == b''
    process.stderr.close()
    assert process.wait(60) == 0


@pytest.mark.parametrize(
    ('words', 'code', 'sentence'),
    [
        (['parse', 'none.mid'], 1, 'none.mid: No such file'),
        (['parse', '.'], 1, '.: Is a directory'),
        (['parse', 'bad.txt'], 1, 'bad.txt: not a MIDI file'),
        (['parse', 'song.mid', '--track', '1'], 1, 'there is no track 1: the file has 1'),
        (['parse', 'song.mid', '--kinds', 'no,xx'], 2, "there is no kind 'xx'"),
        (['parse', 'song.mid', '-o', 'none/x.txt'], 1, 'none/x.txt: No such file'),
        (['render', 'bad.txt', '-o', 'x.mid'], 1, "bad.txt: line 2, '0_no_60': no is written"),
        (['render', 'bad.txt', '-o', 'x.ogg'], 2, 'x.ogg ends neither in .mid nor in .wav'),
        (['render', 'clear.txt', '-o', 'x.mid'], 1, 'cl is not a MIDI message'),
        (['render', 'none.txt', '-o', 'x.mid'], 1, 'none.txt: No such file'),
        (['render', 'bad.txt'], 2, 'required: -o'),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(words, code, sentence, song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'bad.txt').write_text('rs_480\n0_no_60\n')
    (tmp_path / 'clear.txt').write_text('rs_480\n0_cl\n')
    ended = improv(*words)
    assert ended.returncode == code
    assert sentence in ended.stderr.decode()
    assert b'Traceback' not in ended.stderr
    assert ended.stdout == b''
    assert not list(tmp_path.glob('x.*'))
