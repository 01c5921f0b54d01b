# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Music for tests of what is learnt, and the shipped network with its heads."""

from __future__ import annotations

from functools import cache

from improv_ros.improvising.network.improviser_runtime import Runtime, load_runtime
from improv_ros.improvising.network.vocabulary import PRESS, RELEASE, Step
from improv_ros.improvising.partner.heads_files import load_heads
from improv_ros.improvising.partner.output_heads import OutputHeads

MOTIF = (0, 7, 3, 10, 2, 9)  # semitones above its first key: no scale, so the network is surprised


def notes(keys: list[int], wait: int = 20, velocity: int = 16) -> list[Step]:
    """Return the steps of notes one after the other, each for 100 ms."""
    return [
        step
        for key in keys
        for step in (Step(wait, PRESS + key, velocity), Step(10, RELEASE + key, 0))
    ]


def motif(key: int) -> list[int]:
    """Return the keys of the motif from a first key."""
    return [key + interval for interval in MOTIF]


@cache
def shipped() -> tuple[Runtime, OutputHeads]:
    """Return the shipped network and its heads."""
    runtime = load_runtime()
    return runtime, load_heads('', runtime)
