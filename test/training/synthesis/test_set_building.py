# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import json
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

from midi_folder import folder_of_scales
import pytest
import soundfile
from tiny_pianos import PIANOS, write_pianos

from improv_ros.cli import main
from improv_ros.training.synthesis.score import read_score


def words(folder: Path, out: str = 'out', hours: float = 3 / 60, *more: str) -> list[str]:
    return [
        *('synthesize', str(folder / out), '--hours', str(hours)),
        *('--pianos', str(folder / 'pianos.yaml'), '--sounds', str(folder)),
        *('--cache', str(folder / 'cache'), '--quiet', *more),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pianos(tmp_path)
    return tmp_path


def sums(folder: Path) -> dict[str, str]:
    manifest = json.loads((folder / 'manifest.json').read_text())
    return {r['name']: r['sha256'] for r in manifest['recordings']['train']}


def test_a_set_is_made_and_described(folder: Path, capsys: pytest.CaptureFixture[str]):
    music = folder_of_scales(folder / 'music', 3, 40)
    more = ('--held-out-hours', '0.05', '--music', str(music), '--terms', 'free')
    assert main(words(folder, 'out', 0.1, *more, '--processes', '2')) == 0
    assert '6 in train, 3 in held-out' in capsys.readouterr().out
    manifest = json.loads((folder / 'out' / 'manifest.json').read_text())
    assert [piano['name'] for piano in manifest['pianos']] == ['first', 'second', 'kept']
    assert manifest['music'] == [{'folder': 'music', 'terms': 'free'}]
    played = {
        part: {r.get('piano', 'none') for r in recordings}
        for part, recordings in manifest['recordings'].items()
    }
    assert 'kept' not in played['train']
    assert played['held-out'] <= {'kept', 'none'}
    for part, count in (('train', 6), ('held-out', 3)):
        for number in range(count):
            stem = folder / 'out' / part / f'{number:05}'
            description = soundfile.info(stem.with_suffix('.wav'))
            assert (description.frames, description.samplerate, description.channels) == (
                960000,
                16000,
                1,
            )
            assert description.subtype == 'PCM_16'
            notes = read_score(stem).notes
            assert notes.shape[1] == 4
            assert (notes[:, 1] <= 60).all()


@pytest.mark.nightly
def test_more_hours_are_added_to_a_set(folder: Path):
    assert main(words(folder, hours=1 / 60)) == 0
    first = (folder / 'out' / 'train' / '00000.wav').stat().st_mtime_ns
    assert main(words(folder, hours=2 / 60)) == 0
    assert len(sums(folder / 'out')) == 2
    assert (folder / 'out' / 'train' / '00000.wav').stat().st_mtime_ns == first


def test_a_set_whose_making_is_killed_goes_on_and_is_the_same(folder: Path):
    assert main(words(folder, 'whole')) == 0
    command = [sys.executable, '-m', 'improv_ros.cli', *words(folder)]
    process = subprocess.Popen(command)
    first = folder / 'out' / 'train' / '00000.json'
    deadline = time.monotonic() + 60
    while not first.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert first.exists()
    # As if it had been killed while it wrote the next one.
    (folder / 'out' / 'train' / '00002.wav').write_bytes(b'half')
    (folder / 'out' / 'train' / '00002.json').unlink(missing_ok=True)
    assert main(words(folder)) == 0
    assert sums(folder / 'out') == sums(folder / 'whole')
    assert soundfile.info(folder / 'out' / 'train' / '00002.wav').frames == 960000


def test_a_description_that_is_being_written_is_not_in_the_manifest(folder: Path):
    unfinished = folder / 'out' / 'train' / 'part-1-00001.json'  # named as `atomic_file` does
    unfinished.parent.mkdir(parents=True)
    unfinished.write_text('{"name"')

    assert main(words(folder)) == 0

    manifest = json.loads((folder / 'out' / 'manifest.json').read_text())
    names = [recording['name'] for recording in manifest['recordings']['train']]
    assert names == ['00000', '00001', '00002']


@pytest.mark.nightly
def test_another_seed_is_another_set(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(words(folder, 'out', 1 / 60)) == 0
    assert main(words(folder, 'out', 1 / 60, '--seed', '2')) == 1
    assert 'holds a set with another value of seed' in capsys.readouterr().err
    assert main(words(folder, 'other', 1 / 60, '--seed', '2')) == 0
    assert sums(folder / 'out') != sums(folder / 'other')


@pytest.mark.nightly
def test_pieces_that_are_left_out_are_not_played(folder: Path):
    music = folder_of_scales(folder / 'music', 3, 40)
    more = ('--music', str(music), '--leave-out', 'scale00', 'scale02')
    assert main(words(folder, 'out', 5 / 60, *more)) == 0
    manifest = json.loads((folder / 'out' / 'manifest.json').read_text())
    played = {r['music'] for r in manifest['recordings']['train']}
    assert 'scale01.mid' in played
    assert not played & {'scale00.mid', 'scale02.mid'}


@pytest.mark.nightly
def test_a_full_disk_is_told_and_mended(folder: Path):
    command = f'ulimit -f 1000 && exec {sys.executable} -m improv_ros.cli ' + ' '.join(
        words(folder)
    )
    failed = subprocess.run(['bash', '-c', command], capture_output=True, text=True, timeout=120)
    assert failed.returncode == 1
    assert 'a recording could not be written' in failed.stderr
    assert 'Traceback' not in failed.stderr
    assert not list((folder / 'out' / 'train').glob('*.json'))
    assert main(words(folder)) == 0
    assert len(sums(folder / 'out')) == 3


PIANO = '- {name: a, licence: b, source: c, '
BROKEN = {
    'not a list of pianos': 'name: one',
    'is not YAML': '- {name: [',
    'needs one of soundfont, samples, procedural': '- {name: a, licence: b, source: c}',
    'has no licence': '- {name: a, source: c, procedural: grand}',
    'unknown entry colour': PIANO + 'procedural: grand, colour: red}',
    "seed is 'one', not a int": PIANO + 'procedural: grand, seed: one}',
    'weight is -1; it must be above 0': PIANO + 'procedural: grand, weight: -1}',
    'procedural is one of grand, upright': PIANO + 'procedural: x}',
    'there is no soundfont .*get it from c': PIANO + 'soundfont: x.sf2}',
    'there is no samples .*get it from c': PIANO + 'samples: x}',
    'none is left for training': PIANOS[PIANOS.index('- {name: kept') :],
    'two pianos have the name first': PIANOS + PIANOS.splitlines()[1],
}


@pytest.mark.parametrize('message', BROKEN)
def test_a_broken_list_of_pianos_is_refused(
    tmp_path: Path, message: str, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / 'pianos.yaml').write_text(BROKEN[message])
    assert main(words(tmp_path)) == 1
    error = capsys.readouterr().err
    assert 'pianos.yaml' in error
    assert re.search(message, error), error


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (['--music', 'nowhere'], 'there is no folder nowhere'),
        (['--hours', '0'], 'must be above 0'),
        (['--hours', 'nan'], 'must be above 0'),
        (['--processes', '0'], 'processes'),
        (['--terms', 'free'], '1 terms are named for 0 folders'),
    ],
)
def test_what_cannot_be_made_is_refused(
    folder: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    assert main([*words(folder), *more]) == 1
    assert message in capsys.readouterr().err


def test_an_empty_folder_of_music_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / 'music').mkdir()
    assert main(words(folder, 'out', 0.1, '--music', str(folder / 'music'))) == 1
    assert 'holds no .mid or .midi file' in capsys.readouterr().err


def test_held_out_hours_need_a_piano(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_pianos(tmp_path, PIANOS[: PIANOS.index('- {name: kept')])
    assert main(words(tmp_path, 'out', 0.1, '--held-out-hours', '1')) == 1
    assert '--held-out-hours needs a piano' in capsys.readouterr().err
