# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Assigning notes to strikers: by a beam search over all known notes, and greedily.

Both assign one group of strikers that share keys, take notes in the order of time, and never move
a note in time: it is played when it is due, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from improv_ros.event_text import SECOND
from improv_ros.performing.body import Body

BEAM_WIDTH = 50  # hypotheses kept; more keep hardly any more notes
REACTION_TIME = SECOND // 50  # from publishing a move until the joint can begin it
TIMESTAMP_RESOLUTION = SECOND // 1000  # of event text; commands may be later by this
TRAVEL_COST = 0.01  # per second of travel, in weights of a note: decides between equal assignments


@dataclass
class PendingNote:
    """A note that is not commanded yet; `pitch` and `velocity` are those that the body plays."""

    time: int  # when it is to sound, ns
    pitch: int
    velocity: int
    requested_pitch: int
    source: tuple[int, int]  # (channel, pitch) as received
    end: int | None = None  # of the sound, ns; None if not known yet
    weight: float = 1.0


class StrikerState(NamedTuple):
    """A striker after its latest strike: the key where it is, and when it releases that key."""

    pitch: int
    released_at: int  # ns


class Assignment(NamedTuple):
    """The striker that plays a note (None: the note is dropped), and when it must depart."""

    note: PendingNote
    striker: int | None
    depart_by: int


class Reachability:
    """Which notes a striker of a body can play in time."""

    def __init__(self, body: Body, now: int) -> None:
        self._body = body
        self._now = now

    def command_time(self, striker: int, note: PendingNote) -> int:
        """Return when a striker must be commanded for a note to sound in time."""
        return note.time - self._body.latency_of(striker, note.velocity)

    def travel(self, striker: int, state: StrikerState, pitch: int) -> int:
        """Return the travel time of a striker to a key, in nanoseconds."""
        travel = self._body.strikers[striker].travel
        return travel[state.pitch][pitch] if travel else 0

    def depart_by(self, striker: int, state: StrikerState, note: PendingNote) -> int | None:
        """Return the latest time to depart for a note; None if it is too late."""
        command = self.command_time(striker, note)
        if command < max(self._now, state.released_at + self._body.repeat // 2):
            return None
        travel = self.travel(striker, state, note.pitch)
        if travel and command - travel < max(state.released_at, self._now + REACTION_TIME):
            return None
        return command - travel

    def after(self, striker: int, note: PendingNote) -> StrikerState:
        """Return the state of a striker after a note that it releases as soon as possible."""
        hit = note.time + TIMESTAMP_RESOLUTION
        returned = self.command_time(striker, note) + self._body.repeat // 2
        return StrikerState(note.pitch, max(hit, returned))


Assign = Callable[
    [Body, Sequence[int], Sequence[StrikerState], Sequence[PendingNote], int], list[Assignment]
]


def assign_best(
    body: Body,
    group: Sequence[int],
    states: Sequence[StrikerState],
    notes: Sequence[PendingNote],
    now: int,
) -> list[Assignment]:
    """
    Return one assignment for each note, with the largest total weight of the notes played.

    group: numbers of strikers; states: their states; notes: in the order of time.

    A beam search. The result is exact if at most BEAM_WIDTH states can follow each note.
    """
    reachability = Reachability(body, now)
    hypotheses: dict[tuple[StrikerState, ...], _Hypothesis] = {
        tuple(states): _Hypothesis(0.0, None, None)
    }
    for note in notes:
        able = [i for i, n in enumerate(group) if note.pitch in body.strikers[n].positions]
        after = {i: reachability.after(group[i], note) for i in able}
        following: dict[tuple[StrikerState, ...], _Hypothesis] = {}
        for state, hypothesis in hypotheses.items():
            dropped = _Hypothesis(hypothesis.score, hypothesis, Assignment(note, None, note.time))
            _keep_better(following, state, dropped)
            for i in able:
                depart_by = reachability.depart_by(group[i], state[i], note)
                if depart_by is None:
                    continue
                cost = TRAVEL_COST * reachability.travel(group[i], state[i], note.pitch) / SECOND
                _keep_better(
                    following,
                    (*state[:i], after[i], *state[i + 1 :]),
                    _Hypothesis(
                        hypothesis.score + note.weight - cost,
                        hypothesis,
                        Assignment(note, group[i], depart_by),
                    ),
                )
        if len(following) > BEAM_WIDTH:
            ordered = sorted(following.items(), key=lambda item: -item[1].score)
            following = dict(ordered[:BEAM_WIDTH])
        hypotheses = following
    best = max(hypotheses.values(), key=lambda hypothesis: hypothesis.score)
    return best.assignments()


def assign_greedily(
    body: Body,
    group: Sequence[int],
    states: Sequence[StrikerState],
    notes: Sequence[PendingNote],
    now: int,
) -> list[Assignment]:
    """Return one assignment for each note in turn, to the nearest striker that is in time."""
    reachability = Reachability(body, now)
    states = list(states)
    assignments = []
    for note in notes:
        nearest, assignment = None, Assignment(note, None, note.time)
        shortest = None
        for i, number in enumerate(group):
            if note.pitch not in body.strikers[number].positions:
                continue
            travel = reachability.travel(number, states[i], note.pitch)
            depart_by = reachability.depart_by(number, states[i], note)
            if depart_by is not None and (shortest is None or travel < shortest):
                nearest, shortest, assignment = i, travel, Assignment(note, number, depart_by)
        if nearest is not None:
            states[nearest] = reachability.after(group[nearest], note)
        assignments.append(assignment)
    return assignments


class _Hypothesis(NamedTuple):
    score: float
    before: _Hypothesis | None
    assignment: Assignment | None

    def assignments(self) -> list[Assignment]:
        """Return the assignments of all notes so far, in order."""
        found = []
        hypothesis: _Hypothesis | None = self
        while hypothesis is not None and hypothesis.assignment is not None:
            found.append(hypothesis.assignment)
            hypothesis = hypothesis.before
        return found[::-1]


def _keep_better(
    hypotheses: dict[tuple[StrikerState, ...], _Hypothesis],
    state: tuple[StrikerState, ...],
    hypothesis: _Hypothesis,
) -> None:
    if state not in hypotheses or hypotheses[state].score < hypothesis.score:
        hypotheses[state] = hypothesis
