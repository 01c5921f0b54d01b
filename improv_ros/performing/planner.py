# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Planning: from notes, known ahead of time, to commands for the strikers of a body.

It has no clock and no topic: the caller passes the notes and the time. All times are nanoseconds
of the caller's clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from improv_ros.event_text import SECOND, TimedEvent, is_note_off, is_note_on
from improv_ros.event_text.events import SUSTAIN
from improv_ros.performing.assignment import (
    REACTION_TIME,
    TIMESTAMP_RESOLUTION,
    Assign,
    Assignment,
    PendingNote,
    Reachability,
    StrikerState,
    assign_best,
)
from improv_ros.performing.body import Body
from improv_ros.performing.trajectory import Move, Point, Timeline, points_of
from improv_ros.performing.voices import VoiceTracker

TICK = SECOND // 100  # period in which `advance` is called
DECISION_MARGIN = 2 * TICK  # decide two ticks early, because the next tick may be late
MAX_PLANNED_NOTES = 50  # per plan, which bounds the time of a step
HISTORY = 2 * SECOND  # for which past notes and commands are kept


class Command(NamedTuple):
    """
    A command to a body.

    kind: 'strike' or 'release' (a striker on a key), 'pedal' (velocity is its value), or 'clear'
        (withdraws all commands at or after its time, and releases everything).
    sound: when the strike, release or pedal is to be heard.
    """

    time: int
    kind: str
    striker: int = 0
    pitch: int = 0
    velocity: int = 0
    sound: int = 0


@dataclass
class NoteCounts:
    """How many notes were planned, and with what result."""

    received: int = 0
    performed: int = 0
    folded: int = 0  # of those performed, in another octave
    unplayable: int = 0  # the body does not have the pitch
    late: int = 0  # received later than the lookahead before their time
    dropped: int = 0  # no striker could reach the key in time
    withdrawn: int = 0  # by a clear, before or after they were commanded


@dataclass
class _StrikerPlan:
    """The commands of a striker so far."""

    state: StrikerState
    timeline: Timeline | None  # of its joint; None for a fixed striker
    held: PendingNote | None = None  # its release is not commanded yet
    strikes: list[Command] = field(default_factory=list)  # which a clear may still withdraw


class Planner:
    """
    Plans the strikes and moves of one body.

    lookahead: nanoseconds; every command is returned at least this long before its note sounds.
    assign: the assignment of notes to strikers.
    immediate: decide each note as soon as it is received, as a greedy planner does, instead of as
        late as possible.
    """

    def __init__(
        self, body: Body, lookahead: int, assign: Assign = assign_best, immediate: bool = False
    ) -> None:
        self.body = body
        self.counts = NoteCounts()
        self.moves = 0  # commanded so far
        self._lookahead = lookahead
        self._assign = assign
        self._immediate = immediate
        self._voices = VoiceTracker()
        self._notes: dict[tuple[int, ...], list[PendingNote]] = {
            group: [] for group in body.groups
        }
        self._plans: dict[tuple[int, ...], list[Assignment]] = {}
        self._unended: dict[tuple[int, int], PendingNote] = {}  # without a note-off so far
        self._pedals: list[TimedEvent] = []
        self._group_of = {
            pitch: group
            for group in body.groups
            for number in group
            for pitch in body.strikers[number].positions
        }
        self._number_of = {striker.name: number for number, striker in enumerate(body.strikers)}
        self._strikers = [
            _StrikerPlan(
                StrikerState(s.start, 0),
                Timeline(s.positions[s.start] or 0.0) if s.travel else None,
            )
            for s in body.strikers
        ]

    def replace_body(self, body: Body) -> None:
        """Plan with other latencies and travel times from now on; the keys must be the same."""
        self.body = body
        self._plans.clear()

    def joint_at(self, joint: str, time: int) -> float:
        """Return where a joint should be at a time."""
        timeline = self._strikers[self._number_of[joint]].timeline
        assert timeline is not None
        return timeline.at(time)[0]

    @property
    def joints(self) -> list[str]:
        """The names of the joints that move, in the order of `trajectory`."""
        return [
            striker.name
            for striker, plan in zip(self.body.strikers, self._strikers, strict=True)
            if plan.timeline is not None
        ]

    @property
    def waiting(self) -> int:
        """How many notes are not decided yet."""
        return sum(map(len, self._notes.values()))

    def trajectory(self, since: int) -> list[Point]:
        """Return the joints at a time and at every breakpoint of a move after it."""
        return points_of(
            [striker.timeline for striker in self._strikers if striker.timeline is not None], since
        )

    def wait_until(self, time: int) -> None:
        """Plan no strike and no move before a time."""
        for striker in self._strikers:
            striker.state = striker.state._replace(
                released_at=max(striker.state.released_at, time)
            )

    def add(self, events: Iterable[TimedEvent], now: int) -> list[Command]:
        """Add notes; return the commands that cannot wait: a clear, immediate strikes."""
        commands: list[Command] = []
        for event in events:
            if is_note_on(event):
                self._begin(event, now)
                if self._immediate:
                    commands += self.advance(now)
            elif is_note_off(event):
                self._end(event)
            elif event.kind == 'cl':
                commands += self.clear(event.time, now)
            elif event.kind == 'cc' and event.values[1] == SUSTAIN and self.body.pedal:
                self._pedals.append(event)
        return commands

    def clear(self, time: int, now: int) -> list[Command]:
        """Withdraw every note and command at or after a time, and release all keys then."""
        time = max(time, now + 1)  # commands that are due now are carried out
        self._voices.clear(time)
        for group, notes in self._notes.items():
            kept = [note for note in notes if note.time < time]
            self.counts.withdrawn += len(notes) - len(kept)
            self._notes[group] = kept
        self._plans.clear()
        self._unended.clear()
        self._pedals = [event for event in self._pedals if event.time < time]
        for striker in self._strikers:
            self._clear_striker(striker, time)
        return [Command(time, 'clear')]

    def advance(self, now: int) -> list[Command]:
        """
        Return the commands to publish now, in the order in which they were decided.

        Call this every TICK. `trajectory` has the moves that precede the strikes.
        """
        commands: list[Command] = []
        for group, notes in self._notes.items():
            if notes:
                commands += self._advance_group(group, now)
        for number, striker in enumerate(self._strikers):
            commands += self._release_in_time(number, striker, now)
        commands += self._move_pedal(now)
        self._forget(now)
        return commands

    def _begin(self, event: TimedEvent, now: int) -> None:
        requested, velocity, channel = event.values
        source = (channel, requested)
        self.counts.received += 1
        self._voices.begin(source, event.time)
        self._unended.pop(source, None)
        pitch = self.body.pitch_for(requested)
        if pitch is None:
            self.counts.unplayable += 1
        elif event.time - self._lookahead < now:
            self.counts.late += 1
        else:
            velocity = self.body.velocity_for(velocity)
            note = PendingNote(event.time, pitch, velocity, requested, source)
            group = self._group_of[pitch]
            self._notes[group].append(note)
            self._notes[group].sort(key=attrgetter('time'))
            self._plans.pop(group, None)
            self._unended[source] = note

    def _end(self, event: TimedEvent) -> None:
        pitch, _, channel = event.values
        self._voices.end((channel, pitch), event.time)
        note = self._unended.pop((channel, pitch), None)
        if note is not None:
            note.end = event.time

    def _advance_group(self, group: tuple[int, ...], now: int) -> list[Command]:
        """Return the commands of every note up to the last one that must be decided now."""
        if not self._due(group, now):
            return []
        self._plans.pop(group)  # an old plan may contain departures that are too late now
        count = self._due(group, now)
        assignments = self._plans.pop(group)
        if count < len(assignments):
            self._plans[group] = assignments[count:]
        self._notes[group] = self._notes[group][count:]
        commands: list[Command] = []
        for assignment in assignments[:count]:
            if assignment.striker is None:
                self.counts.dropped += 1
            else:
                commands += self._strike(assignment.striker, assignment, now)
        return commands

    def _due(self, group: tuple[int, ...], now: int) -> int:
        """Return how many notes must be decided now."""
        plan = self._plan(group, now)
        if self._immediate:
            return len(plan)
        due = [self._deadline(assignment) <= now + DECISION_MARGIN for assignment in plan]
        return len(due) - due[::-1].index(True) if any(due) else 0

    def _plan(self, group: tuple[int, ...], now: int) -> list[Assignment]:
        if group not in self._plans:
            notes = self._notes[group][:MAX_PLANNED_NOTES]
            for note in notes:
                note.weight = self._voices.weight(note.requested_pitch, note.time)
            states = [self._strikers[number].state for number in group]
            self._plans[group] = self._assign(self.body, group, states, notes, now)
        return self._plans[group]

    def _deadline(self, assignment: Assignment) -> int:
        """Return when the commands of an assignment must be published at the latest."""
        latest = assignment.note.time - self._lookahead
        if assignment.striker is None or not self.body.moves:
            return latest
        return min(latest, assignment.depart_by - REACTION_TIME)

    def _strike(self, number: int, assignment: Assignment, now: int) -> list[Command]:
        note, striker = assignment.note, self._strikers[number]
        reachability = Reachability(self.body, now)
        command = reachability.command_time(number, note)
        travel = reachability.travel(number, striker.state, note.pitch)
        # A body that holds keys departs as late as possible, any other as early as possible.
        depart = assignment.depart_by
        if travel and not self.body.holds:
            depart = max(striker.state.released_at, now + REACTION_TIME)
        commands = self._release_before(number, striker, depart, command, now)
        if travel:
            self._move(number, striker, note.pitch, depart, depart + travel)
        strike = Command(command, 'strike', number, note.pitch, note.velocity, note.time)
        commands.append(strike)
        striker.strikes.append(strike)
        striker.state = reachability.after(number, note)
        if self.body.holds:
            striker.held = note
        else:
            commands.append(_release_command(number, note.pitch, striker.state.released_at))
        self.counts.performed += 1
        self.counts.folded += note.pitch != note.requested_pitch
        return commands

    def _move(
        self, number: int, striker: _StrikerPlan, pitch: int, depart: int, arrive: int
    ) -> None:
        positions = self.body.strikers[number].positions
        origin, target = positions[striker.state.pitch], positions[pitch]
        assert striker.timeline is not None and origin is not None and target is not None
        self.moves += 1
        striker.timeline.add(Move(depart, arrive, origin, target, self.body.acceleration))

    def _release_before(
        self, number: int, striker: _StrikerPlan, depart: int, command: int, now: int
    ) -> list[Command]:
        """Return the release of the held key, in time for the next strike."""
        if striker.held is None:
            return []
        latest = min(depart, command - self.body.repeat // 2)
        end = latest if striker.held.end is None else min(striker.held.end, latest)
        return [self._release(number, striker, max(end, striker.state.released_at, now))]

    def _release_in_time(self, number: int, striker: _StrikerPlan, now: int) -> list[Command]:
        """Return the release of the held key when its note ends, or before the next strike."""
        note = striker.held
        if note is None or note.end is None or note.end - self._lookahead > now + DECISION_MARGIN:
            return []
        group = self._group_of[note.pitch]
        end = note.end
        for assignment in self._plan(group, now):
            if assignment.striker == number:
                command = Reachability(self.body, now).command_time(number, assignment.note)
                end = min(end, assignment.depart_by, command - self.body.repeat // 2)
                break
        self._plans.pop(group)
        return [self._release(number, striker, max(end, striker.state.released_at, now))]

    def _release(self, number: int, striker: _StrikerPlan, time: int) -> Command:
        assert striker.held is not None
        pitch, striker.held = striker.held.pitch, None
        striker.state = striker.state._replace(released_at=time)
        return _release_command(number, pitch, time)

    def _clear_striker(self, striker: _StrikerPlan, time: int) -> None:
        kept = [strike for strike in striker.strikes if strike.time < time]
        withdrawn = len(striker.strikes) - len(kept)
        self.counts.withdrawn += withdrawn
        self.counts.performed -= withdrawn
        striker.strikes = kept
        # Moves and strikes that have begun are completed; held keys are released.
        busy = [max(s.sound + TIMESTAMP_RESOLUTION, s.time + self.body.repeat // 2) for s in kept]
        if striker.timeline is not None:
            busy.append(striker.timeline.end)
        busy = [end for end in busy if end > time]
        if striker.held is not None or striker.state.released_at > time or busy:
            striker.state = striker.state._replace(released_at=max([time, *busy]))
        striker.held = None

    def _move_pedal(self, now: int) -> list[Command]:
        due = [e for e in self._pedals if e.time - self._lookahead <= now + DECISION_MARGIN]
        self._pedals = [
            e for e in self._pedals if e.time - self._lookahead > now + DECISION_MARGIN
        ]
        return [
            Command(max(e.time, now), 'pedal', velocity=e.values[2], sound=max(e.time, now))
            for e in due
        ]

    def _forget(self, now: int) -> None:
        self._voices.forget(now - HISTORY)
        for striker in self._strikers:
            if striker.timeline is not None:
                striker.timeline.forget(now - HISTORY)
            striker.strikes = [
                strike for strike in striker.strikes if strike.sound > now - HISTORY
            ]


def _release_command(number: int, pitch: int, time: int) -> Command:
    return Command(time, 'release', number, pitch, sound=time)
