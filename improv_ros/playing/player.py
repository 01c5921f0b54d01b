"""The player: a thread that sleeps to each deadline and sends to every output."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
import logging
from threading import Condition, Event, Lock, Thread
import time

from improv_ros.event_text import TimedEvent, control_change, is_note_on
from improv_ros.playing.outputs.output import Output
from improv_ros.playing.schedule import DEFAULT_LIMIT, Schedule

logger = logging.getLogger(__name__)

MILLISECOND = 1_000_000  # in nanoseconds
DEFAULT_LATE_TOLERANCE = 200 * MILLISECOND
RECENT_NOTES = 2000
WATCH_PERIOD = 0.5  # seconds between looks at the outputs
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between attempts to open an output again
LONGEST_OPENING = 1.5  # seconds that `stop` waits for an output which is just being opened
ALL_SOUND_OFF, ALL_NOTES_OFF, SUSTAIN = 120, 123, 64


@dataclass(frozen=True)
class Lateness:
    """How long after their times the last `count` notes were sent, in nanoseconds."""

    count: int
    p50: int
    p99: int
    max: int


class _Line:
    """One output with its state: `ready` to be sent to, or else the `problem`."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.ready = False
        self.problem = ''
        self._pause = FIRST_PAUSE
        self._next_attempt = 0.0

    def open(self, channels: Iterable[int]) -> None:
        """Open the output, or note why not; `channels` get an all-notes-off first."""
        try:
            self.output.open()
            now = time.monotonic_ns()
            for channel in channels:
                self.output.send(control_change(now, ALL_NOTES_OFF, 0, channel))
        except Exception as error:
            self.fail(error)
            return
        self.problem = ''
        self._pause = FIRST_PAUSE
        self.ready = True

    def send(self, event: TimedEvent) -> None:
        try:
            self.output.send(event)
        except Exception as error:  # whatever a driver raises, the other outputs play on
            self.fail(error)

    def fail(self, reason: Exception | str) -> None:
        self.ready = False
        self.problem = str(reason) or type(reason).__name__
        self._next_attempt = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def watch(self, channels: Iterable[int]) -> None:
        """
        Notice what went wrong unseen, and open again what is due.

        The first pause also lets a `send` end that was under way when the problem was noticed.
        """
        if self.ready and (problem := self.output.problem):
            self.fail(problem)
        if not self.ready and time.monotonic() >= self._next_attempt:
            self.close()
            self.open(channels)

    def close(self) -> None:
        self.ready = False
        try:
            self.output.close()
        except Exception as error:
            self.problem = str(error)


class Player:
    """
    Play events on all outputs at their times (nanoseconds of `time.monotonic_ns`).

    `on_played` is called in the player's thread, after the sending, with each event as it was
    sent and the time when it was; it should be quick. An output that fails is left out, its
    problem shown in `problems`, and opened again by and by; the others play on.

    Use it as a context manager, or call `start` and `stop`.
    """

    def __init__(
        self,
        outputs: Sequence[Output],
        late_tolerance: int = DEFAULT_LATE_TOLERANCE,
        on_played: Callable[[TimedEvent], None] | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> None:
        self._lines = [_Line(output) for output in outputs]
        self._on_played = on_played
        self._schedule = Schedule(late_tolerance, limit)
        self._changed = Condition(Lock())
        self._stopping = False
        self._panicking = False
        self._stopped = Event()
        self._lateness: deque[int] = deque(maxlen=RECENT_NOTES)
        self._thread = Thread(target=self._play, name='player', daemon=True)
        self._watcher = Thread(target=self._watch, name='output watcher', daemon=True)

    def start(self) -> None:
        """Open the outputs and begin to play; those that fail to open are in `problems`."""
        for line in self._lines:
            line.open(())
        self._thread.start()
        self._watcher.start()

    def submit(self, events: Iterable[TimedEvent]) -> None:
        """Schedule events; those of the past are due at once, a `cl` withdraws (see Schedule)."""
        with self._changed:
            self._schedule.add(events, time.monotonic_ns())
            self._changed.notify()

    def panic(self) -> None:
        """Withdraw everything and silence every channel, whether it seems to sound or not."""
        with self._changed:
            self._panicking = True
            self._changed.notify()

    def stop(self) -> None:
        """Withdraw everything, release every note and pedal, and close the outputs."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
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
        """Notes which were already due when they were submitted."""
        return self._schedule.late

    @property
    def dropped(self) -> int:
        """Notes which were not played because they were too late."""
        return self._schedule.dropped

    @property
    def refused(self) -> int:
        """Events which were not taken because too many were waiting."""
        return self._schedule.refused

    @property
    def pending(self) -> int:
        """Events which wait for their time."""
        return len(self._schedule)

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
        while not self._stopping:
            self._send(self._wait())
        with self._changed:
            released = self._schedule.release_all(time.monotonic_ns())
        self._send(released)
        self._send(_silence(sorted(self._schedule.channels), ALL_NOTES_OFF))

    def _wait(self) -> list[TimedEvent]:
        """Sleep until something is to be sent, and return it."""
        with self._changed:
            while True:
                now = time.monotonic_ns()
                if self._stopping:
                    return []
                if self._panicking:
                    self._panicking = False
                    released = self._schedule.release_all(now)
                    every_channel = range(16)
                    return released + _silence(
                        every_channel, SUSTAIN, ALL_NOTES_OFF, ALL_SOUND_OFF
                    )
                due = self._schedule.pop_due(now)
                if due:
                    return due
                next_time = self._schedule.next_time()
                self._changed.wait(None if next_time is None else (next_time - now) / 1e9)

    def _send(self, events: list[TimedEvent]) -> None:
        played = []
        for event in events:
            now = time.monotonic_ns()
            sent = TimedEvent(now, event.kind, event.values)
            for line in self._lines:
                if line.ready:
                    line.send(sent)
            if is_note_on(event):
                self._lateness.append(now - event.time)
            played.append(sent)
        if self._on_played is not None:
            for sent in played:
                try:
                    self._on_played(sent)
                except Exception:  # a broken listener must not leave notes hanging
                    logger.exception('on_played failed')

    def _watch(self) -> None:
        """Look after the outputs, away from the thread that keeps time."""
        while not self._stopped.wait(WATCH_PERIOD):
            for line in self._lines:
                line.watch(sorted(self._schedule.channels))


def _silence(channels: Iterable[int], *controllers: int) -> list[TimedEvent]:
    now = time.monotonic_ns()
    return [
        control_change(now, controller, 0, channel)
        for channel in channels
        for controller in controllers
    ]
