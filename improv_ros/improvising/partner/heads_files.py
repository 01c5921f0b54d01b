# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The file of the heads beside a model file: `NAME.heads.npz`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO
import zipfile

import numpy as np

from improv_ros.improvising.network.improviser_runtime import DEFAULT_MODEL, Runtime
from improv_ros.improvising.network.vocabulary import FIRST_STEP, PRESS, Step
from improv_ros.improvising.partner.output_heads import (
    Embeddings,
    Heads,
    OutputHeads,
    log_softmax,
)
from improv_ros.inference.model_error import ModelError

LARGEST_FILE = 64 * 2**20  # bytes
TOLERANCE = 1.0  # nats by which the 8-bit weights of a runtime may change a log-probability
_EMBEDDINGS, _RMS, _ALL = 12, 14, 26  # first index of each kind of array, and their number


def heads_path(model: str | Path) -> Path:
    """Return the path of the heads of a model file; '' is the shipped model."""
    return (Path(model) if str(model) else DEFAULT_MODEL).with_suffix('.heads.npz')


def load_heads(model: str | Path, runtime: Runtime) -> OutputHeads:
    """Return the heads of a model file, after checking that they fit what its runtime runs.

    Raises ModelError for heads that are missing, damaged or of another network.
    """
    path = heads_path(model)
    heads = read_heads(path)
    _check_fit(heads, runtime, path)
    return heads


def write_heads(file: BinaryIO, heads: OutputHeads) -> None:
    """Write heads in 16 bits, for `read_heads`."""
    arrays = [*heads.heads.arrays, *heads.embeddings, *heads.rms]
    np.savez_compressed(file, *(array.astype(np.float16) for array in arrays))


def read_heads(path: Path) -> OutputHeads:
    """Return the heads in a file. Raises ModelError if it is missing or damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST_FILE:
                raise ValueError(f'its contents are larger than {LARGEST_FILE} bytes')
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[f'arr_{i}'].astype(np.float32) for i in range(_ALL)]
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise ModelError(
            f'there is no file {path}, so the robot cannot learn from its partner: '
            'write it with `improv export --heads`'
        ) from None
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(f'the file {path} is damaged: {error}') from error
    heads = Heads.of_arrays(arrays[:_EMBEDDINGS])
    rms = arrays[_RMS:]
    if [array.shape for array in rms] != [array.shape for array in heads.arrays]:
        raise ModelError(f'the file {path} is damaged: its arrays do not fit each other')
    return OutputHeads(heads, Embeddings(*arrays[_EMBEDDINGS:_RMS]), rms, checksum)


def _check_fit(heads: OutputHeads, runtime: Runtime, path: Path) -> None:
    if runtime.recurrence != 'per_note':
        raise ModelError(f'the heads {path} are for a network with the recurrence per_note')
    state = runtime.advance(runtime.start(), FIRST_STEP)
    state = runtime.advance(state, Step(0, PRESS + 39, 16))
    ours = heads.heads
    try:
        pairs = [
            (heads.time_logits(ours, state), runtime.time_logits(state)),
            (heads.event_type_logits(ours, state, 20), runtime.event_type_logits(state, 20)),
            (heads.velocity_logits(ours, state, 20, 43), runtime.velocity_logits(state, 20, 43)),
        ]
        fits = all(
            np.abs(np.exp(log_softmax(one)) - np.exp(log_softmax(other))).max() < TOLERANCE / 10
            for one, other in pairs
        )
    except (ValueError, IndexError):
        fits = False
    if not fits:
        raise ModelError(f'the heads {path} are not those of the network beside them')
