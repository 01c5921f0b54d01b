# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whose turn it is, as a listener tells it from the notes."""

from __future__ import annotations

from improv_ros.event_text import clear, note_off, note_on
from improv_ros.page.turns import SHOWN, Turns

SECOND = 1_000_000_000
MS = SECOND // 1000


def heard_phrase(turns: Turns, until: int = 2 * SECOND) -> None:
    turns.hear([note_on(until - SECOND, 60, 70)], until - SECOND)
    turns.hear([note_off(until, 60)], until)


def test_a_phrase_its_pause_and_its_answer() -> None:
    turns = Turns()
    assert turns.now(0).state == 'listening'
    turns.hear([note_on(SECOND, 60, 70)], SECOND)
    assert turns.now(SECOND + 5 * MS).state == 'hearing'
    turns.hear([note_off(2 * SECOND, 60)], 2 * SECOND)
    turn = turns.now(2 * SECOND + 100 * MS)
    assert (turn.state, turn.since, turn.until) == ('pausing', 2 * SECOND, 2800 * MS)
    assert turns.now(2850 * MS).state == 'thinking'
    turns.generate([note_on(3100 * MS, 62, 70), note_off(4 * SECOND, 62)], 2860 * MS)
    assert list(turns.delays) == [60 * MS]
    assert turns.now(2900 * MS).state == 'answering'
    assert turns.now(4100 * MS).state == 'answering'  # it may be a rest
    assert turns.now(5100 * MS).state == 'listening'


def test_the_ring_follows_the_pause_and_only_a_responding_robot_has_one() -> None:
    turns = Turns()
    turns.pause = 2.0
    heard_phrase(turns)
    assert turns.now(2500 * MS).until == 4 * SECOND
    turns.mode = 'accompany'
    assert turns.now(2500 * MS).state == 'hearing'
    turns.generate([note_on(3 * SECOND, 62, 70)], 2500 * MS)
    assert turns.now(2600 * MS).state == 'accompanying'
    turns.mode = 'solo'
    assert turns.now(2600 * MS).state == 'soloing'


def test_a_robot_that_is_interrupted_yields() -> None:
    turns = Turns()
    turns.generate([note_on(SECOND, 62, 70), note_off(5 * SECOND, 62)], 0)
    turns.hear([note_on(2 * SECOND, 60, 70)], 2 * SECOND)
    turns.generate([clear(2020 * MS)], 2020 * MS)
    assert turns.now(2030 * MS).state == 'yielding'
    turns.hear([note_off(2200 * MS, 60)], 2200 * MS)
    assert turns.now(2300 * MS).state == 'pausing'


def test_a_stop_says_who_asked_until_something_is_played_again() -> None:
    turns = Turns()
    turns.generate([note_on(SECOND, 62, 70), note_off(5 * SECOND, 62)], 0)
    turns.ask_for_silence('“stop” on the page', SECOND)
    turns.generate([clear(SECOND + MS)], SECOND + MS)
    for later in (2 * SECOND, 60 * SECOND):
        assert turns.now(later).state == 'stopped'
        assert 'on the page' in turns.now(later).words
    turns.hear([note_on(61 * SECOND, 60, 70)], 61 * SECOND)
    assert turns.now(61 * SECOND).state == 'hearing'


def test_a_stop_that_nobody_here_asked_for_is_another_program_s() -> None:
    turns = Turns()
    turns.generate([note_on(SECOND, 62, 70), note_off(5 * SECOND, 62)], 0)
    turns.generate([clear(2 * SECOND)], 2 * SECOND)
    assert 'another program' in turns.now(2 * SECOND + SHOWN // 2).words
