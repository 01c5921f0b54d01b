"""Which striker plays which note: the best choice over all that is known, and a greedy one.

Both look at strikers that share keys with each other only, at notes in the order of time, and
keep every note at its time: a note is played when it is due, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from improv_ros.performing.body import SECOND, Body

MOST_STATES = 50  # the best of these are followed; more keep hardly any more notes
REACTION = SECOND // 50  # from publishing a move to when it can begin
ROUNDING = SECOND // 1000  # a command comes so much late at most: event text counts in this
TRAVEL_PRICE = 0.01  # of a second of travel, in weights of a note: only to choose between equals


@dataclass
class Note:
    """A note that waits to be played: `pitch` and `velocity` are as the body would play it."""

    time: int  # of the sound
    pitch: int
    velocity: int
    wanted_pitch: int
    source: tuple[int, int]  # (channel, pitch) as it came
    end: int | None = None  # when the sound should end, as soon as known
    weight: float = 1.0


class State(NamedTuple):
    """A striker after its latest strike: over which key, and when it lets go of it."""

    pitch: int
    let_go: int


class Choice(NamedTuple):
    """What becomes of a note: its striker's number (None: dropped), and when that must set out."""

    note: Note
    striker: int | None
    leave_by: int


class Reach:
    """What one body can do next, from the states of its strikers."""

    def __init__(self, body: Body, now: int) -> None:
        self._body = body
        self._now = now

    def command_time(self, note: Note) -> int:
        """Return when a note's strike must be commanded to sound in time."""
        return note.time - self._body.latency(note.velocity)

    def travel(self, striker: int, state: State, pitch: int) -> int:
        """Return the nanoseconds that a striker needs to come over a key."""
        travel = self._body.strikers[striker].travel
        return travel[state.pitch][pitch] if travel else 0

    def leave_by(self, striker: int, state: State, note: Note) -> int | None:
        """Return when a striker must set out for a note at the latest; None: too late already."""
        command = self.command_time(note)
        if command < max(self._now, state.let_go + self._body.repeat // 2):
            return None
        travel = self.travel(striker, state, note.pitch)
        if travel and command - travel < max(state.let_go, self._now + REACTION):
            return None
        return command - travel

    def after(self, note: Note) -> State:
        """Return a striker's state after a note that is let go of as soon as possible."""
        hit = note.time + ROUNDING
        return State(note.pitch, max(hit, self.command_time(note) + self._body.repeat // 2))


Assign = Callable[[Body, Sequence[int], Sequence[State], Sequence[Note], int], list[Choice]]


def assign_best(
    body: Body, group: Sequence[int], states: Sequence[State], notes: Sequence[Note], now: int
) -> list[Choice]:
    """Return the choices, one for each note, that keep the most weight of notes.

    `states` are those of the strikers in `group`, `notes` are in the order of time. Exact as long
    as no more than MOST_STATES different states can follow a note; else the best are followed.
    """
    reach = Reach(body, now)
    hypotheses: dict[tuple[State, ...], _Hypothesis] = {
        tuple(states): _Hypothesis(0.0, None, None)
    }
    for note in notes:
        after = reach.after(note)
        able = [i for i, n in enumerate(group) if note.pitch in body.strikers[n].positions]
        following: dict[tuple[State, ...], _Hypothesis] = {}
        for state, hypothesis in hypotheses.items():
            dropped = _Hypothesis(hypothesis.score, hypothesis, Choice(note, None, note.time))
            _keep_better(following, state, dropped)
            for i in able:
                leave_by = reach.leave_by(group[i], state[i], note)
                if leave_by is None:
                    continue
                price = TRAVEL_PRICE * reach.travel(group[i], state[i], note.pitch) / SECOND
                _keep_better(
                    following,
                    (*state[:i], after, *state[i + 1 :]),
                    _Hypothesis(
                        hypothesis.score + note.weight - price,
                        hypothesis,
                        Choice(note, group[i], leave_by),
                    ),
                )
        if len(following) > MOST_STATES:
            ordered = sorted(following.items(), key=lambda item: -item[1].score)
            following = dict(ordered[:MOST_STATES])
        hypotheses = following
    best = max(hypotheses.values(), key=lambda hypothesis: hypothesis.score)
    return best.choices()


def assign_greedily(
    body: Body, group: Sequence[int], states: Sequence[State], notes: Sequence[Note], now: int
) -> list[Choice]:
    """Return the choices of a body that gives each note in turn to the nearest free striker."""
    reach = Reach(body, now)
    states = list(states)
    choices = []
    for note in notes:
        nearest, choice = None, Choice(note, None, note.time)
        shortest = None
        for i, number in enumerate(group):
            if note.pitch not in body.strikers[number].positions:
                continue
            travel = reach.travel(number, states[i], note.pitch)
            leave_by = reach.leave_by(number, states[i], note)
            if leave_by is not None and (shortest is None or travel < shortest):
                nearest, shortest, choice = i, travel, Choice(note, number, leave_by)
        if nearest is not None:
            states[nearest] = reach.after(note)
        choices.append(choice)
    return choices


class _Hypothesis(NamedTuple):
    score: float
    before: _Hypothesis | None
    choice: Choice | None

    def choices(self) -> list[Choice]:
        """Return all choices that led here, in order."""
        found = []
        hypothesis: _Hypothesis | None = self
        while hypothesis is not None and hypothesis.choice is not None:
            found.append(hypothesis.choice)
            hypothesis = hypothesis.before
        return found[::-1]


def _keep_better(
    hypotheses: dict[tuple[State, ...], _Hypothesis],
    state: tuple[State, ...],
    hypothesis: _Hypothesis,
) -> None:
    if state not in hypotheses or hypotheses[state].score < hypothesis.score:
        hypotheses[state] = hypothesis
