"""What the model card of an improviser, or of its peer, says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .dataset import DEVELOPMENT_SHARE, Dataset
from .evaluation import HEADER, Surprise
from .loop import Progress
from .model_card import how_long, write_card
from .representations import AS_PLAYED, PERFORMANCE_RNN, SOUNDING, Representation

if TYPE_CHECKING:
    from .train_event_lstm import Options


def improviser_card(
    model: Path,
    network: Any,
    representation: Representation,
    options: Options,
    dataset: Dataset,
    learning: Sequence[int],
    progress: Progress,
    figures: Sequence[tuple[str, Mapping[str, Surprise]]],
) -> None:
    """Write the card. figures: name of a set of performances, each model's surprise by them."""
    peer = representation is PERFORMANCE_RNN
    write_card(
        model,
        'Performance RNN' if peer else 'The improviser',
        [_what(network, representation)],
        [_data(options, dataset, learning), _terms(options, dataset)],
        [_training(options, progress)],
        [_RESULTS, *(_table(name, surprises) for name, surprises in figures)],
    )


_RESULTS = (
    'Nats of all steps per note played, to the exact tick of 10 ms and one of 32 velocities '
    '(docs/training.md); the n-grams were counted in what the network learnt from.'
)


def _what(network: Any, representation: Representation) -> str:
    sizes = (
        f'{network.depth} LSTM layer{"s" if network.depth > 1 else ""} of {network.units}, '
        f'{network.count_params():,} parameters'
    )
    if representation is PERFORMANCE_RNN:
        return (
            f'An LSTM over the 388 tokens of Performance RNN (Oore et al. 2018; {sizes}), the '
            'peer that the improviser is measured against. No node plays it.'
        )
    pedal = 'as it is played'
    if representation is SOUNDING:
        pedal = 'applied to the ends of notes, to compare networks'
    by_note = ' Its memory moves once a note.' if network.moved_by == 'notes' else ''
    played = '' if representation is AS_PLAYED else ' No node plays it.'
    source = f'improvising/{"note_network" if by_note else "network"}'
    return (
        f'An LSTM over the events of a piano performance ({sizes}), vocabulary '
        f'`{representation.name}`, giving when, what and how loud of each event in turn; the '
        f'pedal {pedal}.{by_note}{played} Its layers stand in `improv_ros/{source}.py`.'
    )


def _data(options: Options, dataset: Dataset, learning: Sequence[int]) -> str:
    judged = (
        f'Judged by performances from {options.develop}'
        if options.develop
        else f'The others are held out (one work in {DEVELOPMENT_SHARE}, by the checksum of its '
        'name)'
    )
    weighted = ''.join(f', {name} {factor} times' for name, factor in options.weight.items())
    shaken = (
        f', each velocity moved at random by {options.shake:g} (standard deviation)'
        if options.shake
        else ''
    )
    jittered = (
        f', each event moved in time at random by {options.jitter:g} ms (standard deviation)'
        if options.jitter
        else ''
    )
    return (
        f'{len(dataset)} performances, {dataset.hours:.1f} hours, {dataset.notes:,} notes from '
        f'{", ".join(dataset.folders)}; {len(dataset.skipped)} files skipped. Learnt from '
        f'{len(set(learning))} of them{weighted}, each time in another key (−6 to +5 '
        'semitones), tempo (×0.9 to ×1.1) and loudness (×0.85 to ×1.15)'
        f'{shaken}{jittered}. {judged}.'
    )


def _terms(options: Options, dataset: Dataset) -> str:
    return (
        f'- checksum (SHA-256 over names and contents): `{dataset.checksum}`\n'
        f'- terms: {options.terms}'
    )


def _training(options: Options, progress: Progress) -> str:
    steps = progress.batch * options.streams * options.steps / 1e6
    begun = f' from `{Path(options.start_from).name}`' if options.start_from else ''
    dropout = f', dropout {options.dropout:g}' if options.dropout else ''
    return (
        f'{how_long(progress)} Each of {options.streams} streams × {options.steps} steps, '
        f'{steps:.1f} million in all{begun}; Adam, learning rate {options.rate:g} falling as '
        f'half a cosine{dropout}, precision {options.precision}, seed {options.seed}. Kept: the '
        'network with the fewest nats per note on what it was judged by.'
    )


def _table(name: str, surprises: Mapping[str, Surprise]) -> str:
    one = next(iter(surprises.values()))
    rows = '\n'.join(surprise.report(model) for model, surprise in surprises.items())
    return (
        f'On {name}: {one.notes:,} notes, {one.steps:,} steps, {one.seconds / 3600:.1f} hours.'
        f'\n\n{HEADER}\n{rows}'
    )
