# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The learner in a process of its own, a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import os
import signal
import sys
import time

import numpy as np
from partner_music import motif, notes, shipped
import pytest

from improv_ros.event_text import TimedEvent
from improv_ros.improvising.network.vocabulary import decode
from improv_ros.improvising.partner.adaptive_runtime import AdaptiveRuntime
from improv_ros.improvising.partner.learner_process import LearnerProcess
from improv_ros.improvising.partner.learnt import Learnt
from improv_ros.improvising.partner.partner import Partner
from improv_ros.improvising.partner.partner_learner import EVENTS_PER_UPDATE
from improv_ros.improvising.partner.partner_profile import ProfileFile

PATIENCE = 120.0  # seconds
MUSIC = [step for key in (30, 37, 25, 41) * 3 for step in notes(motif(key))]


def events() -> list[TimedEvent]:
    return decode(np.array(MUSIC))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def partner() -> Iterator[Partner]:
    made = make()
    yield made
    made.close()


def make(file: ProfileFile | None = None) -> Partner:
    runtime, heads = shipped()
    adaptive = AdaptiveRuntime(runtime, heads)
    learner = LearnerProcess('', adaptive.learnt)
    return Partner(adaptive, learner, heads, file, file.read() if file else None)


def has_learnt(partner: Partner, notes: int) -> Callable[[], bool]:
    def condition() -> bool:
        partner.poll()
        assert not partner.problem
        return partner.learnt.notes >= notes

    return condition


def test_learns_what_is_heard_and_forgets_it_at_once(partner):
    nothing = Learnt.nothing(shipped()[1])
    for event in events():
        partner.hear(event)
    wait_for(has_learnt(partner, EVENTS_PER_UPDATE // 2))
    changed = partner.learnt.heads.time.output
    assert np.abs(changed - nothing.heads.time.output).max() > 0
    partner.forget()
    np.testing.assert_array_equal(partner.learnt.pack(), nothing.pack())
    # What the process was about to send does not come back.
    for event in events()[: EVENTS_PER_UPDATE + 2]:
        partner.hear(event)
    wait_for(has_learnt(partner, 1))
    assert partner.learnt.notes == EVENTS_PER_UPDATE // 2


def test_may_be_forgotten_often_while_it_still_starts(partner):
    for _ in range(20):
        for event in events()[:4]:
            partner.hear(event)
        partner.forget()
    assert len(partner._learner._waiting) <= 2  # it does not pile up
    for event in events():
        partner.hear(event)
    wait_for(has_learnt(partner, EVENTS_PER_UPDATE // 2))


def test_starts_with_the_first_note_and_learns_at_the_lowest_priority(partner):
    partner.poll()
    assert partner._learner.pid is None
    for event in events():
        partner.hear(event)
    wait_for(has_learnt(partner, 1))
    assert os.getpriority(os.PRIO_PROCESS, partner._learner.pid) == 19


def test_a_process_that_cannot_start_is_reported(partner, monkeypatch):
    monkeypatch.setattr(sys, 'executable', '/nowhere/python')
    for event in events()[:2]:
        partner.hear(event)
        partner.poll()
    assert 'cannot be started' in partner.problem and '/nowhere/python' in partner.problem


def test_its_death_is_reported_and_ends_nothing_else(partner):
    for event in events():
        partner.hear(event)
    wait_for(has_learnt(partner, 1))
    learnt = partner.learnt
    os.kill(partner._learner.pid, signal.SIGKILL)

    def reported() -> bool:
        partner.poll()
        partner.hear(events()[0])
        return bool(partner.problem)

    wait_for(reported)
    assert 'the process that learns has ended' in partner.problem
    np.testing.assert_array_equal(partner.learnt.pack(), learnt.pack())
    partner.forget()


def test_a_profile_is_taken_up_again_and_not_mixed_with_another(tmp_path):
    heads = shipped()[1]
    first = ProfileFile('anna', heads, tmp_path)
    first.lock()
    partner = make(first)
    for event in events():
        partner.hear(event)
    wait_for(has_learnt(partner, EVENTS_PER_UPDATE // 2))
    partner.keep()
    kept = partner.learnt
    partner.close()
    again = ProfileFile('anna', heads, tmp_path)
    again.lock()
    partner = make(again)
    assert partner.learnt.notes == kept.notes
    np.testing.assert_allclose(partner.learnt.heads.time.output, kept.heads.time.output, atol=1e-4)
    # It learns on from there.
    for event in events():
        partner.hear(event)
    wait_for(has_learnt(partner, kept.notes + EVENTS_PER_UPDATE // 2))
    partner.close()
    other = ProfileFile('ben', heads, tmp_path)
    other.lock()
    partner = make(other)
    assert partner.learnt.notes == 0
    partner.close()


def test_nothing_is_learnt_without_adaptation(partner):
    partner._runtime.adapt = 0.0
    for event in events():
        partner.hear(event)
    assert len(partner._runtime.memory) == 0
