"""A performance in simulated time: notes ahead of time, the performer's messages, a body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from improv_ros.event_text import StreamWriter, TimedEvent
from improv_ros.performing.assignment import Assign, assign_best
from improv_ros.performing.body_file import read_body
from improv_ros.performing.performer import Announcement, Performer
from improv_ros.performing.planner import TICK
from simulator import SECOND, Published, Simulator

BODIES = Path(__file__).parents[2] / 'config' / 'bodies'
LOOKAHEAD = round(0.12 * SECOND)


@dataclass
class Rehearsal:
    """What came of a performance."""

    simulator: Simulator
    performer: Performer
    performed: list[TimedEvent]
    strikes: list[TimedEvent]
    sounded: list[TimedEvent]
    shortest_notice: int


def rehearse(
    path: Path,
    events: Sequence[TimedEvent],
    notice: int = SECOND // 2,
    tail: int = 2 * SECOND,
    assign: Assign = assign_best,
    at_once: bool = False,
) -> Rehearsal:
    """Perform events, each made known `notice` ahead, on a simulated body.

    A clear is made known at its own time. The body starts at time 0, its joints at one end.
    """
    body = read_body(path)
    performer = Performer(body, LOOKAHEAD, 0, assign, at_once)
    simulator = Simulator(path)
    for name, positions in {s.name: s.positions for s in body.strikers if s.travel}.items():
        simulator.place(name, max(positions.values()))
    result = Rehearsal(simulator, performer, [], [], [], 3600 * SECOND)
    writer = StreamWriter()

    def publish(announcement: Announcement, now: int) -> None:
        if announcement.trajectory:
            smooth = body.acceleration is not None
            points = [
                (point.time, point.positions, point.velocities if smooth else ())
                for point in announcement.trajectory
            ]
            simulator.trajectory(Published(now, performer.planner.joints, points))
        for text in writer.write(announcement.strikes):
            simulator.strikes(text)
        result.performed.extend(announcement.performed)
        result.strikes.extend(announcement.strikes)
        result.shortest_notice = min([result.shortest_notice, *announcement.notices])

    waiting = sorted(events, key=lambda e: e.time - (0 if e.kind == 'cl' else notice))
    end = max((event.time for event in events), default=0) + tail
    now = 0
    while now < end:
        known = []
        while waiting and waiting[0].time - (0 if waiting[0].kind == 'cl' else notice) <= now:
            known.append(waiting.pop(0))
        if known:
            publish(performer.hear(known, now), now)
        publish(performer.advance(now), now)
        result.sounded.extend(performer.sounded(now))
        now += TICK
        simulator.run_until(now)
    return result
