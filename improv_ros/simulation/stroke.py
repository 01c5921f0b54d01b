# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the driver of a striker does for a velocity: how long it waits, how strongly it pushes.

It is made for the latency in the body file and an ideal striker, without friction and lag: what
these add, nobody has told it, as with a real one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from improv_ros.event_text import SECOND
from improv_ros.performing.body import Body

VELOCITIES = 128
# A loud stroke flies for this much less of its latency than a soft one: the impact is harder even
# if the body has the same latency at all velocities.
QUICKER = 0.3
MIN_FLIGHT = 0.002  # seconds


@dataclass(frozen=True)
class Strokes:
    """
    The strokes of one body by velocity; each array has shape (128,).

    wait: seconds from the command to the push.
    flight: seconds of the push, from rest to the key.
    force: of the push, in newtons at the head.
    impact: speed of the head at the key, in metres per second, ascending.
    """

    wait: np.ndarray
    flight: np.ndarray
    force: np.ndarray
    impact: np.ndarray

    def velocity_of(self, speed: float) -> int:
        """Return the MIDI velocity, 1 to 127, of an impact at a speed."""
        velocity = np.interp(speed, self.impact[1:], np.arange(1, VELOCITIES))
        return int(np.clip(np.rint(velocity), 1, 127))


def strokes_of(body: Body) -> Strokes:
    """Return the strokes of a body."""
    velocities = np.arange(VELOCITIES)
    latency = np.array([body.latency(int(velocity)) for velocity in velocities]) / SECOND
    flight = latency * (1 - QUICKER * velocities / 127)
    flight = np.minimum.accumulate(np.maximum(flight, MIN_FLIGHT))
    # Constant force: stroke = impact * flight / 2.
    impact = 2 * body.physics.stroke / flight
    force = body.physics.striker_mass * impact / flight
    return Strokes(np.maximum(latency - flight, 0.0), flight, force, impact)
