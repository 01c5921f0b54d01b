# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The model card of the improviser or of Performance RNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from improv_ros.training.engine.model_card import describe_duration, write_card
from improv_ros.training.engine.trainer import Progress
from improv_ros.training.improviser.dataset import VALIDATION_SHARE, Dataset
from improv_ros.training.improviser.improviser_options import ImproviserOptions
from improv_ros.training.improviser.likelihood import HEADER, NegativeLogLikelihood
from improv_ros.training.improviser.representations import (
    AS_PLAYED,
    PERFORMANCE_RNN,
    SOUNDING,
    Representation,
)


def improviser_card(
    model: Path,
    network: Any,
    representation: Representation,
    options: ImproviserOptions,
    dataset: Dataset,
    training: Sequence[int],
    progress: Progress,
    results: Sequence[tuple[str, Mapping[str, NegativeLogLikelihood]]],
) -> None:
    """Write the card of a network.

    training: numbers of the performances of the training set; results: name of an evaluation set,
    and the negative log-likelihood of it under each model.
    """
    write_card(
        model,
        'Performance RNN' if representation is PERFORMANCE_RNN else 'The improviser',
        [_summary(network, representation)],
        [_data(options, dataset, training), _terms(options, dataset)],
        [_training(options, progress)],
        [_RESULTS, *(_table(name, of_models) for name, of_models in results)],
    )


_RESULTS = (
    'Negative log-likelihood in nats, to the exact tick of 10 ms and one of 32 velocities '
    '(docs/training.md). The n-grams were counted in the training set.'
)


def _summary(network: Any, representation: Representation) -> str:
    sizes = (
        f'{network.depth} LSTM layer{"s" if network.depth > 1 else ""} of {network.units} units, '
        f'{network.count_params():,} parameters'
    )
    if representation is PERFORMANCE_RNN:
        return (
            f'An LSTM over the 388 tokens of Performance RNN (Oore et al. 2018; {sizes}), the '
            'baseline of the improviser. No node plays it.'
        )
    pedal = 'the sustain pedal is an event'
    if representation is SOUNDING:
        pedal = 'the sustain pedal lengthens the notes, for comparison of networks'
    by_note = ' The LSTM takes one step per note.' if network.recurrence == 'per_note' else ''
    played = '' if representation is AS_PLAYED else ' No node plays it.'
    source = f'improvising/network/{"note_network" if by_note else "event_network"}'
    return (
        f'An LSTM over the events of a piano performance ({sizes}), vocabulary '
        f'`{representation.name}`. It predicts the time, type and velocity of each event in turn; '
        f'{pedal}.{by_note}{played} Its layers are in `improv_ros/{source}.py`.'
    )


def _data(options: ImproviserOptions, dataset: Dataset, training: Sequence[int]) -> str:
    validation = (
        f'Validation set: half of {options.validation}, by composer; the other half is reported'
        if options.validation
        else f'Validation set: the other performances (one work in {VALIDATION_SHARE}, by the '
        'checksum of its name)'
    )
    weighted = ''.join(
        f', {name} {factor} times per epoch' for name, factor in options.weight.items()
    )
    noise = ''
    if options.velocity_noise:
        noise += f', noise on velocities (standard deviation {options.velocity_noise:g})'
    if options.timing_noise_ms:
        noise += f', noise on times (standard deviation {options.timing_noise_ms:g} ms)'
    return (
        f'{len(dataset)} performances, {dataset.hours:.1f} hours, {dataset.notes:,} notes from '
        f'{", ".join(dataset.folders)}; {len(dataset.skipped)} files skipped. Training '
        f'set: {len(set(training))} of them{weighted}. Augmentation: transposition by −6 to +5 '
        'semitones, tempo ×0.9 to ×1.1, velocities ×0.85 to ×1.15'
        f'{noise}. {validation}.'
    )


def _terms(options: ImproviserOptions, dataset: Dataset) -> str:
    return (
        f'- checksum (SHA-256 over names and contents): `{dataset.checksum}`\n'
        f'- terms: {options.terms}'
    )


def _training(options: ImproviserOptions, progress: Progress) -> str:
    steps = progress.batch * options.streams * options.steps * options.processes / 1e6
    processes = f' in {options.processes} processes' if options.processes > 1 else ''
    begun = f', fine-tuning `{Path(options.start_from).name}`' if options.start_from else ''
    dropout = f', dropout {options.dropout:g}' if options.dropout else ''
    return (
        f'{describe_duration(progress)} A batch has {options.streams} streams × {options.steps} '
        f'steps, {steps:.1f} million steps in all{processes}{begun}. Adam, learning rate '
        f'{options.learning_rate:g} with cosine decay{dropout}, precision {options.precision}, '
        f'seed {options.seed}. The network with the fewest nats per note on the validation set '
        'was saved.'
    )


def _table(name: str, of_models: Mapping[str, NegativeLogLikelihood]) -> str:
    one = next(iter(of_models.values()))
    rows = '\n'.join(found.row(model) for model, found in of_models.items())
    return (
        f'On {name}: {one.notes:,} notes, {one.steps:,} steps, {one.seconds / 3600:.1f} hours.'
        f'\n\n{HEADER}\n{rows}'
    )
