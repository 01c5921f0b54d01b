# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The physical properties of a body, which a simulation needs and a performer does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Physics:
    """
    Properties of the mechanics and drives; the key `physics` of a body file sets any of them.

    stroke: the way of a striker from rest to the key, in metres.
    striker_mass: what a striker's drive accelerates, in kilograms.
    joint_mass: what the drive of a joint accelerates, in kilograms.
    friction: dry friction of a joint or striker, as a share of the weakest force of its drive.
    lag: time constant with which the drives follow their commands, in seconds.
    bandwidth: of the position control of the joints, in hertz.
    spread: standard deviation of the force of a stroke, as a share of it.
    restitution: the speed after an impact, as a share of the speed before it.
    speed: the highest speed of the joints, in units of the file per second; 0: as `move` says.
    key_width: of a key, in units of the file; 0: 90 % of the distance to its nearest neighbour.
    """

    stroke: float = 0.03
    striker_mass: float = 0.05
    joint_mass: float = 2.0
    friction: float = 0.1
    lag: float = 0.003
    bandwidth: float = 25.0
    restitution: float = 0.5
    spread: float = 0.05
    speed: float = 0.0
    key_width: float = 0.0


# The lowest and highest value of each property.
LIMITS = {
    'stroke': (0.001, 1.0),
    'striker_mass': (0.001, 10.0),
    'joint_mass': (0.01, 1000.0),
    'friction': (0.0, 0.9),
    'lag': (0.0, 0.1),
    'bandwidth': (1.0, 100.0),
    'restitution': (0.0, 0.9),
    'spread': (0.0, 0.5),
    'speed': (0.0, 1e6),
    'key_width': (0.0, 1e6),
}
