"""Several processes train one network on this machine: each on recordings of its own.

Every so many batches all take the mean of their weights and of what the optimiser keeps (local
SGD; Stich, "Local SGD converges fast and communicates little", ICLR 2019). So no processor waits
for another at every batch, and any Keras backend can do it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import ctypes
from multiprocessing import get_context, parent_process
import os
from threading import BrokenBarrierError, Thread
from typing import Any

import numpy as np


class PartnerLostError(RuntimeError):
    """Another of the processes that train together is gone."""


class Partners:
    """What the processes share. The first one leads: it says how fast to learn and when to end.

    count: how many processes; numbers: how many numbers are averaged; every: batches between two
    meetings; patience: seconds to wait for the others, who may be measuring.
    """

    def __init__(self, count: int, numbers: int, every: int, patience: float = 600.0) -> None:
        self._context = get_context('spawn')
        self.count, self.every, self._patience = count, every, patience
        self._shape = (count, numbers)
        self._shared = self._context.RawArray(ctypes.c_float, count * numbers)
        self._barrier = self._context.Barrier(count)
        self.first = self._context.RawValue(ctypes.c_long, 0)  # batch
        self.rate = self._context.RawValue(ctypes.c_double, 0.0)
        self._ended = self._context.RawValue(ctypes.c_bool, False)

    def start(self, follow: Callable[..., None], *arguments: Any) -> None:
        """Start the processes that follow: each calls `follow(*arguments, partners, index)`."""
        for index in range(1, self.count):
            self._context.Process(target=follow, args=(*arguments, self, index)).start()

    def begin(self, variables: Sequence[Any], index: int) -> None:
        """Take over the leader's variables. Every process calls this once, before it trains."""
        rows = self._rows()
        if index == 0:
            rows[0] = flat(variables)
        else:
            Thread(target=_end_with_parent, daemon=True).start()
        self._wait()
        if index:
            assign(variables, rows[0])
        self._wait()

    def meet(self, variables: Sequence[Any], index: int) -> None:
        """Give every process the mean of all.

        Raises PartnerLostError if one of the others does not come.
        """
        rows = self._rows()
        rows[index] = flat(variables)
        self._wait()
        assign(variables, rows.mean(axis=0))
        self._wait()

    def end(self) -> None:
        """Let the processes that follow end."""
        self._ended.value = True
        self._barrier.abort()

    @property
    def ended(self) -> bool:
        """Whether the leader has let the others end."""
        return bool(self._ended.value)

    def _rows(self) -> np.ndarray:
        return np.frombuffer(self._shared, np.float32).reshape(self._shape)

    def _wait(self) -> None:
        try:
            self._barrier.wait(self._patience)
        except BrokenBarrierError as error:
            raise PartnerLostError(
                'a process that trained with this one is gone; start the command again, and it '
                'goes on from the last checkpoint'
            ) from error


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent
    parent.join()
    os._exit(1)


def numbers_in(variables: Sequence[Any]) -> int:
    """Return how many numbers are averaged: those of floating point."""
    return int(sum(np.prod(each.shape, dtype=int) for each in _floating(variables)))


def flat(variables: Sequence[Any]) -> np.ndarray:
    """Return all floating-point variables as one float32 vector."""
    from keras import ops

    return np.concatenate([ops.convert_to_numpy(each).ravel() for each in _floating(variables)])


def assign(variables: Sequence[Any], numbers: np.ndarray) -> None:
    """Put a vector back into the variables that it came from."""
    begin = 0
    for variable in _floating(variables):
        end = begin + int(np.prod(variable.shape, dtype=int))
        variable.assign(numbers[begin:end].reshape(variable.shape))
        begin = end


def _floating(variables: Sequence[Any]) -> list[Any]:
    return [each for each in variables if 'float' in str(each.dtype)]
