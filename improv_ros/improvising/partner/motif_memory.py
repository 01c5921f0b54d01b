# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A memory of motifs: what followed the same intervals before, in any key and nearby tempos.

For each place in the music, the context of order k is the intervals between the latest k + 1
presses, and how many of the latest events since were releases or pedal events. The memory keeps
for every context at which events it occurred. What followed there, moved to the present key and
tempo, makes the next event more likely, the more the longer the context. Orders are blended as in
prediction by partial matching (Cleary and Witten 1984).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    KEYS,
    PEDAL_DOWN,
    PRESS,
    RELEASE,
    TICKS_OF_BIN,
    TIME_BINS,
    VELOCITY_BINS,
    Step,
    time_bins,
)

ORDERS = (1, 2, 3, 4, 6)  # intervals in a context
STRENGTHS = np.array([5.0, 3.0, 2.0, 1.2, 0.8])
"""How many occurrences of each order weigh as much as all that is known without it."""

MAX_EVENTS = 16384  # older ones are forgotten
MAX_PLACES = 16  # of a context, the latest
MOTIF_ORDER = 2  # index into ORDERS: from this order on, a context is part of a motif
_SPAN = 3  # waits between presses that measure the tempo
_MAX_STRETCH = 2.0  # between the tempo of the motif and the present one
_SINCE = 2  # events since the latest press that a context tells apart


def _kernel(positions: np.ndarray, width: float) -> np.ndarray:
    """Return (outcomes, outcomes): column j is a distribution around outcome j."""
    weights = np.exp(-0.5 * ((positions[:, None] - positions[None, :]) / width) ** 2)
    return weights / weights.sum(axis=0, keepdims=True)


_TIMES = _kernel(np.log(TICKS_OF_BIN + 2.0), 0.15)
_VELOCITIES = _kernel(np.arange(float(VELOCITY_BINS)), 1.5)

Context = tuple[tuple[int, ...], tuple[bool, ...]]


class Place(NamedTuple):
    """A place in the music, between two events. Immutable.

    keys: of the latest presses, 0 to 87; waits: ticks between these presses; elapsed: ticks
    since the latest; since: for the latest events after it, whether each was of the pedal.
    """

    keys: tuple[int, ...] = ()
    waits: tuple[int, ...] = ()
    elapsed: int = 0
    since: tuple[bool, ...] = ()

    def after(self, step: Step) -> Place:
        """Return the place after an event."""
        elapsed = self.elapsed + int(TICKS_OF_BIN[step.time])
        if step.event_type >= RELEASE:
            since = (*self.since, step.event_type >= PEDAL_DOWN)
            return self._replace(elapsed=elapsed, since=since[-_SINCE:])
        keys = (*self.keys, step.event_type - PRESS)
        return Place(keys[-ORDERS[-1] - 1 :], (*self.waits, elapsed)[-_SPAN:], 0, ())

    @property
    def contexts(self) -> list[Context]:
        """The contexts of this place, of ascending order, as many as there are."""
        keys = self.keys
        intervals = tuple(after - before for before, after in pairwise(keys))
        return [(intervals[-order:], self.since) for order in ORDERS if order <= len(intervals)]

    @property
    def span(self) -> int:
        """Ticks over which the latest presses came; 0 if there are too few."""
        return sum(self.waits) if len(self.waits) == _SPAN and len(self.keys) > _SPAN else 0


class Found(NamedTuple):
    """What the memory finds for a place.

    events: rows of the memory, order by order; counts: how many of each order.
    """

    events: np.ndarray
    counts: np.ndarray

    @property
    def depth(self) -> int:
        """The number of orders found."""
        return len(self.counts)


class MotifMemory:
    """The latest `MAX_EVENTS` events of one person, found by their contexts."""

    def __init__(self) -> None:
        self._places: dict[Context, list[int]] = {}
        self._contexts: list[list[Context]] = []
        # Columns: time, relative event type, velocity, span of the place, event type.
        self._events = np.zeros((MAX_EVENTS, 5), np.int32)
        self._count = 0

    def __len__(self) -> int:
        return min(self._count, MAX_EVENTS)

    @property
    def steps(self) -> np.ndarray:
        """The events kept, oldest first, int (events, 3), as in `Step`."""
        order = np.arange(self._count - len(self), self._count) % MAX_EVENTS
        return self._events[order][:, [0, 4, 2]]

    def add(self, place: Place, step: Step) -> None:
        """Remember that an event came at a place."""
        relative = _relative(step.event_type, place)
        row = step.time, relative, step.velocity, place.span, step.event_type
        contexts = place.contexts
        slot = self._count % MAX_EVENTS
        if self._count >= MAX_EVENTS:
            self._drop(self._contexts[slot], self._count - MAX_EVENTS)
            self._contexts[slot] = contexts
        else:
            self._contexts.append(contexts)
        for context in contexts:
            places = self._places.setdefault(context, [])
            places.append(self._count)
            if len(places) > MAX_PLACES:
                del places[0]
        self._events[slot] = row
        self._count += 1

    def _drop(self, contexts: list[Context], event: int) -> None:
        for context in contexts:
            places = self._places.get(context)
            if places and places[0] == event:
                del places[0]
                if not places:
                    del self._places[context]

    def restore(self, steps: np.ndarray) -> None:
        """Remember the events (events, 3) that another memory kept."""
        place = Place()
        for step in steps.tolist():
            self.add(place, Step(*step))
            place = place.after(Step(*step))

    def find(self, place: Place) -> Found:
        """Return the events that came at such places, for all orders that there are.

        They end before the first order whose context never occurred.
        """
        events: list[int] = []
        counts: list[int] = []
        for context in place.contexts:
            places = self._places.get(context)
            if not places:
                break
            events += places
            counts.append(len(places))
        return Found(self._events[np.array(events, int) % MAX_EVENTS], np.array(counts, int))

    def blend_time(self, found: Found, place: Place, base: np.ndarray) -> np.ndarray:
        """Return the probabilities of the time bins; base: those without the memory."""
        if not found.depth:
            return base
        ticks, then = TICKS_OF_BIN[found.events[:, 0]], found.events[:, 3]
        if place.span:
            stretch = np.where(then > 0, (place.span + 3) / (then + 3), 1.0)
            stretch = np.minimum(np.maximum(stretch, 1 / _MAX_STRETCH), _MAX_STRETCH)
            ticks = np.rint(ticks * stretch).astype(np.int64)
        weights, rest = _weights(found.counts)
        seen = np.bincount(time_bins(ticks), weights.repeat(found.counts), TIME_BINS)
        return _TIMES @ seen + rest * base

    def blend_event_type(self, found: Found, place: Place, base: np.ndarray) -> np.ndarray:
        """Return the probabilities of the event types; base: those without the memory."""
        if not found.depth:
            return base
        types = _absolute(found.events[:, 1], place)
        weights, rest = _weights(found.counts)
        seen = np.bincount(types, weights.repeat(found.counts), EVENT_TYPES + 1)[:EVENT_TYPES]
        blended = seen * (base > 0) + rest * base
        return blended / blended.sum()

    def blend_velocity(
        self, found: Found, place: Place, event_type: int, base: np.ndarray
    ) -> np.ndarray:
        """Return the probabilities of the velocity of a press; base: those without the memory."""
        if not found.depth:
            return base
        same = found.events[:, 1] == _relative(event_type, place)
        order = np.arange(found.depth).repeat(found.counts)[same]
        weights, rest = _weights(np.bincount(order, minlength=found.depth))
        seen = np.bincount(found.events[same, 2] - 1, weights[order], VELOCITY_BINS)
        return _VELOCITIES @ seen + rest * base

    def motif_keys(self, place: Place) -> np.ndarray:
        """Return which event types continue a motif of the person, bool (EVENT_TYPES,)."""
        found = self.find(place)
        continues = np.zeros(EVENT_TYPES + 1, bool)
        if found.depth > MOTIF_ORDER:
            longest = found.events[-found.counts[-1] :, 1]
            continues[_absolute(longest, place)] = True
        continues[RELEASE:] = False
        return continues[:EVENT_TYPES]


def _weights(counts: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the weight of an occurrence of each order, and that of all that is known without."""
    strengths = STRENGTHS[: len(counts)]
    rests = strengths / (counts + strengths)
    longer = np.append(np.cumprod(rests[::-1])[::-1][1:], 1.0)
    return longer / (counts + strengths), float(rests.prod())


_RELEASES = 4 * KEYS  # relative types: presses around 0, releases around this, the pedal below
_PEDAL = -4 * KEYS


def _relative(event_type: int, place: Place) -> int:
    """Return an event type relative to the latest press."""
    last = place.keys[-1] if place.keys else KEYS // 2
    if event_type >= PEDAL_DOWN:
        return _PEDAL - (event_type - PEDAL_DOWN)
    if event_type >= RELEASE:
        return _RELEASES + event_type - RELEASE - last
    return event_type - PRESS - last


def _absolute(relative: np.ndarray, place: Place) -> np.ndarray:
    """Return event types from relative ones; EVENT_TYPES for what lies off the keyboard."""
    last = place.keys[-1] if place.keys else KEYS // 2
    press, release = relative + last, relative - _RELEASES + last
    types = np.where((press >= 0) & (press < KEYS), PRESS + press, EVENT_TYPES)
    types = np.where((release >= 0) & (release < KEYS), RELEASE + release, types)
    return np.where(relative <= _PEDAL, PEDAL_DOWN + _PEDAL - relative, types)
