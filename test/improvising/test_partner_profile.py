# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The profile of a person: kept whole or not at all, and refused if it is not to be trusted."""

from __future__ import annotations

import os
from pathlib import Path
import resource
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
from partner_music import motif, notes, shipped
import pytest

from improv_ros.improvising.partner.learnt import Learnt
from improv_ros.improvising.partner.motif_memory import MAX_EVENTS
from improv_ros.improvising.partner.output_heads import Heads
from improv_ros.improvising.partner.partner_profile import (
    Profile,
    ProfileError,
    ProfileFile,
    profiles_folder,
)


def some_profile(seed: int = 1, events: int = 0) -> Profile:
    random = np.random.default_rng(seed)
    arrays = [
        array + random.normal(0, 0.01, array.shape).astype(np.float32)
        for array in shipped()[1].heads.arrays
    ]
    learnt = Learnt.nothing(shipped()[1])._replace(heads=Heads.of_arrays(arrays), notes=12)
    steps = np.array(notes(motif(30)))
    return Profile(learnt, np.tile(steps, (events // len(steps) + 1, 1))[: events or None])


@pytest.fixture
def file(tmp_path: Path) -> ProfileFile:
    made = ProfileFile('anna', shipped()[1], tmp_path)
    made.lock()
    return made


def test_keeps_what_was_learnt(file):
    assert file.read() is None
    profile = some_profile()
    file.write(profile)
    again = file.read()
    assert again.learnt.notes == 12
    np.testing.assert_array_equal(again.steps, profile.steps)
    for ours, theirs in zip(profile.learnt.heads.arrays, again.learnt.heads.arrays, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert [path.name for path in sorted(file.path.parent.iterdir())] == ['anna.lock', 'anna.npz']
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_its_size_is_bounded(file):
    file.write(some_profile(events=MAX_EVENTS))
    assert file.path.stat().st_size < 3e6
    assert len(file.read().steps) == MAX_EVENTS


def test_lies_in_the_data_directory(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    assert profiles_folder() == tmp_path / 'improv_ros' / 'partners'
    for name in ('', '../anna', 'a b', 'ä', '.anna', 'a' * 65):
        with pytest.raises(ProfileError, match='use letters, digits'):
            ProfileFile(name, shipped()[1])


def changed(file: ProfileFile, **arrays: np.ndarray) -> None:
    with np.load(file.path) as old:
        np.savez(file.path, **{**{name: old[name] for name in old.files}, **arrays})


@pytest.mark.parametrize(
    ('arrays', 'reason'),
    [
        ({'shipped': np.array('another')}, 'belongs to another network'),
        ({'version': np.array('partner-0')}, 'another version'),
        ({'change_0': np.zeros((3, 3), np.float16)}, 'is damaged'),
        ({'change_1': np.full(128, np.nan, np.float16)}, 'too large or not a number'),
        ({'weights': np.full((3, 6, 3), 1e9)}, 'too large or not a number'),
        ({'steps': np.array([[0, 999, 0]])}, 'outside of the vocabulary'),
        ({'steps': np.zeros((MAX_EVENTS + 1, 3))}, 'the events have the shape'),
        ({'notes': np.array('many')}, 'is damaged'),
    ],
)
def test_refuses_what_is_damaged_or_foreign_by_name(file, arrays, reason):
    file.write(some_profile())
    changed(file, **arrays)
    with pytest.raises(ProfileError, match=reason) as refused:
        file.read()
    assert str(file.path) in str(refused.value)


def test_refuses_any_truncated_or_flipped_file(file):
    file.write(some_profile())
    data = file.path.read_bytes()
    random = np.random.default_rng(1)
    for length in random.integers(0, len(data), 20):
        file.path.write_bytes(data[:length])
        with pytest.raises(ProfileError, match='damaged'):
            file.read()
    for place in random.integers(0, len(data), 20):
        file.path.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
        try:
            profile = file.read()  # zip has no checksum for all of its own bytes
        except ProfileError:
            continue
        np.testing.assert_array_equal(profile.steps, some_profile().steps)


def test_nothing_in_a_profile_is_executed(file, tmp_path):
    file.write(some_profile())
    changed(file, steps=np.array([{'evil': 1}], object))
    with pytest.raises(ProfileError, match='damaged'):
        file.read()


def test_a_second_robot_may_not_keep_the_same_profile(file, tmp_path):
    second = ProfileFile('anna', shipped()[1], tmp_path)
    with pytest.raises(ProfileError, match=r'anna\.npz is in use by another robot'):
        second.lock()
    ProfileFile('ben', shipped()[1], tmp_path).lock()
    file.unlock()
    second.lock()


def test_a_full_disk_leaves_the_old_profile(file):
    file.write(some_profile(seed=1))
    before = file.path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
        with pytest.raises(ProfileError, match=r'anna\.npz could not be kept: .*File too large'):
            file.write(some_profile(seed=2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert file.path.read_bytes() == before
    assert sorted(path.name for path in file.path.parent.iterdir()) == ['anna.lock', 'anna.npz']


def test_killed_while_writing_leaves_a_whole_profile(tmp_path):
    program = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_partner_profile import some_profile
        from partner_music import shipped
        from improv_ros.improvising.partner.partner_profile import ProfileFile
        file = ProfileFile('anna', shipped()[1], Path({str(tmp_path)!r}))
        file.lock()
        profiles = [some_profile(seed) for seed in (1, 2)]
        while True:
            for profile in profiles:
                file.write(profile)
                print('written', flush=True)
    """)
    kept = ProfileFile('anna', shipped()[1], tmp_path)
    for seed in range(3):
        process = subprocess.Popen(
            [sys.executable, '-c', program], stdout=subprocess.PIPE, env={**os.environ}
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b'written\n'
        time.sleep(np.random.default_rng(seed).uniform(0, 0.3))
        process.kill()
        process.wait()
        process.stdout.close()
        kept.lock()  # the lock of a killed robot is gone
        kept.unlock()
        assert kept.read().learnt.notes == 12
