# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The folders of calibrations: written, read, listed, removed, and never half written."""

from __future__ import annotations

from dataclasses import replace
import json
import multiprocessing
import os
from pathlib import Path
import shutil

import numpy as np
import pytest

from improv_ros import cli
from improv_ros.calibration import room_folders
from improv_ros.calibration.latency_fit import Latency
from improv_ros.calibration.refusal import CalibrationError
from improv_ros.calibration.room import Hearing, Room, checksums
from improv_ros.calibration.room_card import card
from improv_ros.calibration.room_folders import (
    read_room,
    remove_room,
    room_names,
    rooms_folder,
    write_room,
    writing_lock,
)
from improv_ros.calibration.tuning_fit import Tuning
from improv_ros.listening.transcription.transcription_runtime import DEFAULT_MODEL
from improv_ros.listening.transcription.velocity_scale import VelocityScale
from improv_ros.process.backoff import UNUSABLE

SCALE = VelocityScale((1, 0, 0, 0, 0), (-40, -10), np.tile([10.0, 120.0], (88, 1)))
STUDIO = Room(
    name='studio',
    made='2026-11-30T21:00:00+00:00',
    model='transcriber',
    checksums={'.tflite': 'a'},
    devices={'microphone': 'USB'},
    output='port',
    latency=Latency(0.08, ((16, 0.145), (100, 0.0)), 0.001, 0.002, 200),
    hearing={4: Hearing(0.006, {'onset_threshold': 0.6}, SCALE), 8: Hearing()},
    tuning=Tuning(-1.2, 0.1, 2.6, 0.1, 90),
    not_fitted={'thresholds (heard)': 'nothing is better'},
    figures=(('onset F1 of the program', 0.9, None, ''),),
    conditions={'peak (dBFS)': -4.7},
)


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    return tmp_path


def test_what_is_written_is_read_again() -> None:
    folder = write_room(STUDIO, {'card.md': b'card'})
    again = read_room('studio')
    assert again.as_dict() == STUDIO.as_dict()
    assert again.latency is not None and again.latency.at(58) == pytest.approx(0.1525)
    assert read_room(str(folder)).name == 'studio'
    assert (folder / 'card.md').read_bytes() == b'card'
    assert room_names() == ['studio']


def test_a_new_one_replaces_the_old_one_and_leaves_nothing_of_it() -> None:
    write_room(STUDIO, {'card.md': b'old', 'card.png': b'old'})
    folder = write_room(replace(STUDIO, output='synth'), {'card.md': b'new'})
    assert read_room('studio').output == 'synth'
    assert not (folder / 'card.png').exists()
    assert len(list(rooms_folder().iterdir())) == 2  # the link, and where it leads
    remove_room('studio')
    assert list(rooms_folder().iterdir()) == []


def test_a_folder_that_was_copied_here_can_be_replaced() -> None:
    folder = write_room(STUDIO, {})
    shutil.copytree(folder, rooms_folder() / 'copy')
    assert room_names() == ['copy', 'studio']
    write_room(replace(STUDIO, name='copy', output='synth'), {})
    assert read_room('copy').output == 'synth'


def write_until_killed(began: object) -> None:
    """Be killed between the files of a calibration and the link to it."""
    room_folders.os.replace = lambda *_: os.kill(os.getpid(), 9)
    write_room(replace(STUDIO, output='synth'), {'card.md': b'new'})


def test_a_kill_leaves_the_old_one_and_the_next_one_clears_up() -> None:
    write_room(STUDIO, {'card.md': b'old'})
    process = multiprocessing.get_context('fork').Process(target=write_until_killed, args=(None,))
    process.start()
    process.join(60)
    assert process.exitcode == -9
    assert read_room('studio').output == 'port'
    assert room_names() == ['studio']
    write_room(STUDIO, {})
    assert len(list(rooms_folder().iterdir())) == 2


def test_a_disk_that_fails_leaves_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    write_room(STUDIO, {})

    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(room_folders.os, 'fsync', full)
        with pytest.raises(CalibrationError, match=r'No space left.*unchanged'):
            write_room(replace(STUDIO, output='synth'), {})
    assert read_room('studio').output == 'port'
    assert len(list(rooms_folder().iterdir())) == 2


def test_only_one_calibration_runs_at_a_time() -> None:
    with (
        writing_lock(),
        pytest.raises(CalibrationError, match='another calibration is running'),
        writing_lock(),
    ):
        pass
    with writing_lock():
        pass


@pytest.mark.parametrize('name', ['', '../studio', '.hidden', 'a~b', 'a b', 'x' * 65])
def test_names_that_are_no_folder_are_refused(name: str) -> None:
    with pytest.raises(CalibrationError):
        write_room(replace(STUDIO, name=name), {})


def test_a_room_that_is_not_there_is_told_with_those_that_are() -> None:
    write_room(STUDIO, {})
    with pytest.raises(CalibrationError, match=r'no room hall \(there is: studio\)'):
        read_room('hall')
    with pytest.raises(CalibrationError, match='no room hall'):
        remove_room('hall')


@pytest.mark.parametrize(
    'change',
    [
        {'version': 0},
        {'latency': {'fixed': -1}},
        {'latency': {'fixed': 0, 'strike': [[10, 99]], 'error': 0, 'spread': 0, 'notes': 1}},
        {'hearing': {'4': {'onset_bias': 9, 'decoding': None, 'velocity': None}}},
        {'hearing': {'4': {'onset_bias': None, 'decoding': {'x': 1}, 'velocity': None}}},
        {'hearing': None},
    ],
)
def test_a_damaged_file_is_refused(change: dict[str, object]) -> None:
    folder = write_room(STUDIO, {})
    about = {**STUDIO.as_dict(), **change}
    (folder / 'room.json').write_text(json.dumps(about))
    with pytest.raises(CalibrationError, match='damaged or of another version'):
        read_room('studio')


def test_it_belongs_to_one_model(tmp_path: Path) -> None:
    for suffix in ('.tflite', '.json'):
        shutil.copy(DEFAULT_MODEL.with_suffix(suffix), tmp_path / f'mine{suffix}')
    model = tmp_path / 'mine.tflite'
    room = replace(STUDIO, checksums=checksums(model))
    room.check_model(model)
    room.check_model(DEFAULT_MODEL)  # the same model under another name
    with model.open('ab') as file:
        file.write(b'x')
    with pytest.raises(CalibrationError, match=r'another model than mine\.tflite'):
        room.check_model(model)
    with pytest.raises(CalibrationError, match='another model than spectral'):
        room.check_model(Path('spectral'))


def test_the_card_tells_what_was_found_and_what_was_not() -> None:
    text = card(STUDIO, picture=True)
    assert 'latency of port: 80.0 ms' in text
    assert '16:0.1450, 100:0.0000' in text
    assert '`latency` of a body: {16: 0.2250, 100: 0.0800}' in text
    assert 'onsets are heard +6.0 ms late' in text
    assert 'thresholds (heard): nothing is better.' in text
    assert 'room:=studio' in text


def test_a_room_that_is_not_there_is_told_before_nodes_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(['run', '--room', 'hall', '--no-page']) == UNUSABLE
    assert 'there is no room hall (there is: none yet)' in capsys.readouterr().err


def test_calibrations_are_listed_shown_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    write_room(STUDIO, {})
    assert cli.main(['calibrate', '--list']) == 0
    assert 'studio               2026-11-30T21:00  port, transcriber' in capsys.readouterr().out
    assert cli.main(['calibrate', '--show', 'studio']) == 0
    assert 'latency of port: 80.0 ms' in capsys.readouterr().out
    assert cli.main(['calibrate', '--remove', 'studio']) == 0
    assert cli.main(['calibrate', '--remove', 'studio']) == 1
    assert 'there is no room studio' in capsys.readouterr().err
