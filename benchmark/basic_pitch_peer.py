"""basic-pitch 0.4, heard beside us: Bittner et al., "A lightweight instrument-agnostic model for
polyphonic note transcription and multipitch estimation", ICASSP 2022.

It hears whole files and looks ahead as far as it likes. It is no dependency: it runs in an
environment of its own, which is made where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
import subprocess
import sys

import numpy as np

from improv_ros.training.transcription.heard import Heard
from improv_ros.training.transcription.recordings import Notes, Recording
from improv_ros.training.transcription.scores import compare

SCRIPT = Path(__file__).with_name('basic_pitch_notes.py')
# It asks for a TensorFlow that no longer exists, and does without with onnxruntime.
PACKAGE = 'basic-pitch==0.4.0'
NEEDS = ('onnxruntime', 'librosa', 'resampy<0.4.3', 'pretty_midi', 'mir_eval', 'setuptools<81')

Settings = dict[str, float]
AS_IT_COMES: Settings = {'onset_threshold': 0.5, 'frame_threshold': 0.3, 'minimum_length': 127.7}
GRIDS = {
    'onset_threshold': (0.3, 0.4, 0.6, 0.7),
    'minimum_length': (30.0, 60.0, 90.0),
    'frame_threshold': (0.2, 0.4),
}


class Peer:
    """basic-pitch over some recordings; what its network says is kept in `cache`."""

    def __init__(self, environment: Path, cache: Path, recordings: list[Recording]) -> None:
        self._python = environment / 'bin' / 'python'
        self._cache = cache
        self._recordings = recordings
        if not self._python.is_file():
            _make(environment)

    def hear(self, settings: list[Settings]) -> Iterator[list[Heard]]:
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
                yield [Heard(_as_ours(notes, recording.seconds)) for notes in all_notes]
        if process.returncode:
            raise RuntimeError(f'basic-pitch failed in {self._python} ({process.returncode})')

    def tune(self) -> tuple[Settings, list[Heard]]:
        """Return the settings that give the best onset F1 here, and what is heard with them."""
        best, heard = AS_IT_COMES, [one for (one,) in self.hear([AS_IT_COMES])]
        reached = self._merit(heard)
        for name, grid in GRIDS.items():
            tried = [{**best, name: value} for value in grid]
            by_setting = list(zip(*self.hear(tried), strict=True))
            merits = [self._merit(list(one)) for one in by_setting]
            for setting, merit in zip(tried, merits, strict=True):
                print(f'basic-pitch, {setting}: onset F1 {merit:.4f}', file=sys.stderr)
            if max(merits) > reached:
                place = int(np.argmax(merits))
                best, heard, reached = tried[place], list(by_setting[place]), merits[place]
        return best, heard

    def _merit(self, heard: list[Heard]) -> float:
        return float(
            np.mean(
                [
                    compare(recording.notes, one.notes).onset_f1
                    for recording, one in zip(self._recordings, heard, strict=True)
                    if recording.notes is not None
                ]
            )
        )


def _as_ours(notes: list[list[float]], seconds: float) -> Notes:
    heard = np.array([note for note in notes if note[0] < seconds]).reshape(-1, 4)
    heard[:, 1] = np.maximum(heard[:, 1], heard[:, 0] + 0.001)
    heard[:, 3] = np.clip(np.rint(heard[:, 3] * 127), 1, 127)
    return heard


def _make(environment: Path) -> None:
    print(f'making {environment} for basic-pitch', file=sys.stderr)
    subprocess.run([sys.executable, '-m', 'venv', environment], check=True)
    pip = [environment / 'bin' / 'python', '-m', 'pip', 'install', '--quiet']
    subprocess.run([*pip, '--no-deps', PACKAGE], check=True)
    subprocess.run([*pip, *NEEDS], check=True)
