# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The decisions of the planner, the ideal body, and lateness."""

from __future__ import annotations

from pathlib import Path
import re
from typing import Any

import pytest
import yaml

from improv_ros.event_text import SECOND, TimedEvent, clear, control_change, note_off, note_on
from improv_ros.performing.assignment import TIMESTAMP_RESOLUTION
from improv_ros.performing.body_file import body_of
from improv_ros.performing.feedback import IdealBody, StrikeLateness
from improv_ros.performing.planner import DECISION_MARGIN, TICK, Command, Planner
from improv_ros.performing.trajectory import Move, Timeline

MILLISECOND = 1_000_000
LOOKAHEAD = 200 * MILLISECOND

KEYS = {'pitches': '60-71', 'strikers': 12, 'repeat': 0.1, 'latency': 0.03, 'holds': True}
FINGER = {**KEYS, 'strikers': 1, 'move': {'speed': 20}, 'holds': False}


def planner(described: dict[str, Any]) -> Planner:
    return Planner(body_of(described), LOOKAHEAD)


def commands(planner: Planner, events: list[TimedEvent], until: int = 5 * SECOND) -> list[Command]:
    """Return all commands if every event is known from the beginning."""
    found = planner.add(events, 0)
    for now in range(0, until, TICK):
        found += planner.advance(now)
    return found


def kinds(found: list[Command]) -> list[tuple[int, str, int]]:
    return [(c.time // MILLISECOND, c.kind, c.pitch) for c in sorted(found)]


def test_a_key_is_commanded_ahead_of_its_sound_and_released_at_its_end() -> None:
    found = commands(planner(KEYS), [note_on(SECOND, 62, 80), note_off(2 * SECOND, 62)])
    assert kinds(found) == [(970, 'strike', 62), (2000, 'release', 62)]
    assert [c.striker for c in found] == [2, 2]
    assert found[0].sound == SECOND


def test_commands_are_returned_as_late_as_possible() -> None:
    body = planner(KEYS)
    body.add([note_on(SECOND, 62, 80)], 0)
    assert body.advance(SECOND - LOOKAHEAD - DECISION_MARGIN - TICK) == []
    assert len(body.advance(SECOND - LOOKAHEAD - DECISION_MARGIN)) == 1


def test_a_key_is_released_in_time_for_its_next_strike() -> None:
    events = [
        note_on(SECOND, 62, 80),
        note_off(2 * SECOND - 1, 62),
        note_on(2 * SECOND, 62, 80),
        note_off(3 * SECOND, 62),
    ]
    assert kinds(commands(planner(KEYS), events)) == [
        (970, 'strike', 62),
        (1920, 'release', 62),
        (1970, 'strike', 62),
        (3000, 'release', 62),
    ]


def test_a_key_that_is_repeated_too_fast_is_struck_once() -> None:
    events = [note_on(SECOND, 62, 80), note_on(SECOND + 60 * MILLISECOND, 62, 80)]
    body = planner(KEYS)
    assert [c.kind for c in commands(body, events)] == ['strike']
    assert body.counts.dropped == 1


def test_a_note_with_too_short_a_lead_is_dropped_and_counted() -> None:
    body = planner(KEYS)
    assert body.add([note_on(LOOKAHEAD - 1, 62, 80)], 0) == []
    assert commands(body, []) == []
    assert body.counts.late == 1


def test_a_finger_prefers_the_melody_then_the_bass() -> None:
    chord = [note_on(SECOND, pitch, 80) for pitch in (60, 64, 71)]
    assert [c.pitch for c in commands(planner(FINGER), chord) if c.kind == 'strike'] == [71]
    # The melody is out of reach: the finger cannot come from 60 to 71 in 100 ms.
    before = [note_on(SECOND - 100 * MILLISECOND, 60, 80)]
    far = [note_on(SECOND, pitch, 80) for pitch in (60, 61, 71)]
    found = commands(planner(FINGER), [*before, note_off(SECOND - 1, 60), *far])
    assert [c.pitch for c in found if c.kind == 'strike'] == [60, 60]


def test_a_note_is_dropped_if_more_later_notes_are_played() -> None:
    # It can stay and play four notes at 60, or play the 71 in between and miss two of them.
    times = [1000, 1150, 1300, 1450]
    notes = [(time, 60) for time in times] + [(1220, 71)]
    events = [
        event
        for time, pitch in sorted(notes)
        for event in (
            note_on(time * MILLISECOND, pitch, 80),
            note_off((time + 20) * MILLISECOND, pitch),
        )
    ]
    assert [c.pitch for c in commands(planner(FINGER), events) if c.kind == 'strike'] == [60] * 4


def test_folding_is_counted_and_only_where_allowed() -> None:
    for fold, performed in ((True, 1), (False, 0)):
        body = planner({**KEYS, 'fold_octaves': fold})
        found = commands(body, [note_on(SECOND, 84, 80)])
        assert [c.pitch for c in found] == [60] * performed
        assert body.counts.folded == performed
        assert body.counts.unplayable == 1 - performed


def test_pedal_events_go_only_to_a_body_with_a_pedal() -> None:
    down = [control_change(SECOND, 64, 127)]
    assert commands(planner(KEYS), down) == []
    found = commands(planner({**KEYS, 'pedal': True}), down)
    assert [(c.kind, c.velocity, c.time) for c in found] == [('pedal', 127, SECOND)]


def test_a_clear_withdraws_decided_and_undecided_notes() -> None:
    body = planner(KEYS)
    body.add([note_on(SECOND, 60, 80), note_on(2 * SECOND, 62, 80)], 0)
    now = SECOND - LOOKAHEAD
    assert [c.kind for c in body.advance(now)] == ['strike']
    assert [c.kind for c in body.add([clear(now)], now)] == ['clear']
    assert body.counts.withdrawn == 2
    assert body.counts.performed == 0
    assert commands(body, []) == []
    again = body.add([note_on(6 * SECOND, 60, 80)], 5 * SECOND) + body.advance(6 * SECOND - TICK)
    assert again == [] and body.counts.dropped == 1, (
        'an advance that comes too late strikes nothing'
    )


def test_the_ideal_body_plays_all_commands_but_withdrawn_ones() -> None:
    obedience = IdealBody()
    obedience.add(
        [
            Command(10, 'strike', 0, 60, 80, sound=20),
            Command(30, 'release', 0, 60, sound=30),
            Command(40, 'strike', 1, 62, 80, sound=50),
            Command(70, 'strike', 0, 60, 80, sound=80),
        ]
    )
    assert obedience.sounded(19) == []
    assert obedience.sounded(60) == [note_on(20, 60, 80), note_off(30, 60), note_on(50, 62, 80)]
    obedience.add([Command(61, 'clear')])
    assert obedience.sounded(SECOND) == [note_off(61, 62)]


def test_a_strike_that_has_begun_at_a_clear_sounds_and_ends() -> None:
    ideal_body = IdealBody()
    ideal_body.add(
        [
            Command(10, 'strike', 0, 60, 80, sound=20),
            Command(30, 'release', 0, 60, sound=30),
        ]
    )
    for time in (15, 17):
        ideal_body.add([Command(time, 'clear')])
    assert ideal_body.sounded(SECOND) == [
        note_on(20, 60, 80),
        note_off(20 + TIMESTAMP_RESOLUTION, 60),
    ]


def test_reports_of_a_body_belong_to_its_strikes() -> None:
    lateness = StrikeLateness(body_of(KEYS))
    struck = Command(10, 'strike', 0, 60, 80, sound=20 * MILLISECOND)
    lateness.add([struck])
    lateness.add([Command(10, 'strike', 0, 62, 80, sound=20 * MILLISECOND)])
    assert lateness.match(25 * MILLISECOND, 60) == struck
    assert lateness.match(25 * MILLISECOND, 60) is None
    lateness.forget(5 * SECOND)
    assert (lateness.unexpected, lateness.missed) == (1, 1)


@pytest.mark.parametrize('acceleration', [None, 10.0])
def test_a_move_arrives_and_the_next_one_continues_from_there(acceleration: float | None) -> None:
    there = Move(SECOND, 2 * SECOND, 0.0, 1.0, acceleration)
    assert there.at(SECOND - 1) == (0.0, 0.0)
    assert there.at(2 * SECOND) == (1.0, 0.0)
    assert there.at(3 * SECOND // 2)[0] == pytest.approx(0.5)
    timeline = Timeline(0.0)
    timeline.add(there)
    timeline.add(Move(2 * SECOND, 3 * SECOND, 1.0, 0.25, acceleration))
    timeline.forget(2 * SECOND)
    assert timeline.at(0) == (1.0, 0.0)
    assert timeline.at(3 * SECOND) == (0.25, 0.0)


def test_the_body_in_the_documentation_is_valid() -> None:
    page = (Path(__file__).parents[2] / 'docs' / 'robots.md').read_text()
    described = re.search(r'```yaml\n(.*?)```', page, re.DOTALL)
    body = body_of(yaml.safe_load(described.group(1)))
    assert body.pitches == (60, 62, 64, 65, 66, 67, 68, 69, 70, 71, 72)
    assert body.moves
