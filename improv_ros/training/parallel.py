"""Several processes that train one network together, each on its share of every batch.

It rests on Keras's distribution API, which needs the JAX backend: the weights are the same in
every process, the gradients are summed over all. All processes go through the same batches, so
the run is the one that a single process would make, but for the order of sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Together:
    """One of `processes` processes, number `process` from 0; `meet` is host:port of the first."""

    processes: int = 1
    process: int = 0
    meet: str = ''

    def __post_init__(self) -> None:
        if not 0 <= self.process < self.processes:
            raise ValueError(f'--process counts from 0 and must be below {self.processes}')
        if self.processes > 1 and not self.meet:
            raise ValueError('several processes meet at the first one: --meet HOST:PORT')

    @property
    def leader(self) -> bool:
        """Whether this process writes what the run leaves behind."""
        return self.process == 0

    def check(self, streams: int, minutes: float) -> None:
        """Raise ValueError for a run that cannot be shared."""
        import keras

        if self.processes == 1:
            return
        if keras.backend.backend() != 'jax':
            raise ValueError('several processes need the JAX backend: set KERAS_BACKEND=jax')
        if streams % self.processes:
            raise ValueError(f'{streams} streams cannot be shared by {self.processes} processes')
        if minutes:
            raise ValueError('several processes end together by --epochs, not by --minutes')

    def share(self, array: np.ndarray) -> np.ndarray:
        """Return this process's rows of an array that begins with the streams."""
        rows = len(array) // self.processes
        return array[self.process * rows : (self.process + 1) * rows]

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Make every variable and batch within one that all processes hold together."""
        if self.processes == 1:
            yield
            return
        from keras import distribution

        distribution.initialize(self.meet, self.processes, self.process)
        before = distribution.distribution()
        distribution.set_distribution(distribution.DataParallel())
        try:
            yield
        finally:
            distribution.set_distribution(before)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Do what is within in this process alone."""
        if self.processes == 1:
            yield
            return
        from keras import distribution

        together = distribution.distribution()
        distribution.set_distribution(None)
        try:
            yield
        finally:
            distribution.set_distribution(together)


ALONE = Together()
