# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A performance in simulated time, from notes to the motions of a simulated body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from improv_ros.event_text import SECOND, StreamWriter, TimedEvent
from improv_ros.performing.assignment import Assign, assign_best
from improv_ros.performing.body_file import read_body
from improv_ros.performing.performer import Performer, PerformerOutput
from improv_ros.performing.planner import TICK
from simulator import Published, Simulator

BODIES = Path(__file__).parents[2] / 'config' / 'bodies'
LOOKAHEAD = round(0.12 * SECOND)


@dataclass
class SimulatedPerformance:
    """The results of a simulated performance."""

    simulator: Simulator
    performer: Performer
    performed: list[TimedEvent]
    strikes: list[TimedEvent]
    sounded: list[TimedEvent]
    shortest_lead: int


def simulate(
    path: Path,
    events: Sequence[TimedEvent],
    lead: int = SECOND // 2,
    tail: int = 2 * SECOND,
    assign: Assign = assign_best,
    immediate: bool = False,
) -> SimulatedPerformance:
    """Perform events on a simulated body; each becomes known `lead` nanoseconds before its time.

    A clear becomes known at its own time. The body starts at time 0, its joints at one end.
    """
    body = read_body(path)
    performer = Performer(body, LOOKAHEAD, 0, assign, immediate)
    simulator = Simulator(path)
    for name, positions in {s.name: s.positions for s in body.strikers if s.travel}.items():
        simulator.place(name, max(positions.values()))
    result = SimulatedPerformance(simulator, performer, [], [], [], 3600 * SECOND)
    writer = StreamWriter()

    def publish(output: PerformerOutput, now: int) -> None:
        if output.trajectory:
            smooth = body.acceleration is not None
            points = [
                (point.time, point.positions, point.velocities if smooth else ())
                for point in output.trajectory
            ]
            simulator.trajectory(Published(now, performer.planner.joints, points))
        for text in writer.write(output.strikes):
            simulator.strikes(text)
        result.performed.extend(output.performed)
        result.strikes.extend(output.strikes)
        result.shortest_lead = min([result.shortest_lead, *output.leads])

    waiting = sorted(events, key=lambda e: e.time - (0 if e.kind == 'cl' else lead))
    end = max((event.time for event in events), default=0) + tail
    now = 0
    while now < end:
        known = []
        while waiting and waiting[0].time - (0 if waiting[0].kind == 'cl' else lead) <= now:
            known.append(waiting.pop(0))
        if known:
            publish(performer.add(known, now), now)
        publish(performer.advance(now), now)
        result.sounded.extend(performer.sounded(now))
        now += TICK
        simulator.run_until(now)
    return result
