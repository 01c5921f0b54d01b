# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The output heads of a trained network, with the size of their gradients on its training set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from improv_ros.improvising.network.improviser_runtime import Runtime, load_network, load_runtime
from improv_ros.improvising.network.vocabulary import FIRST_STEP, Step
from improv_ros.improvising.partner.output_heads import (
    Embeddings,
    Head,
    Heads,
    Inputs,
    OutputHeads,
    gradient,
)
from improv_ros.inference.model_error import ModelError
from improv_ros.training.improviser.dataset import midi_files, read_performance
from improv_ros.training.improviser.representations import AS_PLAYED

PERFORMANCES = 12
EVENTS = 4000  # of each performance, from its start
_BATCH = 256


def heads_of(model: Path, folders: Sequence[Path]) -> tuple[OutputHeads, int]:
    """Return the heads of a `.keras` file, and the number of events that were measured.

    The gradients are those of `PERFORMANCES` performances, drawn from the folders. Raises
    ModelError for a network whose LSTM takes no step per note, DatasetError for a folder without
    MIDI files, and ValueError for a file that is no performance.
    """
    network = load_network(model)
    from keras import ops  # with the TensorFlow that `load_network` prepared

    if network.recurrence != 'per_note':
        raise ModelError(f'{model} has the recurrence {network.recurrence}, not per_note')
    heads = Heads(
        *(
            Head(*(ops.convert_to_numpy(weight) for layer in head for weight in layer.weights))
            for head in (network.time_head, network.type_head, network.velocity_head)
        )
    )
    layers = network.time_embedding, network.type_embedding
    embeddings = Embeddings(*(ops.convert_to_numpy(layer.weights[0]) for layer in layers))
    plain = OutputHeads(heads, embeddings, [np.ones_like(array) for array in heads.arrays])
    files = [file for folder in folders for file in midi_files(folder)]
    chosen = np.random.default_rng(1).permutation(len(files))[:PERFORMANCES]
    squares, events = [np.zeros(array.shape) for array in heads.arrays], 0
    runtime = load_runtime(model)
    for number in chosen:
        steps = AS_PLAYED.steps(read_performance(files[number]))[:EVENTS]
        events += len(steps)
        for inputs in read_by_heads(runtime, plain, steps):
            for total, part in zip(squares, gradient(heads, inputs, squared=True), strict=True):
                total += part
    every = np.concatenate([total.ravel() for total in squares])
    rms = [np.sqrt(total / every.mean()) for total in squares]
    return OutputHeads(heads, embeddings, rms), events


def read_by_heads(runtime: Runtime, heads: OutputHeads, steps: np.ndarray) -> list[Inputs]:
    """Return what the heads read in a performance, in batches of its events."""
    state, states = runtime.advance(runtime.start(), FIRST_STEP), []
    for step in steps.tolist():
        states.append(state)
        state = runtime.advance(state, Step(*step))
    return [
        heads.inputs(states[first : first + _BATCH], steps[first : first + _BATCH])
        for first in range(0, len(steps), _BATCH)
    ]
