"""The page that goes with a trained network: on what, how long, how well, on what terms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from improv_ros.improvising.vocabulary import VERSION

from .dataset import DEVELOPMENT_SHARE, Dataset
from .evaluation import HEADER, Surprise

if TYPE_CHECKING:
    from .train_event_lstm import Options, Progress


def write_card(
    model: Path,
    network: Any,
    options: Options,
    dataset: Dataset,
    learning: int,
    progress: Progress,
    figures: Sequence[tuple[str, Surprise, Surprise]],
) -> None:
    """Write a model's card beside it, as Markdown.

    learning: how many performances it learnt from; figures: name of a set of performances,
    the network's surprise on it, and the unigram's.
    """
    layers = f'{network.depth} LSTM layer{"s" if network.depth > 1 else ""}'
    threads = f' on {options.threads} threads' if options.threads else ''
    lines = [
        '# The improviser: model card',
        '',
        f'An LSTM over the events of a piano performance ({layers} of {network.units}, '
        f'{network.count_params():,} parameters), vocabulary `{VERSION}`: one step an event, '
        'giving when, what and how loud in turn. It is the network of '
        '`improv_ros/improvising/network.py`.',
        '',
        '## Files',
        '',
        f'`{model.name}` (Keras 3), `{model.stem}.tflite` (LiteRT, float32, functions '
        '`advance`, `time`, `what`, `velocity`) and '
        f'`{model.stem}.json`, which names the vocabulary; all three belong together.',
        '',
        '## Data',
        '',
        f'{len(dataset)} performances, {dataset.hours:.1f} hours, {dataset.notes:,} notes; '
        f'{len(dataset.skipped)} files skipped. Learnt from {learning} of them, the others '
        f'held out (one work in {DEVELOPMENT_SHARE}, by the checksum of its name), each time '
        'in another key (−6 to +5 semitones), tempo (×0.9 to ×1.1) and loudness (×0.85 to '
        '×1.15).',
        '',
        f'- checksum (SHA-256 over names and contents): `{dataset.checksum}`',
        f'- terms: {options.terms}',
        '',
        '## Training',
        '',
        f'    {options.command}',
        '',
        f'{progress.batch:,} batches of {options.streams} streams × {options.steps} events '
        f'({progress.batch * options.streams * options.steps / 1e6:.1f} million events) in '
        f'{progress.seconds / 60:.0f} minutes{threads} (how far a run gets in that time depends '
        f'on the machine); Adam, learning rate {options.rate} falling as '
        f'half a cosine, seed {options.seed}. Kept: the network with the fewest nats per note '
        'on the performances held out.',
        '',
        '## Results',
        '',
        'Nats of all events per note played; the unigram is counted on the very files it is '
        'measured on.',
    ]
    for name, found, trivial in figures:
        lines += [
            '',
            f'On {name}: {found.notes:,} notes, {found.events:,} events.',
            '',
            HEADER,
            trivial.report('unigram'),
            found.report('this network'),
        ]
    model.with_suffix('.md').write_text('\n'.join(lines) + '\n', encoding='utf-8')
