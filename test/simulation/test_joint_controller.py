# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The joint trajectory controller of simulated bodies: what it accepts, and where it leads."""

from __future__ import annotations

import pytest

from improv_ros.event_text import SECOND
from improv_ros.performing.trajectory import Move, Point, Timeline, points_of
from improv_ros.simulation.joint_controller import JointController, RefusedError, Trajectory

JOINTS = ('left', 'right')


def controller() -> JointController:
    return JointController(JOINTS, (0.0, 1.0), goal_tolerance=0.01)


def points(*rows: tuple[float, tuple[float, ...], tuple[float, ...]]) -> tuple[Point, ...]:
    return tuple(Point(round(t * SECOND), positions, speeds) for t, positions, speeds in rows)


@pytest.mark.parametrize(
    ('joints', 'given', 'reason'),
    [
        (('left',), points((1, (0.5,), ())), '1 joints and the controller 2'),
        (('left', 'middle'), points((1, (0.5, 0.5), ())), 'no joint middle'),
        (('left', 'left'), points((1, (0.5, 0.5), ())), 'twice'),
        (JOINTS, (), 'no points'),
        (JOINTS, points((2, (0, 0), ()), (2, (1, 1), ())), 'descend'),
        (JOINTS, points((1, (0.5,), ())), 'point 0 has not one number per joint'),
        (JOINTS, points((1, (0.5, 0.5), (0.1, 0.0))), 'last point has a velocity'),
        (JOINTS, points((0.5, (0.5, 0.5), ())), r'ended 0\.100 s ago'),
    ],
)
def test_a_trajectory_against_the_rules_is_refused(joints, given, reason: str) -> None:
    now = round(0.6 * SECOND)
    followed = controller()
    with pytest.raises(RefusedError, match=reason):
        followed.accept(Trajectory(joints, given), now)
    assert followed.at(2 * SECOND)[0] == (0.0, 1.0)


def test_joints_may_come_in_any_order() -> None:
    followed = controller()
    followed.accept(Trajectory(('right', 'left'), points((1, (0.2, 0.8), ()))), 0)
    assert followed.at(SECOND)[0] == (0.8, 0.2)
    assert followed.at(SECOND // 2)[0] == pytest.approx((0.4, 0.6))  # linear from where they were


def test_moves_of_the_planner_are_followed_exactly() -> None:
    timeline = Timeline(0.0)
    timeline.add(Move(SECOND, 2 * SECOND, 0.0, 1.0, 10.0))
    other = Timeline(1.0)
    followed = controller()
    followed.accept(Trajectory(JOINTS, tuple(points_of([timeline, other], 0))), 0)
    for time in range(0, 3 * SECOND, SECOND // 50):
        (position, still), (speed, _) = followed.at(time)
        assert position == pytest.approx(timeline.at(time)[0], abs=1e-6)
        assert speed == pytest.approx(timeline.at(time)[1], abs=0.21)  # it changes at breakpoints
        assert still == 1.0


def test_a_new_trajectory_begins_where_the_last_one_has_led() -> None:
    followed = controller()
    followed.accept(Trajectory(JOINTS, points((1, (1.0, 1.0), ()))), 0)
    followed.accept(Trajectory(JOINTS, points((1.5, (0.0, 1.0), ()))), SECOND // 2)
    assert followed.at(SECOND // 2)[0][0] == pytest.approx(0.5)
    assert followed.at(SECOND)[0][0] == pytest.approx(0.25)


def test_a_joint_that_is_far_from_its_goal_is_counted_once() -> None:
    followed = controller()
    followed.accept(Trajectory(JOINTS, points((1, (1.0, 1.0), ()))), 0)
    followed.check_goal(SECOND // 2, (0.2, 1.0))
    assert followed.goals_missed == 0
    followed.check_goal(SECOND, (0.95, 1.0))
    followed.check_goal(SECOND + 1, (0.95, 1.0))
    assert followed.goals_missed == 1
