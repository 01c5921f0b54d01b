# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv evaluate transcriber`: accuracy, latency and cost of the transcriber."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
import math
import multiprocessing
from pathlib import Path
import sys
import tempfile
from typing import TYPE_CHECKING

from improv_ros.listening.transcription.decoder import DECODER_SETTINGS

if TYPE_CHECKING:
    from improv_ros.training.transcriber.measurement import Transcription
    from improv_ros.training.transcriber.recordings import Recording

Sets = dict[str, list['Recording']]  # by the name of the set
Columns = dict[str, dict[str, float]]  # figures of each set and delay

SETTINGS = sorted({*DECODER_SETTINGS, 'onset_bias', 'offset_bias'})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        'sets',
        nargs='+',
        metavar='SET',
        help='folder of recordings, each with its notes in a .tsv file beside it; a recording '
        'without one is noise, in which every transcribed note is invented. Several sets are '
        'evaluated one by one and compared in a table',
    )
    parser.add_argument(
        '--model-file',
        default='',
        metavar='FILE',
        help='.tflite or .keras file of the network to measure, or spectral: the estimator '
        'without a network (default: the shipped network)',
    )
    parser.add_argument(
        '--seconds',
        type=_positive,
        help='length to use of each recording, in seconds (default: all of it)',
    )
    parser.add_argument(
        '--processes',
        type=_count,
        default=1,
        help='number of recordings transcribed at a time (default: 1)',
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        type=_setting,
        metavar='NAME=VALUE',
        help='a setting of the decoder, or onset_bias, offset_bias: by how many seconds onsets '
        f'and offsets are late. Names: {", ".join(SETTINGS)} (default: as tuned for the model)',
    )
    parser.add_argument(
        '--tune', action='store_true', help='search for the settings that are best on these sets'
    )
    parser.add_argument(
        '--posteriors',
        type=Path,
        metavar='FOLDER',
        help='decode the posteriors stored in this folder, and store those that are missing: '
        'faster, but without timing',
    )
    parser.add_argument(
        '--delay',
        type=int,
        nargs='+',
        metavar='HOPS',
        help='with --posteriors: delays of the network in hops of 10 ms, evaluated one by one '
        '(default: the delay that the model names)',
    )
    parser.add_argument(
        '--save',
        type=Path,
        metavar='FILE',
        help='save all notes in an .npz file, for `improv bench transcription --saved`',
    )


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is not a number of seconds above 0')
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not a number of at least 1')
    return value


def _setting(text: str) -> tuple[str, float]:
    name, _, value = text.partition('=')
    if name not in SETTINGS:
        raise argparse.ArgumentTypeError(f'{name!r} is not one of {", ".join(SETTINGS)}')
    try:
        number = float(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=NUMBER') from error
    return name, int(number) if number.is_integer() else number


def run(arguments: argparse.Namespace) -> int:
    """Print the scores of every recording and of all; return the exit code."""
    if not find_spec('mir_eval'):
        print(
            "measuring a transcriber needs mir_eval: pip install 'improv_ros[train]'",
            file=sys.stderr,
        )
        return 1
    from improv_ros.training.transcriber.recordings import RecordingError, find

    try:
        names = _names(arguments.sets)
        sets = {name: find(Path(folder), arguments.seconds) for folder, name in names.items()}
        columns: Columns = {}
        with _executor(arguments.processes) as executor:
            if arguments.tune or arguments.posteriors:
                _from_posteriors(arguments, sets, executor, columns)
            else:
                _live(arguments, sets, executor, columns)
        if len(columns) > 1:
            from improv_ros.training.transcriber.report import side_by_side

            print('\n' + side_by_side(columns))
        return 0
    except (RecordingError, OSError) as error:
        print(f'improv evaluate: {error}', file=sys.stderr)
        return 1


@contextmanager
def _executor(processes: int) -> Iterator[Executor]:
    # Spawned processes hold only what transcription needs, so their memory can be measured.
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(processes, mp_context=context) as executor:
        yield executor


def _live(arguments: argparse.Namespace, sets: Sets, executor: Executor, columns: Columns) -> None:
    from improv_ros.training.transcriber.measurement import transcribe_live

    job = partial(transcribe_live, model=arguments.model_file, settings=dict(arguments.set))
    for name, recordings in sets.items():
        columns[name] = _report(arguments, recordings, executor.map(job, recordings))


def _from_posteriors(
    arguments: argparse.Namespace, sets: Sets, executor: Executor, columns: Columns
) -> None:
    from improv_ros.training.transcriber.estimators import load_estimator
    from improv_ros.training.transcriber.measurement import Transcription
    from improv_ros.training.transcriber.posteriors import (
        StoredPosteriors,
        decode_stored,
        store_posteriors,
    )
    from improv_ros.training.transcriber.tuning import tune

    model = arguments.model_file
    for delay in arguments.delay or [load_estimator(model).latency_hops]:
        stored: dict[str, list[StoredPosteriors]] = {}
        with tempfile.TemporaryDirectory() as temporary:
            folder = arguments.posteriors or Path(temporary)
            for name, recordings in sets.items():
                place = folder / name if len(sets) > 1 else folder
                place.mkdir(parents=True, exist_ok=True)
                stored[name] = [StoredPosteriors.at(place, each, delay) for each in recordings]
                missing = [one.recording for one in stored[name] if not one.path.is_file()]
                job = partial(store_posteriors, folder=place, model=model)
                for done in executor.map(job, missing):
                    print(f'transcribed {done}', file=sys.stderr, flush=True)
            settings = dict(arguments.set)
            if arguments.tune:
                settings = tune(
                    list(stored.values()), settings, executor, partial(print, flush=True)
                )
                print('\n' + ' '.join(f'--set {name}={value}' for name, value in settings.items()))
            for name, recordings in sets.items():
                notes = executor.map(partial(decode_stored, settings=settings), stored[name])
                report = _report(arguments, recordings, map(Transcription, notes), delay)
                columns[f'{name}, {delay} hops'] = report


def _names(folders: Sequence[str]) -> dict[str, str]:
    """Return a name of each set: as many last parts of its path as distinguish it."""
    for parts in range(1, 1 + max(len(Path(folder).parts) for folder in folders)):
        names = {folder: ' '.join(Path(folder).parts[-parts:]) for folder in folders}
        if len(set(names.values())) == len(names):
            break
    return names


def _report(
    arguments: argparse.Namespace,
    recordings: list[Recording],
    results: Iterable[Transcription],
    delay: int | None = None,
) -> dict[str, float]:
    """Print the figures of each recording of a set, and return those of all together."""
    from improv_ros.training.transcriber.estimators import load_estimator, transcriber
    from improv_ros.training.transcriber.measurement import Measurement
    from improv_ros.training.transcriber.report import HEADER, Report

    report, transcriptions = Report(), []
    print(HEADER, flush=True)
    for recording, result in zip(recordings, results, strict=True):
        transcriptions.append(result)
        print(report.add(recording, result), flush=True)
    print(report.summary())
    estimator = load_estimator(arguments.model_file)
    latency = transcriber(estimator, dict(arguments.set)).latency
    if delay is not None:
        latency += (delay - estimator.latency_hops) * estimator.hop / estimator.sample_rate
    print(f'algorithmic latency (delay, lookahead and one hop): {latency * 1000:.0f} ms')
    if arguments.save:
        name = Path(arguments.model_file).stem or 'transcriber'
        if delay is not None:
            name += f', delay {1000 * delay * estimator.hop // estimator.sample_rate} ms'
        Measurement(name, latency, recordings, transcriptions).save(arguments.save)
    return report.figures()
