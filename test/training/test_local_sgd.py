# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Processes that train one network together, each on batches of its own."""

from threading import Thread

import numpy as np
import pytest
from toy_run import leave, toy, weights, work

from improv_ros.training.engine.local_sgd import (
    LocalSGD,
    WorkerLostError,
    assign,
    flatten,
    size_of,
)


def test_variables_become_one_vector_and_back(tmp_path):
    variables = toy(tmp_path, layers=2).averaged_variables()
    values = flatten(variables)
    assert len(values) == size_of(variables)
    assign(variables, values + 1)
    np.testing.assert_allclose(flatten(variables), values + 1)


@pytest.mark.nightly
def test_two_processes_learn_what_one_learns(tmp_path):
    trainer = toy(tmp_path)
    trainer.local_sgd = LocalSGD(2, size_of(trainer.averaged_variables()), interval=10)
    trainer.local_sgd.start_workers(work, tmp_path)
    try:
        progress = trainer.run(False)
    finally:
        trainer.local_sgd.stop_workers()
    np.testing.assert_allclose(weights(trainer)[0], [[2], [-1]], atol=0.05)
    assert progress.batch == 120


def test_a_process_that_has_ended_is_an_error(tmp_path):
    trainer = toy(tmp_path)
    trainer.local_sgd = LocalSGD(2, size_of(trainer.averaged_variables()), interval=10)
    trainer.local_sgd.start_workers(leave, tmp_path)
    trainer.local_sgd.broadcast(trainer.averaged_variables(), 0)
    trainer.local_sgd._timeout = 1
    with pytest.raises(WorkerLostError, match='resume from the last checkpoint'):
        trainer.local_sgd.average(trainer.averaged_variables(), 0)


def test_all_get_the_mean(tmp_path):
    one, other = toy(tmp_path).averaged_variables(), toy(tmp_path).averaged_variables()
    local_sgd = LocalSGD(2, size_of(one), interval=1)
    assign(one, np.full(size_of(one), 1, np.float32))
    assign(other, np.full(size_of(one), 3, np.float32))
    beside = Thread(target=local_sgd.average, args=(one, 1))
    beside.start()
    local_sgd.average(other, 0)
    beside.join()
    np.testing.assert_allclose(flatten(one), 2)
    np.testing.assert_allclose(flatten(other), 2)
