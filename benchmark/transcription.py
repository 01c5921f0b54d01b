"""How well notes are heard, beside others: the transcriber, the estimator without a network, and
basic-pitch as it comes and with its thresholds tuned on the very recordings.

SET is a folder of recordings with their notes in a .tsv beside each; see `improv evaluate`. The
transcriber and the estimator hear as they would live; basic-pitch hears whole files.

    python benchmark/transcription.py SET [--model-file FILE] [--save FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
import multiprocessing
from pathlib import Path
import sys

from basic_pitch_peer import Peer
import numpy as np

from improv_ros.training.transcription.estimators import SPECTRAL, load_estimator, transcriber
from improv_ros.training.transcription.heard import Heard, Measurement
from improv_ros.training.transcription.live import hear
from improv_ros.training.transcription.recordings import Recording, RecordingError, find
from improv_ros.training.transcription.report import HEADER, Report


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('set', type=Path)
    parser.add_argument(
        '--model-file',
        action='append',
        default=[],
        help='may be repeated; default: the shipped one, and spectral, which needs no file',
    )
    parser.add_argument('--seconds', type=float, help='hear only so much of each recording')
    parser.add_argument('--processes', type=int, default=1)
    parser.add_argument('--peer', type=Path, help='folder for the environment of basic-pitch')
    parser.add_argument('--save', type=Path, help='folder to keep each measurement, to draw it')
    arguments = parser.parse_args()
    try:
        recordings = find(arguments.set, arguments.seconds)
        measurements = []
        for model in arguments.model_file or ['', SPECTRAL]:
            measurements.append(ours(model, recordings, arguments.processes))
        if arguments.peer:
            measurements += basic_pitch(arguments.peer, recordings)
    except (RecordingError, OSError, RuntimeError) as error:
        print(f'transcription: {error}', file=sys.stderr)
        return 1
    if arguments.save:
        arguments.save.mkdir(parents=True, exist_ok=True)
        for measurement in measurements:
            measurement.save(arguments.save / f'{measurement.model}.npz')
    return 0


def ours(model: str, recordings: list[Recording], processes: int) -> Measurement:
    """Hear all recordings as live."""
    job = partial(hear, model=model, settings={})
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(processes, mp_context=context) as executor:
        heard = report(model, recordings, executor.map(job, recordings))
    latency = transcriber(load_estimator(model), {}).latency
    return Measurement(Path(model).stem or 'transcriber', latency, recordings, heard)


def basic_pitch(folder: Path, recordings: list[Recording]) -> list[Measurement]:
    """Hear all recordings as they are, whole."""
    recordings = [recording for recording in recordings if recording.notes is not None]
    peer = Peer(folder / 'venv', folder / 'posteriors', recordings)
    as_it_comes = report('basic-pitch', recordings, peer.as_it_comes())
    settings, heard = peer.tuned()
    tuned = report(f'basic-pitch, tuned: {settings}', recordings, heard)
    return [
        Measurement(name, np.inf, recordings, heard)
        for name, heard in (('basic-pitch', as_it_comes), ('basic-pitch tuned', tuned))
    ]


def report(name: str, recordings: list[Recording], results: Iterable[Heard]) -> list[Heard]:
    """Print a line for each recording as soon as it was heard, and what they come to."""
    table, heard = Report(), []
    print(f'\n{name}\n{HEADER}')
    for recording, one in zip(recordings, results, strict=True):
        heard.append(one)
        print(table.add(recording, one), flush=True)
    print(table.summary(), flush=True)
    return heard


if __name__ == '__main__':
    sys.exit(main())
