"""Which network speaks which representation, and how it is read back from its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from improv_ros.improvising.runtime import read_about
from improv_ros.inference.errors import ModelError
from improv_ros.inference.keras_files import read_weights

from .representations import AS_PLAYED, PERFORMANCE_RNN, REPRESENTATIONS, Representation


def build(
    representation: Representation,
    units: int,
    depth: int,
    dropout: float = 0.0,
    moved_by: str = 'events',
) -> Any:
    """Return the untrained network for a representation, its weights made.

    moved_by: what moves the improviser's memory, 'events' or 'notes'. Performance RNN is as it
    was published, without dropout, and moved by every token.
    """
    if representation is PERFORMANCE_RNN:
        from .performance_rnn import PerformanceRNN

        network = PerformanceRNN(units, depth)
    else:
        from improv_ros.improvising.note_network import NETWORKS

        network = NETWORKS[moved_by](units, depth, dropout)
    network.build()
    return network


def load(path: Path) -> tuple[Any, Representation]:
    """Return the network in a `.keras` file, on any Keras backend, and what it speaks.

    Raises ModelError if that cannot be. Only numbers are read from the file.
    """
    if not path.is_file() or path.suffix != '.keras':
        raise ModelError(f'there is no model file {path}: give a .keras file')
    try:
        spoken = json.loads(path.with_suffix('.json').read_text(encoding='utf-8'))['vocabulary']
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        spoken = None
    representation = REPRESENTATIONS.get(spoken) if isinstance(spoken, str) else None
    representation = representation or AS_PLAYED
    about = read_about(path, representation.name)
    network = build(representation, about['units'], about['depth'], moved_by=about['memory'])
    read_weights(path, network, f'{about["units"]} units in {about["depth"]} layers')
    return network, representation


def start_from(network: Any, representation: Representation, path: Path) -> None:
    """Give a new network the numbers of a trained one, to go on from.

    Raises ModelError if that one is of another size or kind or speaks another representation.
    """
    trained, spoken = load(path)
    theirs, ours = (
        f'{each.depth} layers of {each.units} moved by {each.moved_by} over {words.name}'
        for each, words in ((trained, spoken), (network, representation))
    )
    if theirs != ours:
        raise ModelError(
            f'{path} has {theirs}, and the network to train {ours}: say --units, --depth and '
            '--memory as they are there'
        )
    for variable, value in zip(
        network.trainable_variables, trained.trainable_variables, strict=True
    ):
        variable.assign(value)
