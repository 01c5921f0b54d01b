# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The demonstration with a simulated body, as `make demo BODY=marimba_arms` runs it."""

from __future__ import annotations

from pathlib import Path
import subprocess

import mido
import numpy as np
from PIL import Image
import pytest

from test_chain import improv, short_recording

pytest.importorskip('mujoco')


def demo(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    words = ['--input', str(short_recording(folder)), '--out', str(folder / 'out'), '--no-page']
    return subprocess.run(
        improv('demo', '--body', body, *words), capture_output=True, text=True, timeout=300
    )


@pytest.mark.nightly
def test_the_arms_are_seen_to_play_the_answer(tmp_path: Path) -> None:
    done = demo(tmp_path, 'marimba_arms')
    assert done.returncode == 0, done.stderr
    assert 'Traceback' not in done.stderr
    out = tmp_path / 'out'
    with Image.open(out / 'robot.gif') as picture:
        assert picture.n_frames > 5  # still ones are merged
        frames = []
        for number in range(picture.n_frames):
            picture.seek(number)
            frames.append(np.asarray(picture.convert('RGB')).astype(int))
    moved = [np.abs(a - frames[0]).max(axis=2).mean() for a in frames[1:]]
    assert max(moved) > 0.3
    with Image.open(out / 'robot.png') as picture:
        assert picture.size == (960, 540)
        colours = np.asarray(picture).reshape(-1, 3).astype(int)
    lit = (colours[:, 0] > 200) & (colours[:, 1] > 160) & (colours[:, 2] < 120)
    assert lit.sum() > 50  # pixels of the bar that was just hit
    _, played = mido.MidiFile(out / 'improvisation.mid').tracks
    assert 12 in [m.program for m in played if m.type == 'program_change']  # marimba
    assert (out / 'learned_body.yaml').is_file()


def test_an_unknown_body_is_refused_at_once(tmp_path: Path) -> None:
    done = demo(tmp_path, 'octopus')
    assert done.returncode == 2
    assert 'marimba_arms' in done.stderr
    assert 'Traceback' not in done.stderr
