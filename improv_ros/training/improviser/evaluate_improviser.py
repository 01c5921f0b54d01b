# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv evaluate improviser`: likelihood, speed and statistics of a network and baselines."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import csv
from importlib.util import find_spec
from pathlib import Path
import sys
import tempfile
from typing import Any

import numpy as np

from improv_ros.improvising.network.improviser_runtime import DEFAULT_MODEL, load_runtime
from improv_ros.inference.model_error import ModelError
from improv_ros.training.improviser.dataset import Dataset, DatasetError, load_dataset
from improv_ros.training.improviser.representations import (
    AS_PLAYED,
    PERFORMANCE_RNN,
    SOUNDING,
    Representation,
)

RUNTIMES = ('litert', 'tensorflow')
OPENING, CONTINUATION = 10.0, 60.0  # seconds, of --generate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        'folder', metavar='FOLDER', help='folder of MIDI files of piano performances'
    )
    parser.add_argument(
        '--model',
        default='improviser',
        metavar='FILE',
        help='.keras file to evaluate (default: improviser, the network of this package)',
    )
    parser.add_argument(
        '--cache',
        metavar='FOLDER',
        help='folder in which the decoded MIDI files are kept (default: none)',
    )
    parser.add_argument('--quiet', action='store_true', help='show no progress bar')
    parser.add_argument(
        '--baseline',
        nargs='+',
        default=[],
        metavar='FILE',
        help='further .keras files to evaluate; a .tflite file beside one is evaluated as well',
    )
    parser.add_argument(
        '--ngrams',
        nargs='+',
        default=[],
        metavar='FOLDER',
        help='folders of MIDI files in which a unigram, a bigram and a 5-gram are counted, as '
        'baselines',
    )
    parser.add_argument(
        '--composer', default='', help='evaluate on this composer alone (default: all)'
    )
    parser.add_argument(
        '--reported-half',
        action='store_true',
        help='evaluate on the composers that `improv train improviser --validation FOLDER` does '
        'not choose a network on, which are about half of the performances',
    )
    parser.add_argument(
        '--notes',
        type=int,
        default=0,
        help='approximate number of notes to evaluate on; 0: all (default: 0)',
    )
    parser.add_argument(
        '--chunk',
        nargs='+',
        default=[],
        metavar='FILE.txt',
        help='event texts on which to compare with the chunk baseline: each is trained on the '
        'first nine tenths and evaluated on the rest',
    )
    parser.add_argument(
        '--speed', action='store_true', help='measure the milliseconds per note with each runtime'
    )
    parser.add_argument(
        '--generate',
        type=int,
        default=0,
        metavar='N',
        help='generate N minutes of music and compare its statistics with those of real music; '
        '0: none (default: 0)',
    )
    parser.add_argument(
        '--write', metavar='FILE.md', help='write the tables to this file, and plots beside it'
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the tables; return the exit code."""
    if not find_spec('keras'):
        print("evaluation needs Keras: pip install 'improv_ros[train]'", file=sys.stderr)
        return 1
    from improv_ros.training.improviser import network_files

    paths = [_file(name) for name in (arguments.model, *arguments.baseline)]
    page_file = Path(arguments.write) if arguments.write else None
    progress = not arguments.quiet
    try:
        if page_file and page_file.suffix != '.md':
            raise ValueError(f'--write needs a file that ends in .md, not {page_file}')
        loaded = [(path, *network_files.load(path)) for path in paths]
        with tempfile.TemporaryDirectory() as temporary:
            cache = Path(arguments.cache or temporary)
            dataset = load_dataset([arguments.folder], cache, progress)
            numbers = _chosen(
                dataset, arguments.composer, arguments.notes, arguments.reported_half
            )
            notes = sum(_notes(dataset, number) for number in numbers)
            chosen = f'Evaluated on {len(numbers)} of these performances, {notes:,} notes.'
            page = [dataset.report(), chosen]
            counted = load_dataset(arguments.ngrams, cache, progress) if arguments.ngrams else None
            page += likelihood_tables(loaded, dataset, numbers, counted)
            for text in map(Path, arguments.chunk):
                page += chunk_table(text, loaded[0][1], Path(temporary))
            if arguments.speed:
                page += speed_tables(
                    [path for path, _, vocabulary in loaded if vocabulary is AS_PLAYED]
                )
            pictures: dict[str, tuple[np.ndarray, np.ndarray]] = {}
            if arguments.generate:
                page += statistics_table(paths[0], dataset, numbers, arguments.generate, pictures)
            print('\n\n'.join(page))
            if page_file:
                write_page(page_file, page, pictures, _curves(paths))
    except (ModelError, OSError, ValueError) as error:
        print(f'improv evaluate: {error}', file=sys.stderr)
        return 1
    return 0


def _chosen(dataset: Dataset, composer: str, notes: int, reported_half: bool) -> list[int]:
    numbers = dataset.halves()[1] if reported_half else list(range(len(dataset)))
    if composer:
        works = set(dataset.by(composer))
        numbers = [number for number in numbers if number in works]
        if not numbers:
            raise DatasetError(f'no performance by {composer!r} is in the half that is reported')
    if notes:
        share = min(1.0, notes / sum(_notes(dataset, number) for number in numbers))
        count = max(1, round(share * len(numbers)))
        numbers = [numbers[i] for i in np.linspace(0, len(numbers) - 1, count).round().astype(int)]
    return numbers


def _notes(dataset: Dataset, number: int) -> int:
    return int(np.count_nonzero(dataset.performance(number)[:, 2]))


def likelihood_tables(
    loaded: Sequence[tuple[Path, Any, Representation]],
    dataset: Dataset,
    numbers: Sequence[int],
    counted: Dataset | None,
) -> list[str]:
    """Return the negative log-likelihoods, one table for each kind of music that is encoded.

    loaded: file, network and representation of each model; counted: the data of the n-grams.
    """
    from improv_ros.training.improviser.likelihood import HEADER, evaluate, evaluate_runtime
    from improv_ros.training.improviser.ngram import NGram
    from improv_ros.training.improviser.performance_streams import Streams

    tables = {
        '## Music as played, the pedal as events': [AS_PLAYED],
        '## Music as it sounds, notes lengthened by the pedal': [SOUNDING, PERFORMANCE_RNN],
    }
    page = []
    for heading, representations in tables.items():
        models = [each for each in loaded if each[2] in representations]
        if not models:
            continue
        rows = []
        for representation in representations if counted else []:
            assert counted
            of_tokens = ' of its tokens' if representation is PERFORMANCE_RNN else ''
            for name, order in (('unigram', 1), ('bigram', 2), ('5-gram', 5)):
                model = NGram(representation, order).count(counted, range(len(counted)))
                rows.append(model.evaluate(dataset, numbers).row(name + of_tokens))
        for path, network, representation in models:
            streams = Streams(network, min(32, len(numbers)))
            found = evaluate(streams, dataset, numbers, representation)
            rows.append(found.row(f'{_name(path)} ({_size(path)})'))
            litert = path.with_suffix('.tflite')
            if litert.is_file():
                found = evaluate_runtime(load_runtime(litert, 'litert'), dataset, numbers)
                rows.append(found.row(f'{_name(path)} by LiteRT ({_size(litert)})'))
        page += [heading, '\n'.join([HEADER, *rows])]
    return page


def _file(name: str) -> Path:
    """Return the file of a model that is named on the command line."""
    if name == 'improviser':
        return DEFAULT_MODEL.with_suffix('.keras')
    return Path(name)


def _name(path: Path) -> str:
    """Return the name of a model: that of its folder if its file has the usual name."""
    usual = path.stem == 'improviser' and path != DEFAULT_MODEL.with_suffix('.keras')
    return path.parent.name if usual else path.stem


def _size(path: Path) -> str:
    return f'{path.stat().st_size / 1e6:.1f} MB'


def chunk_table(text: Path, network: Any, folder: Path) -> list[str]:
    """Return the comparison of a network with the chunk baseline on an event text."""
    from improv_ros.training.improviser.chunk_baseline import HEADER, compare

    rows = compare(text.read_text(encoding='utf-8'), network, folder)
    return [
        f'## The chunk baseline, on the last tenth of {text.name}',
        '\n'.join([HEADER, *rows]),
    ]


def speed_tables(paths: Sequence[Path]) -> list[str]:
    """Return the speed of each model with each runtime that is installed."""
    from improv_ros.training.improviser.speed import HEADER, measure_speed

    rows = []
    for path in paths:
        for runtime in RUNTIMES:
            try:
                rows.append(measure_speed(runtime, str(path)).row(f'{_name(path)}, {runtime}'))
            except ModelError as error:
                print(f'improv evaluate: {error}', file=sys.stderr)
    return ['## Speed on one core', '\n'.join([HEADER, *rows])]


def statistics_table(
    path: Path,
    dataset: Dataset,
    numbers: Sequence[int],
    minutes: int,
    pictures: dict[str, tuple[np.ndarray, np.ndarray]],
) -> list[str]:
    """Return the overlap of the statistics of generated and real music; fill in the histograms.

    Each generated minute continues the first 10 s of a performance and is compared with the
    minute that its pianist played there. For comparison: the overlap between two halves of those
    real minutes.
    """
    from improv_ros.improvising import load_model
    from improv_ros.training.improviser.continuation import continue_from, opening_of
    from improv_ros.training.improviser.dataset import performance_of
    from improv_ros.training.improviser.music_statistics import (
        excerpt,
        histograms,
        overlaps,
        velocity_figures,
    )

    end = OPENING + CONTINUATION
    long = [i for i in numbers if dataset.performance(i)[:, 0].sum(dtype=np.int64) > 1000 * end]
    if len(long) < 2:
        raise DatasetError(f'fewer than two performances are longer than {end:.0f} s')
    chosen = [long[i] for i in np.linspace(0, len(long) - 1, min(minutes, len(long))).astype(int)]
    real = [excerpt(dataset.performance(number), OPENING, end) for number in chosen]
    model = load_model(path)
    generated = [
        performance_of(
            continue_from(model, opening_of(dataset.performance(number), OPENING), CONTINUATION)
        )
        for number in chosen
    ]
    pictures.update(
        {name: (histograms(real)[name], histograms(generated)[name]) for name in histograms(real)}
    )
    overlap = overlaps(histograms(real), histograms(generated))
    ceiling = overlaps(histograms(real[::2]), histograms(real[1::2]))
    rows = [f'| {name} | {overlap[name]:.3f} | {ceiling[name]:.3f} |' for name in overlap]
    header = '| statistic | generated and real | two halves of real |\n|---|---|---|'
    title = f'## Overlap of {len(chosen)} generated minutes with real ones'
    velocities = [
        f'| {name} | {mean:.1f} | {deviation:.1f} |'
        for name, (mean, deviation) in (
            ('generated', velocity_figures(generated)),
            ('real', velocity_figures(real)),
        )
    ]
    within = '| music | mean | standard deviation |\n|---|---|---|'
    return [
        title,
        '\n'.join([header, *rows]),
        '## Velocities within these minutes, medians',
        '\n'.join([within, *velocities]),
    ]


def _curves(paths: Sequence[Path]) -> dict[str, list[dict[str, float]]]:
    """Return the learning curves in the folders of models, by the names of the models."""
    found = {}
    for path in paths:
        curve = path.with_name('curve.csv')
        if curve.is_file():
            with curve.open(newline='', encoding='utf-8') as file:
                found[_name(path)] = [
                    {name: float(value) for name, value in row.items()}
                    for row in csv.DictReader(file)
                ]
    return found


def write_page(
    path: Path,
    page: Sequence[str],
    pictures: Mapping[str, tuple[np.ndarray, np.ndarray]],
    curves: Mapping[str, Sequence[Mapping[str, float]]],
) -> None:
    """Write the tables as a Markdown page, with a plot of histograms and learning curves."""
    from improv_ros.training.engine.atomic_file import replace_atomically, write_atomically

    path.parent.mkdir(parents=True, exist_ok=True)
    plot = path.with_suffix('.png')
    shown = [f'![histograms and learning curves]({plot.name})'] if pictures or curves else []
    text = '\n\n'.join(['# Evaluation of the improviser', *page, *shown]) + '\n'
    write_atomically(path, lambda file: file.write(text.encode()))
    if not shown:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6) if pictures else (7, 4), layout='constrained')
    axes = figure.subplots(2, 3).ravel().tolist() if pictures else [figure.subplots()]
    for name, (real, generated) in pictures.items():
        place, bins = axes.pop(0), np.arange(len(real))
        place.bar(bins, real, width=1, alpha=0.5, label='real')
        place.step(bins, generated, where='mid', label='generated')
        place.set(title=name, ylabel='share', xlabel='bin')
        place.legend()
    if curves:
        place = axes.pop(0)
        for name, rows in curves.items():
            minutes = [row['minutes'] for row in rows]
            place.plot(minutes, [row['nats_per_note'] for row in rows], label=name)
        place.set(title='learning curve', xlabel='minutes', ylabel='nats per note')
        place.legend()
    for place in axes:
        place.axis('off')
    with replace_atomically(plot) as unfinished:
        figure.savefig(unfinished, dpi=90)
