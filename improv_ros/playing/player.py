# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The player: a thread that sleeps until each deadline and sends to every output."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
import logging
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
import time

from improv_ros.event_text import (
    PEDALS,
    HeldNotes,
    TimedEvent,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
)
from improv_ros.playing.note_schedule import DEFAULT_LIMIT, NO_LATENCY, Latency, NoteSchedule
from improv_ros.playing.outputs.output import Output
from improv_ros.playing.realtime import set_fifo_priority, set_timer_slack
from improv_ros.process.backoff import Backoff

logger = logging.getLogger(__name__)

MILLISECOND = 1_000_000  # nanoseconds
DEFAULT_LATE_TOLERANCE = 200 * MILLISECOND
RECENT_NOTES = 2000
BATCH_SIZE = 64  # events scheduled at a time; a longer batch would delay events that are due
WATCH_PERIOD = 0.25  # seconds between checks of the outputs
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 3.0  # seconds between attempts to open an output
OPEN_TIMEOUT = 1.5  # seconds that `stop` waits for an output that is being opened
ERROR_PAUSE = 0.1  # seconds after an error, so that a permanent one does not fill the processor
ERROR_SHOWN = 10.0  # seconds for which an error of the playing thread stays in `problems`
ALL_SOUND_OFF, ALL_NOTES_OFF, SUSTAIN = 120, 123, 64


class _ScheduledOutput:
    """An output with its schedule; it is `ready` or it has a `problem`."""

    def __init__(self, output: Output, schedule: NoteSchedule) -> None:
        self.output = output
        self.schedule = schedule
        self.ready = False
        self.problem = ''
        self._held = HeldNotes()  # what the output sounds, or did when it failed
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        self._next_attempt = 0.0
        self._opening = Lock()  # held while the output is being opened or closed
        self._closed = False

    def open(self) -> None:
        """Open the output and release what it may still sound, or set `problem`."""
        with self._opening:
            self._open()
        if self._closed:  # `close` was called meanwhile
            self._close()

    def _open(self) -> None:
        if self._closed:
            return
        try:
            self.output.open()
            for event in self._releases():
                self.output.send(event)
        except Exception as error:
            self.fail(error)
            return
        self._held = HeldNotes()
        self.problem = ''
        self._backoff.reset()
        self.ready = True

    def play(self, event: TimedEvent) -> tuple[TimedEvent, bool]:
        """Send an event now; return it with the time when it sounds, and whether it was sent."""
        now = time.monotonic_ns()
        event = event._replace(time=now)
        sent = self.ready and self._send(event)
        return event._replace(time=now + self.schedule.latency.of(event)), sent

    def _send(self, event: TimedEvent) -> bool:
        if is_note_off(event) and (event.values[2], event.values[0]) not in self._held.keys:
            return False  # its note-on was due while the output had failed
        self._held.update(event)
        try:
            self.output.send(event)
        except Exception as error:  # a driver may raise anything
            self.fail(error)
            return False
        return True

    def reset(self) -> None:
        """Release all that sounds, and begin an empty schedule: the old one may be damaged."""
        old = self.schedule
        self.schedule = NoteSchedule(old.late_tolerance, old.limit, old.latency)
        for name in ('late', 'dropped', 'refused', 'withdrawn', 'channels'):
            setattr(self.schedule, name, getattr(old, name))
        for event in self._releases():
            self.play(event)

    def _releases(self) -> list[TimedEvent]:
        now = time.monotonic_ns()
        keys = [note_off(now, pitch, channel) for channel, pitch in sorted(self._held.keys)]
        return keys + _control_changes(sorted(self.schedule.channels), SUSTAIN, ALL_NOTES_OFF)

    def fail(self, reason: Exception | str) -> None:
        """Set `problem`; the next attempt to open is after a pause."""
        self.ready = False
        self.problem = str(reason) or type(reason).__name__
        self._next_attempt = time.monotonic() + self._backoff.next_pause()

    def check(self) -> None:
        """
        Notice a failure that `send` did not raise; open the output if the next attempt is due.

        The first pause also lets a `send` end that was under way when the output failed.
        """
        if self.ready and (problem := self.output.problem):
            self.fail(problem)
        if not self.ready and time.monotonic() >= self._next_attempt:
            self._close()
            self.open()

    def close(self) -> None:
        """Close the output for good: at once, or when it is open if it is being opened."""
        self._closed = True
        if self._opening.acquire(blocking=False):
            self._opening.release()
            self._close()

    def _close(self) -> None:
        with self._opening:
            self.ready = False
            try:
                self.output.close()
            except Exception as error:
                self.problem = str(error)


class Player:
    """
    Plays events on all outputs at their times, in nanoseconds of `time.monotonic_ns`.

    outputs: an output that fails is left out, its problem is shown in `problems`, and it is
        opened again after a pause of 1 s, which doubles up to 3 s; the others play on.
    late_tolerance: nanoseconds; a note that is later is dropped.
    on_played: called in the playing thread with each event that was sent to the first output that
        is ready; its time is when it sounds (when it was sent, plus the latency). The release of
        a note or pedal is reported whenever its press was. It must return within a millisecond.
    limit: the most events that wait for each output.
    latencies: of the outputs, in the same order; an event is sent earlier by the latency.
    priority: real-time priority of the playing thread, 1 to 99; 0 is none. If it is not allowed,
        `priority_problem` says why and what to do.
    spin: with real-time priority, the last `spin` nanoseconds before each event are waited for
        in a loop instead of asleep.

    After an error in the playing thread, everything that sounds is released, the schedule is
    emptied, and it plays on; `problems` shows the error for 10 s under the name player.

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
        self._outputs = [
            _ScheduledOutput(output, NoteSchedule(late_tolerance, limit, latency))
            for output, latency in zip(outputs, latencies, strict=True)
        ]
        self._on_played = on_played
        self._priority = priority
        self._spin = spin if priority else 0
        self.priority_problem = ''
        # The playing thread waits for the next task in this queue, and for no lock.
        self._tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._submitting = Lock()
        self._submitted = self._scheduled = 0
        self._finished = False
        self._stopped = Event()
        # The output that reported each note or pedal that is down, see `_held_id`.
        self._reporters: dict[tuple[str, int, int], _ScheduledOutput] = {}
        self._reported_until: dict[tuple[int, int], int] = {}  # latest time, by (channel, pitch)
        self._error = ''
        self._error_until = 0.0
        self._lateness: deque[int] = deque(maxlen=RECENT_NOTES)
        self._thread = Thread(target=self._play, name='player', daemon=True)
        self._watcher = Thread(target=self._watch, name='output watcher', daemon=True)

    def start(self) -> None:
        """Open the outputs and begin to play; `problems` names those that cannot be opened."""
        for output in self._outputs:
            output.open()
        self._thread.start()
        if self._priority and self._thread.native_id is not None:
            self.priority_problem = set_fifo_priority(self._thread.native_id, self._priority)
            if self.priority_problem:
                self._spin = 0
        self._watcher.start()

    def submit(self, events: Iterable[TimedEvent]) -> None:
        """Schedule events; past ones are due at once, and a `cl` withdraws (see NoteSchedule)."""
        events = list(events)
        with self._submitting:
            for start in range(0, len(events), BATCH_SIZE):
                batch = events[start : start + BATCH_SIZE]
                self._submitted += len(batch)
                self._tasks.put(partial(self._schedule, batch, time.monotonic_ns()))

    def panic(self) -> None:
        """Withdraw everything and silence all 16 channels, even if nothing seems to sound."""
        self._tasks.put(partial(self._silence, range(16), SUSTAIN, ALL_NOTES_OFF, ALL_SOUND_OFF))

    def stop(self) -> None:
        """Withdraw everything, release every note and pedal, and close the outputs."""
        self._tasks.put(self._finish)
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._watcher.is_alive():
            self._watcher.join(timeout=OPEN_TIMEOUT)
        for output in self._outputs:
            output.close()

    def __enter__(self) -> Player:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def late(self) -> int:
        """Notes that were already due when they were submitted (the most of any output)."""
        return max((output.schedule.late for output in self._outputs), default=0)

    @property
    def dropped(self) -> int:
        """Notes that were dropped because they were too late (the most of any output)."""
        return max((output.schedule.dropped for output in self._outputs), default=0)

    @property
    def refused(self) -> int:
        """Events that were refused because too many were waiting (the most of any output)."""
        return max((output.schedule.refused for output in self._outputs), default=0)

    @property
    def pending(self) -> int:
        """Events that wait for their time (the most of any output)."""
        waiting = self._submitted - self._scheduled
        return waiting + max((len(output.schedule) for output in self._outputs), default=0)

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with which output, by its name; empty if all is well."""
        problems = {each.output.name: each.problem for each in self._outputs if each.problem}
        if time.monotonic() < self._error_until:
            problems['player'] = self._error
        return problems

    def lateness(self) -> list[int]:
        """Return how late the recent notes were sent, in nanoseconds."""
        return list(self._lateness)

    def _play(self) -> None:
        set_timer_slack()
        while not self._finished:
            try:
                self._play_next()
            except Exception as error:  # an exception would end this thread
                self._recover(error)

    def _play_next(self) -> None:
        task = self._wait()
        if task is not None:
            task()
        for output in self._outputs:
            self._send(output, output.schedule.pop_due(time.monotonic_ns()))

    def _recover(self, error: Exception) -> None:
        logger.exception('error in the playing thread; all notes are released, and it plays on')
        self._error = f'{type(error).__name__}: {error}; all notes were released'
        self._error_until = time.monotonic() + ERROR_SHOWN
        for output in self._outputs:
            output.reset()
        self._report([_release_of(held, time.monotonic_ns()) for held in self._reporters])
        self._reporters.clear()
        time.sleep(ERROR_PAUSE)

    def _wait(self) -> Callable[[], None] | None:
        """Sleep until an event is due (return None) or until there is a task (return it)."""
        times = [output.schedule.next_time() for output in self._outputs]
        deadline = min((time for time in times if time is not None), default=None)
        if deadline is None:
            return self._tasks.get()
        pause = deadline - self._spin - time.monotonic_ns()
        try:
            return self._tasks.get(timeout=max(0, pause) / 1e9)
        except Empty:
            while time.monotonic_ns() < deadline:
                pass
            return None

    def _schedule(self, events: list[TimedEvent], now: int) -> None:
        self._scheduled += len(events)
        for output in self._outputs:
            output.schedule.add(events, now)

    def _silence(self, channels: Iterable[int] | None, *controllers: int) -> None:
        """Withdraw and release all, and send controllers on channels (None: those in use)."""
        for output in self._outputs:
            released = output.schedule.release_all(time.monotonic_ns())
            used = sorted(output.schedule.channels) if channels is None else channels
            self._send(output, released + _control_changes(used, *controllers))

    def _finish(self) -> None:
        self._finished = True
        self._silence(None, ALL_NOTES_OFF)

    def _send(self, output: _ScheduledOutput, events: list[TimedEvent]) -> None:
        reported = []
        for event in events:
            sounding, sent = output.play(event)
            if sent and is_note_on(event):
                late = sounding.time - output.schedule.latency.of(event) - event.time
                self._lateness.append(late)
            reported += self._reports_of(output, sounding, sent)
        self._report(reported)

    def _reports_of(
        self, output: _ScheduledOutput, event: TimedEvent, sent: bool
    ) -> list[TimedEvent]:
        """
        Return what to report of an event that was due at an output, and `sent` or not.

        The first output that is ready reports. The output that reported a press also reports its
        release, even if it has failed by then.
        """
        held = _held_id(event)
        reporter = self._reporters.get(held) if held else None
        reports = sent and output is next((each for each in self._outputs if each.ready), None)
        if held is None:
            return [event] if reports else []
        if _is_release(event):
            if reporter is output:
                del self._reporters[held]
                return [event]
            return [event] if reports and reporter is None and event.kind == 'cc' else []
        if not reports:
            return []
        self._reporters[held] = output
        retriggered = reporter is not None and event.kind == 'no'  # another output reported it
        return [*([_release_of(held, event.time)] if retriggered else []), event]

    def _report(self, events: list[TimedEvent]) -> None:
        if self._on_played is None:
            return
        for event in events:
            try:
                self._on_played(self._in_order(event))
            except Exception:  # it must not keep notes from being released
                logger.exception('on_played failed')

    def _in_order(self, event: TimedEvent) -> TimedEvent:
        """Return the event, not before the last one of its key: soft notes are sent earlier."""
        if event.kind not in ('no', 'nf'):
            return event
        key = event.values[2], event.values[0]
        time = max(event.time, self._reported_until.get(key, event.time))
        self._reported_until[key] = time
        return event._replace(time=time)

    def _watch(self) -> None:
        """Check the outputs, in a thread of its own."""
        while not self._stopped.wait(WATCH_PERIOD):
            for output in self._outputs:
                try:
                    output.check()
                except Exception as error:  # a driver may raise anything
                    output.fail(error)


def _control_changes(channels: Iterable[int], *controllers: int) -> list[TimedEvent]:
    now = time.monotonic_ns()
    return [
        control_change(now, controller, 0, channel)
        for channel in channels
        for controller in controllers
    ]


def _held_id(event: TimedEvent) -> tuple[str, int, int] | None:
    """Return (kind, channel, pitch or controller) of the key or pedal that an event moves."""
    if event.kind in ('no', 'nf'):
        return 'no', event.values[2], event.values[0]
    if event.kind == 'cc' and event.values[1] in PEDALS:
        return 'cc', event.values[0], event.values[1]
    return None


def _is_release(event: TimedEvent) -> bool:
    return is_note_off(event) if event.kind != 'cc' else event.values[2] < 64


def _release_of(held: tuple[str, int, int], now: int) -> TimedEvent:
    kind, channel, number = held
    if kind == 'no':
        return note_off(now, number, channel)
    return control_change(now, number, 0, channel)
