"""`improv evaluate --model transcriber`: how well, how soon and how cheaply notes are heard."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
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

from improv_ros.listening.decoder import DECODING

if TYPE_CHECKING:
    from .heard import Heard
    from .recordings import Recording

SETTINGS = sorted({*DECODING, 'onset_bias'})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that only `--model transcriber` takes."""
    group = parser.add_argument_group(
        'transcriber',
        'The folder holds recordings, each with its notes in a .tsv beside it; one without is '
        'noise, in which every note is invented.',
    )
    group.add_argument(
        '--model-file',
        default='',
        metavar='FILE',
        help='the .tflite or .keras file of the network to measure (default: the one that comes '
        'with the package), or spectral: the estimator without a network',
    )
    group.add_argument('--seconds', type=_positive, help='hear only so much of each recording')
    group.add_argument('--processes', type=_count, default=1, help='recordings heard at a time')
    group.add_argument(
        '--set',
        action='append',
        default=[],
        type=_setting,
        metavar='NAME=VALUE',
        help=f'a setting of the decoder, or seconds that onsets are late: {", ".join(SETTINGS)}',
    )
    group.add_argument(
        '--tune', action='store_true', help='search the thresholds that do best on these'
    )
    group.add_argument(
        '--posteriors',
        type=Path,
        metavar='FOLDER',
        help="decode the network's beliefs kept there, or keep them there: quicker, and without "
        'figures of latency',
    )
    group.add_argument(
        '--delay', type=int, metavar='HOPS', help='with --posteriors: another delay of the network'
    )
    group.add_argument(
        '--save', type=Path, metavar='FILE', help='keep all notes and figures, to draw them'
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
    """Print the figures of every recording and of all; return the exit code."""
    if not find_spec('mir_eval'):
        print(
            "measuring a transcriber needs mir_eval: pip install 'improv_ros[train]'",
            file=sys.stderr,
        )
        return 1
    from .recordings import RecordingError, find

    place = Path(arguments.folder)
    try:
        recordings = find(place, arguments.seconds)
        with _executor(arguments.processes) as executor:
            if arguments.tune or arguments.posteriors:
                return _from_posteriors(arguments, recordings, executor)
            return _live(arguments, recordings, executor)
    except (RecordingError, OSError) as error:
        print(f'improv evaluate: {error}', file=sys.stderr)
        return 1


@contextmanager
def _executor(processes: int) -> Iterator[Executor]:
    # Fresh processes: they hold what hearing takes and nothing else, so that can be measured.
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(processes, mp_context=context) as executor:
        yield executor


def _live(arguments: argparse.Namespace, recordings: list[Recording], executor: Executor) -> int:
    from .live import hear

    job = partial(hear, model=arguments.model_file, settings=dict(arguments.set))
    return _report(arguments, recordings, executor.map(job, recordings))


def _from_posteriors(
    arguments: argparse.Namespace, recordings: list[Recording], executor: Executor
) -> int:
    from .estimators import load_estimator
    from .heard import Heard
    from .posteriors import Kept, decode_kept, keep
    from .tuning import tune

    model = arguments.model_file
    delay = arguments.delay or load_estimator(model).latency_hops
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.posteriors or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        kept = [Kept.at(folder, recording, delay) for recording in recordings]
        missing = [one.recording for one in kept if not one.path.is_file()]
        for name in executor.map(partial(keep, folder=folder, model=model), missing):
            print(f'heard {name}', file=sys.stderr, flush=True)
        settings = dict(arguments.set)
        if arguments.tune:
            settings = tune(kept, settings, executor, partial(print, flush=True))
            print('\n' + ' '.join(f'--set {name}={value}' for name, value in settings.items()))
        notes = executor.map(partial(decode_kept, settings=settings), kept)
        return _report(arguments, recordings, map(Heard, notes), delay)


def _report(
    arguments: argparse.Namespace,
    recordings: list[Recording],
    results: Iterable[Heard],
    delay: int | None = None,
) -> int:
    from .estimators import load_estimator, transcriber
    from .heard import Measurement
    from .report import HEADER, Report

    report, heard = Report(), []
    print(HEADER, flush=True)
    for recording, result in zip(recordings, results, strict=True):
        heard.append(result)
        print(report.add(recording, result), flush=True)
    print(report.summary())
    estimator = load_estimator(arguments.model_file)
    latency = transcriber(estimator, dict(arguments.set)).latency
    if delay is not None:
        latency += (delay - estimator.latency_hops) * estimator.hop / estimator.sample_rate
    print(f'algorithmic latency of a note, from delay, lookahead and hop: {latency * 1000:.0f} ms')
    if arguments.save:
        name = Path(arguments.model_file).stem or 'transcriber'
        if delay is not None:
            name += f', delay {1000 * delay * estimator.hop // estimator.sample_rate} ms'
        Measurement(name, latency, recordings, heard).save(arguments.save)
    return 0
