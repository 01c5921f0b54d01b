# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The state of a training run in one file, from which a killed run resumes.

It does not depend on what is trained or on the Keras backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any
import zipfile

import numpy as np

from improv_ros.training.engine.atomic_file import write_atomically


class CheckpointError(ValueError):
    """A checkpoint from which this run cannot resume; the message says which one and why."""


class Checkpoint:
    """The variables of the model and the optimizer, and the progress of the run.

    identity: what must not change when a run resumes, such as options and the checksum of the
    data; any values that JSON can hold.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self._identity = json.loads(json.dumps(identity))

    def save(self, variables: Sequence[Any], progress: Mapping[str, Any]) -> None:
        """Write the checkpoint atomically.

        variables: Keras variables, always in the same order; progress: values that JSON can
        hold. Raises OSError if the file cannot be written; the old checkpoint then remains.
        """
        from keras import ops

        arrays = {f'v{i}': ops.convert_to_numpy(value) for i, value in enumerate(variables)}
        contents: dict[str, Any] = {
            'identity': np.array(json.dumps(self._identity)),
            'progress': np.array(json.dumps(progress)),
            **arrays,
        }
        write_atomically(self.path, lambda file: np.savez(file, **contents))

    def load(self, variables: Sequence[Any]) -> dict[str, Any] | None:
        """Assign the stored values to the variables and return the progress, None without a file.

        Raises CheckpointError if the checkpoint is damaged or has another identity.
        """
        if not self.path.is_file():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                identity, progress = (
                    json.loads(str(stored[name])) for name in ('identity', 'progress')
                )
                values = [stored[f'v{i}'] for i in range(len(stored.files) - 2)]
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f'the checkpoint {self.path} is damaged ({error}); remove it to start again'
            ) from error
        if identity != self._identity:
            raise CheckpointError(
                f'{self.path} is the checkpoint of a run with other options or data '
                f'({self._difference(identity)}); train into another folder, or remove it'
            )
        if [value.shape for value in values] != [tuple(each.shape) for each in variables]:
            raise CheckpointError(
                f'{self.path} is the checkpoint of another network; train into another folder, '
                'or remove it'
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return progress

    def _difference(self, identity: Mapping[str, Any]) -> str:
        names = sorted(identity.keys() | self._identity.keys())
        return ', '.join(
            f'{name} {identity.get(name)!r} there, {self._identity.get(name)!r} here'
            for name in names
            if identity.get(name) != self._identity.get(name)
        )
