"""The player: a thread that sleeps to each deadline and sends to every output."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
import logging
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
import time

from improv_ros.event_text import (
    TimedEvent,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
)
from improv_ros.playing.latency import NO_LATENCY, Latency
from improv_ros.playing.outputs.output import Output
from improv_ros.playing.realtime import go_first, sleep_exactly
from improv_ros.playing.schedule import DEFAULT_LIMIT, Schedule

logger = logging.getLogger(__name__)

MILLISECOND = 1_000_000  # in nanoseconds
DEFAULT_LATE_TOLERANCE = 200 * MILLISECOND
RECENT_NOTES = 2000
MOUTHFUL = 64  # events taken in at once; more would keep what is due waiting
WATCH_PERIOD = 0.25  # seconds between looks at the outputs
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 3.0  # seconds between attempts to open an output again
LONGEST_OPENING = 1.5  # seconds that `stop` waits for an output which is just being opened
ALL_SOUND_OFF, ALL_NOTES_OFF, SUSTAIN = 120, 123, 64


@dataclass(frozen=True)
class Lateness:
    """How long after they were due the last `count` notes were sent, in nanoseconds."""

    count: int
    p50: int
    p99: int
    max: int


class _Line:
    """One output with its schedule, and its state: `ready` to be sent to, or the `problem`."""

    def __init__(self, output: Output, schedule: Schedule) -> None:
        self.output = output
        self.schedule = schedule
        self.ready = False
        self.problem = ''
        self._held: set[tuple[int, int]] = set()  # (channel, pitch) which the output was to sound
        self._pause = FIRST_PAUSE
        self._next_attempt = 0.0

    def open(self) -> None:
        """Open the output and release what it may hold from before, or note why not."""
        try:
            self.output.open()
            now = time.monotonic_ns()
            for channel, pitch in sorted(self._held):
                self.output.send(note_off(now, pitch, channel))
            for event in _silence(sorted(self.schedule.channels), SUSTAIN, ALL_NOTES_OFF):
                self.output.send(event)
        except Exception as error:
            self.fail(error)
            return
        self._held.clear()
        self.problem = ''
        self._pause = FIRST_PAUSE
        self.ready = True

    def play(self, event: TimedEvent) -> TimedEvent:
        """Send an event now, unless the output is away; return it with the time of its sound."""
        now = time.monotonic_ns()
        sent = TimedEvent(now, event.kind, event.values)
        if self.ready:
            self._send(sent)
        return sent._replace(time=now + self.schedule.latency.of(event))

    def _send(self, event: TimedEvent) -> None:
        if is_note_on(event):
            self._held.add((event.values[2], event.values[0]))
        elif is_note_off(event):
            key = event.values[2], event.values[0]
            if key not in self._held:
                return  # its beginning was due while the output was away
            self._held.discard(key)
        try:
            self.output.send(event)
        except Exception as error:  # whatever a driver raises, the other outputs play on
            self.fail(error)

    def fail(self, reason: Exception | str) -> None:
        self.ready = False
        self.problem = str(reason) or type(reason).__name__
        self._next_attempt = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def watch(self) -> None:
        """
        Notice what went wrong unseen, and open again what is due.

        The first pause also lets a `send` end that was under way when the problem was noticed.
        """
        if self.ready and (problem := self.output.problem):
            self.fail(problem)
        if not self.ready and time.monotonic() >= self._next_attempt:
            self.close()
            self.open()

    def close(self) -> None:
        self.ready = False
        try:
            self.output.close()
        except Exception as error:
            self.problem = str(error)


class Player:
    """
    Play events on all outputs at their times (nanoseconds of `time.monotonic_ns`).

    `latencies` are those of the outputs, in the same order: each is sent to so much earlier.
    `on_played` is called in the player's thread, after the sending, with each event as it was
    sent to the first output and the time of its sound: when it was sent, and the latency added.
    It should be quick. An output that fails is left out, its problem shown in `problems`, and
    opened again by and by; the others play on.

    `priority` is the real-time priority of the thread that plays, and of no other; 0 is none.
    Where it is not allowed, `priority_problem` says so and what to do. With it, the last `spin`
    nanoseconds before each event are spent awake.

    Use it as a context manager, or call `start` and `stop`.
    """

    def __init__(
        self,
        outputs: Sequence[Output],
        late_tolerance: int = DEFAULT_LATE_TOLERANCE,
        on_played: Callable[[TimedEvent], None] | None = None,
        limit: int = DEFAULT_LIMIT,
        latencies: Sequence[Latency] | None = None,
        priority: int = 0,
        spin: int = 0,
    ) -> None:
        latencies = latencies or [NO_LATENCY] * len(outputs)
        self._lines = [
            _Line(output, Schedule(late_tolerance, limit, latency))
            for output, latency in zip(outputs, latencies, strict=True)
        ]
        self._on_played = on_played
        self._priority = priority
        self._spin = spin if priority else 0
        self.priority_problem = ''
        # What the playing thread is to do next. It waits here, and no lock is ever in its way.
        self._orders: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._submitting = Lock()
        self._submitted = self._taken_in = 0
        self._over = False
        self._stopped = Event()
        self._told_until: dict[tuple[int, int], int] = {}  # (channel, pitch): latest time told
        self._lateness: deque[int] = deque(maxlen=RECENT_NOTES)
        self._thread = Thread(target=self._play, name='player', daemon=True)
        self._watcher = Thread(target=self._watch, name='output watcher', daemon=True)

    def start(self) -> None:
        """Open the outputs and begin to play; those that fail to open are in `problems`."""
        for line in self._lines:
            line.open()
        self._thread.start()
        if self._priority and self._thread.native_id is not None:
            self.priority_problem = go_first(self._thread.native_id, self._priority)
            if self.priority_problem:
                self._spin = 0
        self._watcher.start()

    def submit(self, events: Iterable[TimedEvent]) -> None:
        """Schedule events; those of the past are due at once, a `cl` withdraws (see Schedule)."""
        events = list(events)
        with self._submitting:
            for start in range(0, len(events), MOUTHFUL):
                mouthful = events[start : start + MOUTHFUL]
                self._submitted += len(mouthful)
                self._orders.put(partial(self._take_in, mouthful, time.monotonic_ns()))

    def panic(self) -> None:
        """Withdraw everything and silence every channel, whether it seems to sound or not."""
        self._orders.put(partial(self._silence, range(16), SUSTAIN, ALL_NOTES_OFF, ALL_SOUND_OFF))

    def stop(self) -> None:
        """Withdraw everything, release every note and pedal, and close the outputs."""
        self._orders.put(self._finish)
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._watcher.is_alive():
            self._watcher.join(timeout=LONGEST_OPENING)
        for line in self._lines:
            line.close()

    def __enter__(self) -> Player:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def late(self) -> int:
        """Notes which were already due when they were submitted (the most of any output)."""
        return max((line.schedule.late for line in self._lines), default=0)

    @property
    def dropped(self) -> int:
        """Notes which were not played because they were too late (the most of any output)."""
        return max((line.schedule.dropped for line in self._lines), default=0)

    @property
    def refused(self) -> int:
        """Events which were not taken because too many were waiting."""
        return max((line.schedule.refused for line in self._lines), default=0)

    @property
    def pending(self) -> int:
        """Events which wait for their time."""
        waiting = self._submitted - self._taken_in
        return waiting + max((len(line.schedule) for line in self._lines), default=0)

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with which output, by the output's name; empty when all is well."""
        return {line.output.name: line.problem for line in self._lines if line.problem}

    def lateness(self) -> Lateness:
        """How late the recent notes were sent; all zero before the first."""
        recent = sorted(tuple(self._lateness))
        if not recent:
            return Lateness(0, 0, 0, 0)
        count = len(recent)
        return Lateness(count, recent[count // 2], recent[count * 99 // 100], recent[-1])

    def _play(self) -> None:
        sleep_exactly()
        while not self._over:
            order = self._wait()
            if order is not None:
                order()
            for line in self._lines:
                self._send(line, line.schedule.pop_due(time.monotonic_ns()))

    def _wait(self) -> Callable[[], None] | None:
        """Sleep until something is due, or until an order comes, and return that."""
        times = [line.schedule.next_time() for line in self._lines]
        deadline = min((time for time in times if time is not None), default=None)
        if deadline is None:
            return self._orders.get()
        pause = deadline - self._spin - time.monotonic_ns()
        try:
            return self._orders.get(timeout=max(0, pause) / 1e9)
        except Empty:
            while time.monotonic_ns() < deadline:
                pass
            return None

    def _take_in(self, events: list[TimedEvent], now: int) -> None:
        for line in self._lines:
            line.schedule.add(events, now)
        self._taken_in += len(events)

    def _silence(self, channels: Iterable[int] | None, *controllers: int) -> None:
        """Withdraw everything, release it, and send the controllers on channels (None: in use)."""
        for line in self._lines:
            released = line.schedule.release_all(time.monotonic_ns())
            used = sorted(line.schedule.channels) if channels is None else channels
            self._send(line, released + _silence(used, *controllers))

    def _finish(self) -> None:
        self._silence(None, ALL_NOTES_OFF)
        self._over = True

    def _send(self, line: _Line, events: list[TimedEvent]) -> None:
        played = []
        for event in events:
            sounding = line.play(event)
            if is_note_on(event):
                late = sounding.time - line.schedule.latency.of(event) - event.time
                self._lateness.append(late)
            played.append(sounding)
        if self._on_played is not None and line is self._lines[0]:
            for event in played:
                try:
                    self._on_played(self._in_order(event))
                except Exception:  # a broken listener must not leave notes hanging
                    logger.exception('on_played failed')

    def _in_order(self, event: TimedEvent) -> TimedEvent:
        """Let what is told of a key not go back in time; soft notes are sent out of order."""
        if event.kind not in ('no', 'nf'):
            return event
        key = event.values[2], event.values[0]
        time = max(event.time, self._told_until.get(key, event.time))
        self._told_until[key] = time
        return event._replace(time=time)

    def _watch(self) -> None:
        """Look after the outputs, away from the thread that keeps time."""
        while not self._stopped.wait(WATCH_PERIOD):
            for line in self._lines:
                line.watch()


def _silence(channels: Iterable[int], *controllers: int) -> list[TimedEvent]:
    now = time.monotonic_ns()
    return [
        control_change(now, controller, 0, channel)
        for channel in channels
        for controller in controllers
    ]
