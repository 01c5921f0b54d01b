# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How far the nodes look for each other."""

from __future__ import annotations

import pytest

from improv_ros.bringup.ros_environment import discovery_variables

RANGE, OLD = 'ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_LOCALHOST_ONLY'
HUMBLE = {'ROS_DISTRO': 'humble'}


@pytest.mark.parametrize(
    ('discovery', 'given', 'added'),
    [
        ('auto', {}, {RANGE: 'LOCALHOST'}),
        ('auto', {RANGE: ''}, {RANGE: 'LOCALHOST'}),
        ('auto', {RANGE: 'SUBNET'}, {}),
        ('auto', {OLD: '0'}, {}),
        ('localhost', {RANGE: 'SUBNET'}, {RANGE: 'LOCALHOST'}),
        ('subnet', {}, {RANGE: 'SUBNET'}),
        ('subnet', {RANGE: 'LOCALHOST', OLD: '1'}, {RANGE: 'SUBNET', OLD: '0'}),
        ('auto', HUMBLE, {OLD: '1'}),
        ('auto', {**HUMBLE, RANGE: 'SUBNET'}, {OLD: '1'}),  # which Humble does not know
        ('auto', {**HUMBLE, OLD: '0'}, {}),
        ('localhost', {**HUMBLE, OLD: '0'}, {OLD: '1'}),
        ('subnet', HUMBLE, {OLD: '0'}),
    ],
)
def test_the_users_variables_stand_until_the_user_asks(discovery, given, added) -> None:
    assert discovery_variables(discovery, given) == added
