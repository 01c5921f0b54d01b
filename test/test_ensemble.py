"""Processes that are kept alive."""

from __future__ import annotations

import time

import pytest

from improv_ros.bringup import NodeSpec
from improv_ros.ensemble import Ensemble


@pytest.fixture
def broken():
    """Provide an ensemble of one node, which ends as soon as it begins."""
    ensemble = Ensemble([NodeSpec('no_such_node')])
    ensemble.start()
    yield ensemble
    ensemble.stop()


def test_what_ends_at_once_starts_again_ever_more_rarely(broken: Ensemble) -> None:
    said: list[str] = []
    began = time.monotonic()
    while len(said) < 3 and time.monotonic() < began + 30:
        said += broken.revive()
        time.sleep(0.01)
    assert said == [
        f'no_such_node ended by itself with exit code 1; it starts again in {pause} s'
        for pause in ('0.2', '0.4', '0.8')
    ]
    assert time.monotonic() - began > 0.2 + 0.4


def test_what_waits_to_start_again_does_not_hold_up_the_end(broken: Ensemble) -> None:
    while not broken.revive():
        time.sleep(0.01)
    assert broken.ended() == {'no_such_node': 1}
    began = time.monotonic()
    assert broken.stop() == {'no_such_node': 1}
    assert time.monotonic() - began < 0.2
