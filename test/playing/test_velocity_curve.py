# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import pytest

from improv_ros.playing.midi.keyboards import CURVES, velocity_curve


@pytest.mark.parametrize('name', CURVES)
def test_every_velocity_curve_is_monotonic_and_loses_no_note(name):
    curve = velocity_curve(name)
    assert len(curve) == 128
    assert curve[0] == 0
    assert min(curve[1:]) >= 1 and max(curve) <= 127
    assert list(curve) == sorted(curve)


def test_the_normal_curve_changes_nothing():
    assert velocity_curve('normal') == tuple(range(128))


def test_light_raises_and_heavy_lowers_velocities_but_not_the_extremes():
    light, heavy = velocity_curve('light'), velocity_curve('heavy')
    for curve in (light, heavy):
        assert (curve[1], curve[127]) == (1, 127)
    assert all(heavy[v] <= v <= light[v] for v in range(128))
    assert light[64] > 75
    assert heavy[64] < 50


def test_fixed_sets_all_velocities_to_the_same_value():
    assert len(set(velocity_curve('fixed')[1:])) == 1
