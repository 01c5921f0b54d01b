# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Processes that are kept alive."""

from __future__ import annotations

import errno
import os
import subprocess
import time

import pytest

from improv_ros.bringup.chain_spec import NodeSpec
from improv_ros.bringup.ensemble import Ensemble
from timing import PATIENCE, promised


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
    while len(said) < 3 and time.monotonic() < began + PATIENCE:
        said += broken.revive()
        time.sleep(0.01)
    assert said == [
        f'no_such_node ended with exit code 1; restarting it in {pause} s'
        for pause in ('0.2', '0.4', '0.8')
    ]
    assert time.monotonic() - began > 0.2 + 0.4


def test_what_waits_to_start_again_does_not_hold_up_the_end(broken: Ensemble) -> None:
    while not broken.revive():
        time.sleep(0.01)
    assert broken.ended() == {'no_such_node': 1}
    began = time.monotonic()
    assert broken.stop() == {'no_such_node': 1}
    assert time.monotonic() - began < promised(0.2)


def await_sentences(ensemble: Ensemble, count: int) -> list[str]:
    """Return so many sentences about what ended."""
    said: list[str] = []
    deadline = time.monotonic() + 30
    while len(said) < count and time.monotonic() < deadline:
        said += ensemble.revive()
        time.sleep(0.01)
    return said


def test_what_cannot_be_started_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    popen = subprocess.Popen
    failures = [OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))] * 2

    def start(*arguments: object, **options: object) -> object:
        if failures:
            raise failures.pop()
        return popen(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, 'Popen', start)
    ensemble = Ensemble([NodeSpec('no_such_node', {'device': '0'})])
    try:
        ensemble.start()
        first, second, third = await_sentences(ensemble, 3)
    finally:
        ensemble.stop()
    assert first == (
        'no_such_node cannot be started: [Errno 11] Resource temporarily unavailable; '
        'retrying in 0.2 s'
    )
    assert 'cannot be started' in second
    assert third == 'no_such_node ended with exit code 1; restarting it in 0.8 s'


def test_what_cannot_run_is_told_once_and_not_started_again() -> None:
    ensemble = Ensemble([NodeSpec('midi_keyboard')], config='no such file')
    try:
        ensemble.start()
        assert not ensemble.over()
        assert await_sentences(ensemble, 1) == [
            'midi_keyboard cannot run, for the reason above; it is not restarted'
        ]
        assert ensemble.over()
        assert ensemble.revive() == []
    finally:
        assert ensemble.stop() == {'midi_keyboard': 2}
