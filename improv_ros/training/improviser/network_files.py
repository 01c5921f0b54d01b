# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Building the network of a representation, and reading it from its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from improv_ros.improvising.network.improviser_runtime import read_about
from improv_ros.inference.keras_files import read_weights
from improv_ros.inference.model_error import ModelError
from improv_ros.training.improviser.representations import (
    AS_PLAYED,
    PERFORMANCE_RNN,
    REPRESENTATIONS,
    Representation,
)


def build(
    representation: Representation,
    units: int,
    depth: int,
    dropout: float = 0.0,
    recurrence: str = 'per_event',
) -> Any:
    """Return the untrained network of a representation, with its weights.

    recurrence: of the improviser's network, 'per_event' or 'per_note'. Performance RNN is as
    published: without dropout, one step of the LSTM per token.
    """
    if representation is PERFORMANCE_RNN:
        from improv_ros.training.improviser.performance_rnn import PerformanceRNN

        network = PerformanceRNN(units, depth)
    else:
        from improv_ros.improvising.network.note_network import NETWORKS

        network = NETWORKS[recurrence](units, depth, dropout)
    network.build()
    return network


def load(path: Path) -> tuple[Any, Representation]:
    """Return the network in a `.keras` file, on any Keras backend, and its representation.

    Only numbers are read from the file. Raises ModelError if the file cannot be used.
    """
    if not path.is_file() or path.suffix != '.keras':
        raise ModelError(f'there is no model file {path}: give a .keras file')
    try:
        name = json.loads(path.with_suffix('.json').read_text(encoding='utf-8'))['vocabulary']
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        name = None
    representation = REPRESENTATIONS.get(name) if isinstance(name, str) else None
    representation = representation or AS_PLAYED
    about = read_about(path, representation.name)
    network = build(representation, about['units'], about['depth'], recurrence=about['recurrence'])
    read_weights(path, network, f'{about["units"]} units in {about["depth"]} layers')
    return network, representation


def start_from(network: Any, representation: Representation, path: Path) -> None:
    """Copy the weights of a trained network into a new one, for fine-tuning.

    Raises ModelError if the trained one has another size, recurrence or representation.
    """
    trained, trained_representation = load(path)
    theirs, ours = (
        f'{each.depth} layers of {each.units} units, {each.recurrence}, of {vocabulary.name}'
        for each, vocabulary in (
            (trained, trained_representation),
            (network, representation),
        )
    )
    if theirs != ours:
        raise ModelError(
            f'{path} has {theirs}, and the network to train {ours}: give the --units, --depth and '
            '--recurrence of the file'
        )
    for variable, value in zip(
        network.trainable_variables, trained.trainable_variables, strict=True
    ):
        variable.assign(value)
