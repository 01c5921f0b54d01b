"""`improv evaluate` of improvisers and their peers: how surprised, how fast, how alike."""

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

from improv_ros.improvising.runtime import DEFAULT_MODEL, load_runtime
from improv_ros.inference.errors import ModelError

from .dataset import Dataset, DatasetError, load_dataset
from .representations import AS_PLAYED, PERFORMANCE_RNN, SOUNDING, Representation

RUNTIMES = ('litert', 'tensorflow')
OPENING, CONTINUATION = 10.0, 60.0  # seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what only this evaluation takes."""
    group = parser.add_argument_group('improviser')
    group.add_argument(
        '--against',
        nargs='+',
        default=[],
        metavar='FILE',
        help='more .keras files for the table; a .tflite file beside one is measured, too',
    )
    group.add_argument(
        '--learn',
        nargs='+',
        default=[],
        metavar='FOLDER',
        help='folders that unigram, bigram and 5-gram are counted in, to be in the table',
    )
    group.add_argument('--composer', default='', help='measure on this composer alone')
    group.add_argument(
        '--notes', type=int, default=0, help='measure on about so many notes (0: all)'
    )
    group.add_argument(
        '--chunk',
        nargs='+',
        default=[],
        metavar='FILE.txt',
        help="the original's method beside it: on the last tenth of each text, learnt before",
    )
    group.add_argument('--speed', action='store_true', help='measure milliseconds a note, too')
    group.add_argument(
        '--generate',
        type=int,
        default=0,
        metavar='N',
        help='compare N minutes of its music, each after a real opening, with real music',
    )
    group.add_argument('--write', metavar='FILE.md', help='write the tables there, plots beside')


def run(arguments: argparse.Namespace) -> int:
    """Print the tables; return the exit code."""
    if not find_spec('keras'):
        print("evaluation needs Keras: pip install 'improv_ros[train]'", file=sys.stderr)
        return 1
    from . import networks

    paths = [_file(name) for name in (arguments.model, *arguments.against)]
    page_file = Path(arguments.write) if arguments.write else None
    progress = not arguments.quiet
    try:
        if page_file and page_file.suffix != '.md':
            raise ValueError(f'--write takes a file that ends in .md, not {page_file}')
        loaded = [(path, *networks.load(path)) for path in paths]
        with tempfile.TemporaryDirectory() as temporary:
            cache = Path(arguments.cache or temporary)
            dataset = load_dataset([arguments.folder], cache, progress)
            numbers = _chosen(dataset, arguments.composer, arguments.notes)
            notes = sum(_notes(dataset, number) for number in numbers)
            chosen = f'Measured on {len(numbers)} of these performances, {notes:,} notes.'
            page = [dataset.report(), chosen]
            learnt = load_dataset(arguments.learn, cache, progress) if arguments.learn else None
            page += surprise_tables(loaded, dataset, numbers, learnt)
            for text in map(Path, arguments.chunk):
                page += chunk_table(text, loaded[0][1], Path(temporary))
            if arguments.speed:
                page += speed_tables([path for path, _, spoken in loaded if spoken is AS_PLAYED])
            pictures: dict[str, tuple[Mapping, Mapping]] = {}
            if arguments.generate:
                page += likeness(paths[0], dataset, numbers, arguments.generate, pictures)
            print('\n\n'.join(page))
            if page_file:
                write_page(page_file, page, pictures, _curves(paths))
    except (ModelError, OSError, ValueError) as error:
        print(f'improv evaluate: {error}', file=sys.stderr)
        return 1
    return 0


def _chosen(dataset: Dataset, composer: str, notes: int) -> list[int]:
    numbers = dataset.by(composer) if composer else list(range(len(dataset)))
    if notes:
        share = min(1.0, notes / sum(_notes(dataset, number) for number in numbers))
        count = max(1, round(share * len(numbers)))
        numbers = [numbers[i] for i in np.linspace(0, len(numbers) - 1, count).round().astype(int)]
    return numbers


def _notes(dataset: Dataset, number: int) -> int:
    return int(np.count_nonzero(dataset.performance(number)[:, 2]))


def surprise_tables(
    loaded: Sequence[tuple[Path, Any, Representation]],
    dataset: Dataset,
    numbers: Sequence[int],
    learnt: Dataset | None,
) -> list[str]:
    """Return nats per note and the like, one table for each kind of music that is told."""
    from .evaluation import HEADER, measure, measure_runtime
    from .ngram import NGram
    from .streams import Streams

    tables = {
        '## Music as played, the pedal an event of its own': [AS_PLAYED],
        '## Music as it sounds, the pedal applied': [SOUNDING, PERFORMANCE_RNN],
    }
    page = []
    for heading, spoken in tables.items():
        speaking = [each for each in loaded if each[2] in spoken]
        if not speaking:
            continue
        rows = []
        for representation in spoken if learnt else []:
            over = ' of its tokens' if representation is PERFORMANCE_RNN else ''
            for name, order in (('unigram', 1), ('bigram', 2), ('5-gram', 5)):
                model = NGram(representation, order).learn(learnt, range(len(learnt)))
                rows.append(model.measure(dataset, numbers).report(name + over))
        for path, network, representation in speaking:
            streams = Streams(network, min(32, len(numbers)))
            found = measure(streams, dataset, numbers, representation)
            rows.append(found.report(f'{_name(path)} ({_size(path)})'))
            litert = path.with_suffix('.tflite')
            if litert.is_file():
                found = measure_runtime(load_runtime(litert, 'litert'), dataset, numbers)
                rows.append(found.report(f'{_name(path)} by LiteRT ({_size(litert)})'))
        page += [heading, '\n'.join([HEADER, *rows])]
    return page


def _file(name: str) -> Path:
    """Return the file that a model's name on the command line means."""
    if name == 'improviser':
        return DEFAULT_MODEL.with_suffix('.keras')
    return Path(name)


def _name(path: Path) -> str:
    """Return what tells a model from others: its own name, or its folder's if that is usual."""
    usual = path.stem == 'improviser' and path != DEFAULT_MODEL.with_suffix('.keras')
    return path.parent.name if usual else path.stem


def _size(path: Path) -> str:
    return f'{path.stat().st_size / 1e6:.1f} MB'


def chunk_table(text: Path, network: Any, folder: Path) -> list[str]:
    """Return how the original's method does on its own terms, and the network there."""
    from .chunk_terms import HEADER, compare

    rows = compare(text.read_text(encoding='utf-8'), network, folder)
    return [
        f"## The original's method, on the last tenth of {text.name}",
        '\n'.join([HEADER, *rows]),
    ]


def speed_tables(paths: Sequence[Path]) -> list[str]:
    """Return how fast each model is by each runtime that is installed."""
    from .speed import HEADER, measure_speed

    rows = []
    for path in paths:
        for runtime in RUNTIMES:
            try:
                rows.append(measure_speed(runtime, str(path)).report(f'{_name(path)}, {runtime}'))
            except ModelError as error:
                print(f'improv evaluate: {error}', file=sys.stderr)
    return ['## Speed on one core', '\n'.join([HEADER, *rows])]


def likeness(
    path: Path,
    dataset: Dataset,
    numbers: Sequence[int],
    minutes: int,
    pictures: dict[str, tuple[Mapping, Mapping]],
) -> list[str]:
    """Return how alike generated and real music are; fill in the histograms for the plots.

    Each generated minute goes on from the first seconds of a performance and is compared with
    what its pianist played then; the ceiling is what half of those real minutes have in common
    with the other half.
    """
    from improv_ros.improvising import load_model

    from .continuation import go_on, opening_of
    from .dataset import performance_of
    from .statistics import excerpt, histograms, overlaps

    end = OPENING + CONTINUATION
    long = [i for i in numbers if dataset.performance(i)[:, 0].sum(dtype=np.int64) > 1000 * end]
    if len(long) < 2:
        raise DatasetError(f'fewer than two performances are longer than {end:.0f} s')
    chosen = [long[i] for i in np.linspace(0, len(long) - 1, min(minutes, len(long))).astype(int)]
    real = [excerpt(dataset.performance(number), OPENING, end) for number in chosen]
    model = load_model(path)
    generated = [
        performance_of(
            go_on(model, opening_of(dataset.performance(number), OPENING), CONTINUATION)
        )
        for number in chosen
    ]
    pictures.update(
        {name: (histograms(real)[name], histograms(generated)[name]) for name in histograms(real)}
    )
    alike = overlaps(histograms(real), histograms(generated))
    ceiling = overlaps(histograms(real[::2]), histograms(real[1::2]))
    rows = [f'| {name} | {alike[name]:.3f} | {ceiling[name]:.3f} |' for name in alike]
    header = '| statistic | generated and real | two halves of real |\n|---|---|---|'
    title = f'## Overlap of {len(chosen)} generated minutes with real ones'
    return [title, '\n'.join([header, *rows])]


def _curves(paths: Sequence[Path]) -> dict[str, list[dict[str, float]]]:
    """Return the learning curves that lie beside models, by their names."""
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
    pictures: Mapping[str, tuple[Mapping, Mapping]],
    curves: Mapping[str, Sequence[Mapping[str, float]]],
) -> None:
    """Write the tables as a page, and beside it a picture of histograms and learning curves."""
    from .whole_file import replacing, write_whole

    path.parent.mkdir(parents=True, exist_ok=True)
    picture = path.with_suffix('.png')
    shown = [f'![histograms and learning curves]({picture.name})'] if pictures or curves else []
    text = '\n\n'.join(['# The improviser, measured', *page, *shown]) + '\n'
    write_whole(path, lambda file: file.write(text.encode()))
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
        place.set(title='learning', xlabel='minutes', ylabel='nats per note')
        place.legend()
    for place in axes:
        place.axis('off')
    with replacing(picture) as unfinished:
        figure.savefig(unfinished, dpi=90)
