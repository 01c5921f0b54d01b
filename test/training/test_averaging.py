"""Processes that train one network together, each on batches of its own."""

from threading import Thread

import numpy as np
import pytest
from toy_run import follow, leave, toy, weights

from improv_ros.training.averaging import PartnerLostError, Partners, assign, flat, numbers_in


def test_variables_become_one_vector_and_back(tmp_path):
    variables = toy(tmp_path, layers=2).learnt()
    numbers = flat(variables)
    assert len(numbers) == numbers_in(variables)
    assign(variables, numbers + 1)
    np.testing.assert_allclose(flat(variables), numbers + 1)


def test_two_processes_learn_what_one_learns(tmp_path):
    course = toy(tmp_path)
    course.partners = Partners(2, numbers_in(course.learnt()), every=10)
    course.partners.start(follow, tmp_path)
    try:
        progress = course.run(False)
    finally:
        course.partners.end()
    np.testing.assert_allclose(weights(course)[0], [[2], [-1]], atol=0.05)
    assert progress.batch == 120


def test_a_process_that_is_gone_is_told(tmp_path):
    course = toy(tmp_path)
    course.partners = Partners(2, numbers_in(course.learnt()), every=10)
    course.partners.start(leave, tmp_path)
    course.partners.begin(course.learnt(), 0)
    course.partners._patience = 1
    with pytest.raises(PartnerLostError, match='goes on from the last checkpoint'):
        course.partners.meet(course.learnt(), 0)


def test_all_get_the_mean(tmp_path):
    one, other = toy(tmp_path).learnt(), toy(tmp_path).learnt()
    partners = Partners(2, numbers_in(one), every=1)
    assign(one, np.full(numbers_in(one), 1, np.float32))
    assign(other, np.full(numbers_in(one), 3, np.float32))
    beside = Thread(target=partners.meet, args=(one, 1))
    beside.start()
    partners.meet(other, 0)
    beside.join()
    np.testing.assert_allclose(flat(one), 2)
    np.testing.assert_allclose(flat(other), 2)
