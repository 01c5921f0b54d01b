# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Local SGD: several processes on one machine train one network, each on its own batches.

After every `interval` batches all processes take the mean of their weights and of the state of
their optimizers (Stich, "Local SGD converges fast and communicates little", ICLR 2019). It works
with any Keras backend.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import ctypes
from multiprocessing import get_context, parent_process
import os
from threading import BrokenBarrierError, Thread
from typing import Any

import numpy as np


class WorkerLostError(RuntimeError):
    """One of the processes that train together has ended."""


class LocalSGD:
    """What the processes share. Process 0 sets the learning rate and says when to end.

    processes: how many, with process 0; size: how many numbers are averaged (`size_of`);
    interval: batches between two averages; timeout: seconds to wait for the other processes,
    of which process 0 may be evaluating.
    """

    def __init__(self, processes: int, size: int, interval: int, timeout: float = 600.0) -> None:
        self._context = get_context('spawn')
        self.processes, self.interval, self._timeout = processes, interval, timeout
        self._shape = (processes, size)
        self._shared = self._context.RawArray(ctypes.c_float, processes * size)
        self._barrier = self._context.Barrier(processes)
        self.first_batch = self._context.RawValue(ctypes.c_long, 0)
        self.learning_rate = self._context.RawValue(ctypes.c_double, 0.0)
        self._ended = self._context.RawValue(ctypes.c_bool, False)

    def start_workers(self, work: Callable[..., None], *arguments: Any) -> None:
        """Start all processes but the first: each calls `work(*arguments, self, index)`."""
        for index in range(1, self.processes):
            self._context.Process(target=work, args=(*arguments, self, index)).start()

    def broadcast(self, variables: Sequence[Any], index: int) -> None:
        """Copy the variables of process 0 to all. Every process calls this before it trains."""
        rows = self._rows()
        if index == 0:
            rows[0] = flatten(variables)
        else:
            Thread(target=_exit_with_parent, daemon=True).start()
        self._wait()
        if index:
            assign(variables, rows[0])
        self._wait()

    def average(self, variables: Sequence[Any], index: int) -> None:
        """Assign to the variables of every process their mean over all processes.

        Raises WorkerLostError if another process does not take part within the timeout.
        """
        rows = self._rows()
        rows[index] = flatten(variables)
        self._wait()
        assign(variables, rows.mean(axis=0))
        self._wait()

    def stop_workers(self) -> None:
        """End all processes but the first."""
        self._ended.value = True
        self._barrier.abort()

    @property
    def ended(self) -> bool:
        """Whether process 0 called `stop_workers`."""
        return bool(self._ended.value)

    def _rows(self) -> np.ndarray:
        return np.frombuffer(memoryview(self._shared), np.float32).reshape(self._shape)

    def _wait(self) -> None:
        try:
            self._barrier.wait(self._timeout)
        except BrokenBarrierError as error:
            raise WorkerLostError(
                'one of the training processes has ended; run the same command again to resume '
                'from the last checkpoint'
            ) from error


def _exit_with_parent() -> None:
    parent = parent_process()
    assert parent
    parent.join()
    os._exit(1)


def size_of(variables: Sequence[Any]) -> int:
    """Return how many floating-point numbers the variables hold."""
    return int(sum(np.prod(each.shape, dtype=int) for each in _floating(variables)))


def flatten(variables: Sequence[Any]) -> np.ndarray:
    """Return all floating-point variables as one float32 vector."""
    from keras import ops

    return np.concatenate([ops.convert_to_numpy(each).ravel() for each in _floating(variables)])


def assign(variables: Sequence[Any], values: np.ndarray) -> None:
    """Assign a vector made by `flatten` to the variables."""
    begin = 0
    for variable in _floating(variables):
        end = begin + int(np.prod(variable.shape, dtype=int))
        variable.assign(values[begin:end].reshape(variable.shape))
        begin = end


def _floating(variables: Sequence[Any]) -> list[Any]:
    return [each for each in variables if 'float' in str(each.dtype)]
