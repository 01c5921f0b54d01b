"""Everything a training run needs to go on after it was killed, in one file.

Nothing here knows what is trained, nor by which Keras backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any
import zipfile

import numpy as np

from .whole_file import write_whole


class CheckpointError(ValueError):
    """A checkpoint that this run cannot go on from; the message says which and why."""


class Checkpoint:
    """Variables of model and optimiser, and how far the run has come.

    identity: what must be the same for a run to go on, such as options and the data's checksum.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self._identity = json.loads(json.dumps(identity))

    def save(self, variables: Sequence[Any], progress: Mapping[str, Any]) -> None:
        """Write the checkpoint; a kill at any moment leaves the old one or the new one.

        variables: Keras variables, always in the same order; progress: what JSON can hold.
        Raises OSError if the disk refuses; the old checkpoint is then still there.
        """
        from keras import ops

        arrays = {f'v{i}': ops.convert_to_numpy(value) for i, value in enumerate(variables)}
        about = {
            'identity': np.array(json.dumps(self._identity)),
            'progress': np.array(json.dumps(progress)),
        }
        write_whole(self.path, lambda file: np.savez(file, **about, **arrays))

    def load(self, variables: Sequence[Any]) -> dict[str, Any] | None:
        """Put what was kept into the variables and return the progress; None if nothing was.

        Raises CheckpointError if the checkpoint is damaged or of a run with another identity.
        """
        if not self.path.is_file():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as kept:
                identity, progress = (
                    json.loads(str(kept[name])) for name in ('identity', 'progress')
                )
                values = [kept[f'v{i}'] for i in range(len(kept.files) - 2)]
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f'the checkpoint {self.path} is damaged ({error}); remove it to begin anew'
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
