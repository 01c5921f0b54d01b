"""Notes as they come, ahead of time, to commands for a body: what, when, with which striker.

No clock and no topic: the caller says what came and what time it is. All times are nanoseconds
of the caller's clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from improv_ros.event_text import TimedEvent, is_note_off, is_note_on
from improv_ros.event_text.events import SUSTAIN
from improv_ros.performing.assignment import (
    REACTION,
    ROUNDING,
    Assign,
    Choice,
    Note,
    Reach,
    State,
    assign_best,
)
from improv_ros.performing.body import SECOND, Body
from improv_ros.performing.trajectory import Move, Point, Timeline, points_of
from improv_ros.performing.voices import Voices

TICK = SECOND // 100  # from one `advance` to the next
SOON = 2 * TICK  # what is due before the next but one is done now: the next may come late
MOST_NOTES = 50  # are planned at a time, so that it never takes long
MEMORY = 2 * SECOND  # how long what is over is kept


class Command(NamedTuple):
    """What a body is told to do at a time.

    kind: 'strike' with a velocity, or 'let_go', each of a striker over a pitch; `sound` is when
    it is to be heard. 'pedal' with its value as velocity. 'clear' withdraws all commands from its
    time on, and lets go of everything.
    """

    time: int
    kind: str
    striker: int = 0
    pitch: int = 0
    velocity: int = 0
    sound: int = 0


@dataclass
class Counts:
    """What became of the notes."""

    received: int = 0
    performed: int = 0
    folded: int = 0  # of those performed, in another octave than wanted
    unplayable: int = 0  # the body has no such pitch
    late: int = 0  # came with less notice than the lookahead
    dropped: int = 0  # no striker could be there in time
    withdrawn: int = 0  # by a clear, before or after they were commanded


@dataclass
class _Arm:
    """A striker as it is commanded."""

    state: State
    timeline: Timeline | None  # of its joint; None where it stays
    held: Note | None = None  # the note whose key it holds, its end not commanded yet
    strikes: list[Command] = field(default_factory=list)  # that a clear may still withdraw


class Planner:
    """Decides for one body.

    Every command is given at least `lookahead` before its note sounds; with `at_once` as soon as
    the note comes, which leaves nothing to choose from: what a greedy body does.
    """

    def __init__(
        self, body: Body, lookahead: int, assign: Assign = assign_best, at_once: bool = False
    ) -> None:
        self.body = body
        self.counts = Counts()
        self.moves = 0  # commanded so far
        self._lookahead = lookahead
        self._assign = assign
        self._at_once = at_once
        self._voices = Voices()
        self._notes: dict[tuple[int, ...], list[Note]] = {group: [] for group in body.groups}
        self._plans: dict[tuple[int, ...], list[Choice]] = {}
        self._open: dict[tuple[int, int], Note] = {}  # note-on taken in, note-off still to come
        self._pedals: list[TimedEvent] = []
        self._group_of = {
            pitch: group
            for group in body.groups
            for number in group
            for pitch in body.strikers[number].positions
        }
        self._arms = [
            _Arm(State(s.start, 0), Timeline(s.positions[s.start] or 0.0) if s.travel else None)
            for s in body.strikers
        ]

    @property
    def joints(self) -> list[str]:
        """The names of the joints that move, in the order of `trajectory`."""
        return [
            striker.name
            for striker, arm in zip(self.body.strikers, self._arms, strict=True)
            if arm.timeline is not None
        ]

    @property
    def waiting(self) -> int:
        """How many notes are not decided on."""
        return sum(map(len, self._notes.values()))

    def trajectory(self, since: int) -> list[Point]:
        """Return where the joints are at a time and at every corner of a move after it."""
        return points_of([arm.timeline for arm in self._arms if arm.timeline is not None], since)

    def wait_until(self, time: int) -> None:
        """Keep all strikers where they start until a time."""
        for arm in self._arms:
            arm.state = arm.state._replace(let_go=max(arm.state.let_go, time))

    def add(self, events: Iterable[TimedEvent], now: int) -> list[Command]:
        """Take in notes; return what must be commanded at once: a clear, greedy strikes."""
        commands: list[Command] = []
        for event in events:
            if is_note_on(event):
                self._begin(event, now)
                if self._at_once:
                    commands += self.advance(now)
            elif is_note_off(event):
                self._end(event)
            elif event.kind == 'cl':
                commands += self.clear(event.time, now)
            elif event.kind == 'cc' and event.values[1] == SUSTAIN and self.body.pedal:
                self._pedals.append(event)
        return commands

    def clear(self, time: int, now: int) -> list[Command]:
        """Withdraw every note and command from a time on, and let go of all keys then."""
        time = max(time, now + 1)  # what is due now is done
        self._voices.clear(time)
        for group, notes in self._notes.items():
            kept = [note for note in notes if note.time < time]
            self.counts.withdrawn += len(notes) - len(kept)
            self._notes[group] = kept
        self._plans.clear()
        self._open.clear()
        self._pedals = [event for event in self._pedals if event.time < time]
        for arm in self._arms:
            self._clear_arm(arm, time)
        return [Command(time, 'clear')]

    def advance(self, now: int) -> list[Command]:
        """Return what is to be commanded now, in the order in which it was decided.

        Call this every TICK. A strike may be preceded by a move: see `trajectory`.
        """
        commands: list[Command] = []
        for group, notes in self._notes.items():
            if notes:
                commands += self._advance_group(group, now)
        for number, arm in enumerate(self._arms):
            commands += self._let_go_in_time(number, arm, now)
        commands += self._move_pedal(now)
        self._forget(now)
        return commands

    # -- what comes ----------------------------------------------------------------------

    def _begin(self, event: TimedEvent, now: int) -> None:
        wanted, velocity, channel = event.values
        source = (channel, wanted)
        self.counts.received += 1
        self._voices.begin(source, event.time)
        self._open.pop(source, None)
        pitch = self.body.pitch_for(wanted)
        if pitch is None:
            self.counts.unplayable += 1
        elif event.time - self._lookahead < now:
            self.counts.late += 1
        else:
            velocity = self.body.velocity_for(velocity)
            note = Note(event.time, pitch, velocity, wanted, source)
            group = self._group_of[pitch]
            self._notes[group].append(note)
            self._notes[group].sort(key=attrgetter('time'))
            self._plans.pop(group, None)
            self._open[source] = note

    def _end(self, event: TimedEvent) -> None:
        pitch, _, channel = event.values
        self._voices.end((channel, pitch), event.time)
        note = self._open.pop((channel, pitch), None)
        if note is not None:
            note.end = event.time

    # -- strikes -------------------------------------------------------------------------

    def _advance_group(self, group: tuple[int, ...], now: int) -> list[Command]:
        """Command every note up to the last whose time to decide has come."""
        if not self._due(group, now):
            return []
        self._plans.pop(group)  # what could be done when it was made may be too late now
        count = self._due(group, now)
        choices = self._plans.pop(group)
        if count < len(choices):
            self._plans[group] = choices[count:]
        self._notes[group] = self._notes[group][count:]
        commands: list[Command] = []
        for choice in choices[:count]:
            if choice.striker is None:
                self.counts.dropped += 1
            else:
                commands += self._strike(choice.striker, choice, now)
        return commands

    def _due(self, group: tuple[int, ...], now: int) -> int:
        """Return how many notes must be decided on now."""
        plan = self._plan(group, now)
        if self._at_once:
            return len(plan)
        due = [self._deadline(choice) <= now + SOON for choice in plan]
        return len(due) - due[::-1].index(True) if any(due) else 0

    def _plan(self, group: tuple[int, ...], now: int) -> list[Choice]:
        if group not in self._plans:
            notes = self._notes[group][:MOST_NOTES]
            for note in notes:
                note.weight = self._voices.weight(note.wanted_pitch, note.time)
            states = [self._arms[number].state for number in group]
            self._plans[group] = self._assign(self.body, group, states, notes, now)
        return self._plans[group]

    def _deadline(self, choice: Choice) -> int:
        """Return when a choice must be made known at the latest."""
        announced = choice.note.time - self._lookahead
        if choice.striker is None or not self.body.moves:
            return announced
        return min(announced, choice.leave_by - REACTION)

    def _strike(self, number: int, choice: Choice, now: int) -> list[Command]:
        note, arm = choice.note, self._arms[number]
        reach = Reach(self.body, now)
        command = reach.command_time(note)
        travel = reach.travel(number, arm.state, note.pitch)
        # A body that holds its keys leaves as late as it can, any other as soon as it can.
        leave = choice.leave_by
        if travel and not self.body.holds:
            leave = max(arm.state.let_go, now + REACTION)
        commands = self._let_go_before(number, arm, leave, command, now)
        if travel:
            self._move(number, arm, note.pitch, leave, leave + travel)
        strike = Command(command, 'strike', number, note.pitch, note.velocity, note.time)
        commands.append(strike)
        arm.strikes.append(strike)
        arm.state = reach.after(note)
        if self.body.holds:
            arm.held = note
        else:
            commands.append(_let_go(number, note.pitch, arm.state.let_go))
        self.counts.performed += 1
        self.counts.folded += note.pitch != note.wanted_pitch
        return commands

    def _move(self, number: int, arm: _Arm, pitch: int, depart: int, arrive: int) -> None:
        positions = self.body.strikers[number].positions
        origin, target = positions[arm.state.pitch], positions[pitch]
        assert arm.timeline is not None and origin is not None and target is not None
        self.moves += 1
        arm.timeline.add(Move(depart, arrive, origin, target, self.body.acceleration))

    # -- letting go ----------------------------------------------------------------------

    def _let_go_before(
        self, number: int, arm: _Arm, leave: int, command: int, now: int
    ) -> list[Command]:
        """Let go of the key that is held, in time for the next strike."""
        if arm.held is None:
            return []
        latest = min(leave, command - self.body.repeat // 2)
        end = latest if arm.held.end is None else min(arm.held.end, latest)
        return [self._release(number, arm, max(end, arm.state.let_go, now))]

    def _let_go_in_time(self, number: int, arm: _Arm, now: int) -> list[Command]:
        """Let go of the key that is held when its note ends, or sooner for the next strike."""
        note = arm.held
        if note is None or note.end is None or note.end - self._lookahead > now + SOON:
            return []
        group = self._group_of[note.pitch]
        end = note.end
        for choice in self._plan(group, now):
            if choice.striker == number:
                command = Reach(self.body, now).command_time(choice.note)
                end = min(end, choice.leave_by, command - self.body.repeat // 2)
                break
        self._plans.pop(group)
        return [self._release(number, arm, max(end, arm.state.let_go, now))]

    def _release(self, number: int, arm: _Arm, time: int) -> Command:
        assert arm.held is not None
        pitch, arm.held = arm.held.pitch, None
        arm.state = arm.state._replace(let_go=time)
        return _let_go(number, pitch, time)

    def _clear_arm(self, arm: _Arm, time: int) -> None:
        kept = [strike for strike in arm.strikes if strike.time < time]
        withdrawn = len(arm.strikes) - len(kept)
        self.counts.withdrawn += withdrawn
        self.counts.performed -= withdrawn
        arm.strikes = kept
        # What is on its way to a key goes on, what strikes finishes, and what holds lets go.
        busy = [max(s.sound + ROUNDING, s.time + self.body.repeat // 2) for s in kept]
        if arm.timeline is not None:
            busy.append(arm.timeline.end)
        busy = [end for end in busy if end > time]
        if arm.held is not None or arm.state.let_go > time or busy:
            arm.state = arm.state._replace(let_go=max([time, *busy]))
        arm.held = None

    # -- the rest ------------------------------------------------------------------------

    def _move_pedal(self, now: int) -> list[Command]:
        due = [e for e in self._pedals if e.time - self._lookahead <= now + SOON]
        self._pedals = [e for e in self._pedals if e.time - self._lookahead > now + SOON]
        return [
            Command(max(e.time, now), 'pedal', velocity=e.values[2], sound=max(e.time, now))
            for e in due
        ]

    def _forget(self, now: int) -> None:
        self._voices.forget(now - MEMORY)
        for arm in self._arms:
            if arm.timeline is not None:
                arm.timeline.forget(now - MEMORY)
            arm.strikes = [strike for strike in arm.strikes if strike.sound > now - MEMORY]


def _let_go(number: int, pitch: int, time: int) -> Command:
    return Command(time, 'let_go', number, pitch, sound=time)
