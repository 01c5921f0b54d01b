# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""basic-pitch 0.4, the baseline of `improv bench transcription`: Bittner et al., "A lightweight
instrument-agnostic model for polyphonic note transcription and multipitch estimation", ICASSP
2022.

It takes whole files and looks ahead without limit. It is not a dependency: it runs in an
environment of its own, which is made if it is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import json
from pathlib import Path
import subprocess
import sys

import numpy as np

from improv_ros.training.transcriber.measurement import Transcription
from improv_ros.training.transcriber.recordings import Notes, Recording
from improv_ros.training.transcriber.scores import compare, total

SCRIPT = Path(__file__).with_name('basic_pitch_notes.py')
# It asks for a TensorFlow that no longer exists, and does without with onnxruntime.
PACKAGE = 'basic-pitch==0.4.0'
NEEDS = ('onnxruntime', 'librosa', 'resampy<0.4.3', 'pretty_midi', 'mir_eval', 'setuptools<81')

Settings = dict[str, float]
DEFAULT: Settings = {
    'onset_threshold': 0.5,
    'frame_threshold': 0.3,
    'minimum_length': 127.7,
    'infer_onsets': True,
    'melodia_trick': True,
}
GRIDS: dict[str, tuple[float, ...]] = {
    'onset_threshold': (0.3, 0.4, 0.5, 0.6, 0.7),
    'minimum_length': (30.0, 60.0, 90.0),
    'frame_threshold': (0.2, 0.4, 0.5),
    'melodia_trick': (False,),
    'infer_onsets': (False,),
}


class BasicPitch:
    """basic-pitch over recordings with notes.

    `folder` holds its environment (`venv`), and the outputs of its network (`outputs`) for the
    next time.
    """

    def __init__(self, folder: Path, recordings: list[Recording]) -> None:
        environment = folder / 'venv'
        self._python = environment / 'bin' / 'python'
        self._cache = folder / 'outputs'
        self._recordings = recordings
        if not self._python.is_file():
            _make(environment)

    def default(self) -> Iterator[Transcription]:
        """Yield what is heard of each recording with the default settings."""
        return (Transcription(notes) for (notes,) in self._hear([DEFAULT]))

    def _hear(self, settings: list[Settings]) -> Iterator[list[Notes]]:
        """Yield, for each recording in turn, what is heard with each of the settings."""
        job = {
            'recordings': [str(recording.path) for recording in self._recordings],
            'cache': str(self._cache),
            'settings': settings,
        }
        with subprocess.Popen(
            [self._python, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin and process.stdout
            process.stdin.write(json.dumps(job))
            process.stdin.close()
            for line, recording in zip(process.stdout, self._recordings, strict=True):
                all_notes = json.loads(line)['notes']
                yield [_as_ours(notes, recording.seconds) for notes in all_notes]
        if process.returncode:
            raise RuntimeError(f'basic-pitch failed in {self._python} ({process.returncode})')

    def tuned(self) -> tuple[Settings, list[Transcription]]:
        """Return the settings that give the best onset F1 here, and what is heard with them.

        The median error of its onsets is subtracted.
        """
        best, reached, heard = DEFAULT, 0.0, []
        for name, grid in GRIDS.items():
            tried = [{**best, name: value} for value in grid]
            for setting, notes in zip(tried, zip(*self._hear(tried), strict=True), strict=True):
                late, f1 = self._score(notes)
                print(f'basic-pitch {setting}: onset F1 {f1:.4f}', file=sys.stderr, flush=True)
                if f1 > reached:
                    best, reached = setting, f1
                    heard = [Transcription(_earlier(late, one)) for one in notes]
        return best, heard

    def _score(self, notes: Sequence[Notes]) -> tuple[float, float]:
        """Return the median error of the onsets (s), and the mean onset F1 without it."""
        played = [recording.true_notes for recording in self._recordings]
        errors = total(
            [compare(true, one) for true, one in zip(played, notes, strict=True)]
        ).errors
        late = float(np.median(errors))
        scores = [
            compare(true, _earlier(late, one)) for true, one in zip(played, notes, strict=True)
        ]
        return late, float(np.mean([score.onset_f1 for score in scores]))


def _earlier(seconds: float, notes: Notes) -> Notes:
    return np.column_stack((np.maximum(notes[:, :2] - seconds, [0, 0.001]), notes[:, 2:]))


def _as_ours(notes: list[list[float]], seconds: float) -> Notes:
    heard = np.array([note for note in notes if note[0] < seconds]).reshape(-1, 4)
    heard[:, 1] = np.maximum(heard[:, 1], heard[:, 0] + 0.001)
    heard[:, 3] = np.clip(np.rint(heard[:, 3] * 127), 1, 127)
    return heard


def _make(environment: Path) -> None:
    print(f'making {environment} for basic-pitch', file=sys.stderr)
    subprocess.run([sys.executable, '-m', 'venv', environment], check=True)
    pip: list[str | Path] = [environment / 'bin' / 'python', '-m', 'pip', 'install', '--quiet']
    subprocess.run([*pip, '--no-deps', PACKAGE], check=True)
    subprocess.run([*pip, *NEEDS], check=True)
