# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The memory of a dialogue: a model, and the latest events, which can still be put right.

What the person plays is told twice: at once, and a quarter of a second later more surely. The
model observes each event when it is heard. When it is confirmed with another time or velocity,
or turns out to be no note at all, the state of the model before it is restored and the events
since are observed again. All times are nanoseconds of the caller's clock.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from improv_ros.event_text import SECOND, TimedEvent, is_note_off, is_note_on
from improv_ros.improvising.network.improviser_model import Model, Snapshot

ANYONE = ''
"""The confirmer of an event of which it is not known who confirms it."""

SPAN = 3 * SECOND  # how long an event can be put right
MAX_ENTRIES = 512  # the latest events that can be put right
REPAIR_PERIOD = SECOND // 10  # bounds the cost: corrections are observed together
MAX_SHIFT = SECOND // 10  # between a note as heard and as confirmed
MAX_RELEASE_SHIFT = SECOND // 2  # likewise of the ends of notes, which are harder to tell
SAME_TIME = SECOND // 500  # clocks are not read more exactly than this
STALL_NOTES, STALL_TIME = 8, 10 * SECOND  # so many notes in this time, and none was confirmed


@dataclass(eq=False)
class Entry:
    """An event in the memory, or a mark, whose event is None.

    after: the model's state after it. by_robot: whether the robot plays it, so that nobody
    confirms it. confirmer: who is to confirm it, ANYONE, or None for nobody. heard, confirmed:
    whether it was. dropped: whether it turned out to be nothing. learnt: whether it was passed to
    `learn`.
    """

    time: int
    event: TimedEvent | None
    after: Snapshot
    by_robot: bool = False
    confirmer: str | None = None
    heard: bool = False
    confirmed: bool = False
    dropped: bool = False
    learnt: bool = False


class Revision(NamedTuple):
    """A change of the memory: an event before and after; None: there was, or is, nothing."""

    entry: Entry
    before: TimedEvent | None
    after: TimedEvent | None


class Memory:
    """Lets a model observe what is heard and played, and puts right what was misheard.

    learn: is called with each event of the person when it can no longer be put right.
    """

    def __init__(
        self, model: Model, learn: Callable[[TimedEvent], None] = lambda event: None
    ) -> None:
        self.model = model
        self._learn = learn
        self._base = model.snapshot()  # before the first entry
        self._entries: list[Entry] = []
        self._waiting: list[Entry] = []  # those heard and not confirmed
        self._early: list[Entry] = []  # those confirmed and not heard
        self._out_of_date: int | None = None  # the first entry whose state is to be repaired
        self._repaired = 0
        self._since: int | None = None  # what happened before it was dropped from the memory
        self._unconfirmed: deque[int] = deque(maxlen=STALL_NOTES)  # onsets, since a confirmation

    @property
    def stalled(self) -> bool:
        """Whether the latest notes that should have been confirmed were not, one after another."""
        onsets = self._unconfirmed
        return len(onsets) == STALL_NOTES and onsets[-1] - onsets[0] < STALL_TIME

    def observe(self, event: TimedEvent) -> None:
        """Observe an event that the robot plays, or is going to play."""
        self._append(Entry(event.time, event, self._base, by_robot=True))

    def hear(self, event: TimedEvent, confirmer: str | None = None) -> Entry:
        """Observe what the person played; return its entry, which may be confirmed already."""
        entry = _nearest(self._early, event, confirmer)
        if entry is None:
            entry = Entry(event.time, event, self._base, confirmer=confirmer, heard=True)
            self._append(entry)
            self._waiting.append(entry)
        else:
            entry.heard = True
            self._early.remove(entry)
        return entry

    def hear_again(self, entries: Iterable[Entry]) -> None:
        """Observe events that were heard before the model was set back."""
        for entry in entries:
            if not entry.dropped:
                self._append(entry)
                if not entry.confirmed:
                    self._waiting.append(entry)

    def confirm(
        self, event: TimedEvent, now: int, confirmer: str = ANYONE, may_be_new: bool = True
    ) -> list[Revision]:
        """Take in a confirmed event; return what changed.

        An event that was not heard is added, if it `may_be_new`. What was heard before it and is
        to be confirmed by the same confirmer, and was not, is dropped: confirmed events come in
        the order of time.
        """
        self._unconfirmed.clear()
        revisions = []
        entry = _nearest(self._waiting, event, confirmer)
        if entry is not None:
            entry.confirmed = True
            self._waiting.remove(entry)
            if entry.event is None or _differ(entry.event, event):
                revisions.append(Revision(entry, entry.event, event))
                self._remove(entry)
                entry.time, entry.event = event.time, event
                self._insert(entry)
        elif may_be_new and event.time >= max(now - SPAN, self._since or now - SPAN):
            entry = Entry(event.time, event, self._base, confirmer=confirmer, confirmed=True)
            self._insert(entry)
            self._early.append(entry)
            revisions.append(Revision(entry, None, event))
        for other in list(self._waiting):
            if other.confirmer == confirmer and other.time < event.time - MAX_SHIFT:
                other.dropped = True
                self._waiting.remove(other)
                self._remove(other)
                revisions.append(Revision(other, other.event, None))
        return revisions

    def mark(self, now: int) -> Entry:
        """Return a mark, whose state stays that of the memory until `now`, as it is put right."""
        self.repair()
        mark = Entry(now, None, self._base)
        self._append(mark)
        return mark

    def settle(self, now: int) -> None:
        """Put right what is due, and let go of what is too old to be put right."""
        if self._out_of_date is not None and now - self._repaired >= REPAIR_PERIOD:
            self.repair()
            self._repaired = now
        count = 0
        while count < len(self._entries) and self._entries[count].time < now - SPAN:
            count += 1
        self._let_go(max(count, len(self._entries) - MAX_ENTRIES))

    def repair(self) -> None:
        """Observe anew what comes after the first correction."""
        if self._out_of_date is None:
            return
        first, self._out_of_date = self._out_of_date, None
        self.model.restore(self._entries[first - 1].after if first else self._base)
        for entry in self._entries[first:]:
            if entry.event is not None:
                self.model.observe(entry.event)
            entry.after = self.model.snapshot()

    def withdraw(self, now: int) -> None:
        """Drop what the robot was going to play after `now`."""
        for entry in [e for e in self._entries if e.by_robot and e.time > now]:
            self._remove(entry)
        self.repair()

    def restore(self, snapshot: Snapshot, now: int) -> None:
        """Set the model back; what happened before `now` is not confirmed any more."""
        self._pass_on(self._entries)
        self.model.restore(snapshot)
        self._base, self._entries, self._out_of_date = snapshot, [], None
        self._waiting, self._early = [], []
        self._since = now

    def reset(self, now: int) -> None:
        """Forget everything."""
        self.model.reset()
        self._entries = []
        self.restore(self.model.snapshot(), now)

    def _append(self, entry: Entry) -> None:
        if entry.event is not None:
            self.model.observe(entry.event)
        entry.after = self.model.snapshot()
        self._entries.append(entry)
        if len(self._entries) > 2 * MAX_ENTRIES:
            self._let_go(MAX_ENTRIES)

    def _pass_on(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.event is not None and not (entry.by_robot or entry.learnt):
                entry.learnt = True
                self._learn(entry.event)

    def _insert(self, entry: Entry) -> None:
        """Insert an entry in the order of time, as far as there is one."""
        index = len(self._entries)
        while index and self._entries[index - 1].time > entry.time:
            index -= 1
        self._entries.insert(index, entry)
        self._note_change(index)

    def _remove(self, entry: Entry) -> None:
        index = self._entries.index(entry)
        del self._entries[index]
        self._note_change(index)

    def _note_change(self, index: int) -> None:
        before = self._out_of_date
        self._out_of_date = index if before is None else min(before, index)

    def _let_go(self, count: int) -> None:
        if count <= 0:
            return
        if self._out_of_date is not None and self._out_of_date < count:
            self.repair()
        gone, self._entries = self._entries[:count], self._entries[count:]
        self._base = gone[-1].after
        if self._out_of_date is not None:
            self._out_of_date -= count
        self._pass_on(gone)
        past = set(gone)
        for entry in self._waiting:
            was_to_be = entry in past and entry.confirmer is not None
            if was_to_be and entry.event is not None and is_note_on(entry.event):
                self._unconfirmed.append(entry.time)
        self._waiting = [entry for entry in self._waiting if entry not in past]
        self._early = [entry for entry in self._early if entry not in past]


def _nearest(entries: Iterable[Entry], event: TimedEvent, confirmer: str | None) -> Entry | None:
    """Return the entry that is about the same as an event, and nearest to it in time.

    An entry of the same confirmer goes before one of which it is not known who confirms it.
    """
    best, best_rank = None, (2, 0)
    key, limit = _key(event), MAX_RELEASE_SHIFT if is_note_off(event) else MAX_SHIFT
    for entry in entries:
        distance = abs(entry.time - event.time)
        if distance > limit or entry.event is None or _key(entry.event) != key:
            continue
        if entry.confirmer == confirmer:
            rank = 0, distance
        elif entry.confirmer in (None, ANYONE) or confirmer in (None, ANYONE):
            rank = 1, distance
        else:
            continue
        if rank < best_rank:
            best, best_rank = entry, rank
    return best


def _differ(heard: TimedEvent, confirmed: TimedEvent) -> bool:
    """Return whether a confirmed event says more than that it was heard rightly."""
    return abs(heard.time - confirmed.time) > SAME_TIME or heard[1:] != confirmed[1:]


def _key(event: TimedEvent) -> tuple[object, ...]:
    """Return what an event and its confirmation have in common."""
    if is_note_on(event) or is_note_off(event):
        pitch, _, channel = event.values
        return is_note_on(event), pitch, channel
    return event.kind, event.values
