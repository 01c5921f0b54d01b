# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import pytest

from improv_ros.event_text import control_change, note_off, note_on
from improv_ros.playing import PlayingError
from improv_ros.playing.note_schedule import Latency, strike_latency

MILLISECOND = 1_000_000


def test_the_disklavier_profile_is_the_published_one():
    table = [strike_latency('disklavier')(velocity) for velocity in range(128)]
    assert set(table[:11]) == {155 * MILLISECOND}
    assert set(table[100:]) == {0}
    assert table[55] == pytest.approx(77.5 * MILLISECOND)
    assert table == sorted(table, reverse=True)


def test_a_latency_curve_is_piecewise_linear_and_constant_beyond_its_ends():
    latency = strike_latency('100:0.01, 20:0.09,60:0.05')
    assert latency(0) == latency(20) == 90 * MILLISECOND
    assert latency(40) == 70 * MILLISECOND
    assert latency(80) == 30 * MILLISECOND
    assert latency(100) == latency(127) == 10 * MILLISECOND


def test_without_a_profile_the_latency_is_the_same_for_all_notes():
    assert strike_latency('') is None
    assert Latency(5).of(note_on(0, 60, 1)) == 5
    latency = Latency(5, strike_latency('64:0.001'))
    assert latency.of(note_on(0, 60, 1)) == 5 + MILLISECOND
    assert latency.of(note_off(0, 60)) == latency.of(control_change(0, 64, 127)) == 5


@pytest.mark.parametrize(
    ('profile', 'complaint'),
    [
        ('soft', "'soft' is not velocity:seconds"),
        ('10:0.1,', "'' is not velocity:seconds"),
        ('128:0.1', '128:0.1 is out of range'),
        ('10:155', '10:155 is out of range'),
        ('10:nan', 'out of range'),
        ('10:0.1, 10:0.2', 'twice'),
    ],
)
def test_an_invalid_profile_is_refused_with_the_reason(profile, complaint):
    with pytest.raises(PlayingError, match=complaint):
        strike_latency(profile)
