# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The references are mido's own player, and a loop of clock_nanosleep, which is the best that the
kernel allows. Each plays the same notes in a process of its own, to an output that only reads
the clock: at several rates, with idle and with busy processors, with and without real-time
priority. Below 100 notes per second all play at the same time, in turn within each beat; at
higher rates they would disturb each other, and play one after the other. The time per event is
also measured, with encoding as MIDI. With --notes 10000, a rate of 5 notes per second takes
more than half an hour for each load.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
import ctypes
from multiprocessing import get_context
import os
from threading import get_native_id
import time
from typing import Any

import mido

from benchmark.harness import Column, Result, option
from improv_ros.event_text import SECOND, TimedEvent, is_note_on, message_of, note_off, note_on
from improv_ros.playing.player import Player
from improv_ros.playing.realtime import set_fifo_priority, set_timer_slack

LEAD = SECOND // 5  # before the first note
SPIN = SECOND // 2000
CLOCK_MONOTONIC, TIMER_ABSTIME = 1, 1
SLOW = 100  # notes/s, below which all play at the same time
AHEAD = SECOND  # the player receives its notes this long before they are due

processes = get_context('fork')

# Play (count, notes/s, priority, phase in ns); return the lateness of each note in ns.
Contender = Callable[[int, int, int, int], list[int]]


class Clock:
    """An output that keeps the time at which each note was sent."""

    name = 'clock'
    problem = ''

    def __init__(self) -> None:
        self.times: list[int] = []

    def open(self) -> None:
        """Nothing to open."""

    def send(self, event: TimedEvent) -> None:
        if is_note_on(event):
            self.times.append(time.monotonic_ns())

    def close(self) -> None:
        """Nothing to close."""


class Encoder(Clock):
    """An output that encodes each event as MIDI, as a port does."""

    def send(self, event: TimedEvent) -> None:
        message_of(event.kind, event.values).bytes()
        super().send(event)


class Timespec(ctypes.Structure):
    """The C library's struct timespec."""

    _fields_ = (('seconds', ctypes.c_long), ('nanoseconds', ctypes.c_long))


def notes(start: int, count: int, rate: int) -> Iterator[tuple[TimedEvent, TimedEvent]]:
    """Yield (on, off) of `count` notes, `rate` per second, each sounding for half its time."""
    step = SECOND // rate
    for index in range(count):
        on = start + index * step
        yield note_on(on, 21 + index % 88, 64), note_off(on + step // 2, 21 + index % 88)


def lateness_of_player(
    count: int, rate: int, priority: int, phase: int, spin: int = 0
) -> list[int]:
    clock = Clock()
    start = time.monotonic_ns() + LEAD + phase
    pairs = list(notes(start, count, rate))
    with Player([clock], priority=priority, spin=spin) as player:
        for pair in pairs:
            while pair[0].time - time.monotonic_ns() > AHEAD:
                time.sleep(0.1)
            player.submit(pair)
        while player.pending:
            time.sleep(0.1)
    return [at - on.time for at, (on, _) in zip(clock.times, pairs, strict=True)]


def lateness_of_spinning_player(count: int, rate: int, priority: int, phase: int) -> list[int]:
    return lateness_of_player(count, rate, priority, phase, SPIN)


def lateness_of_nanosleep(count: int, rate: int, priority: int, phase: int) -> list[int]:
    if priority:
        set_fifo_priority(get_native_id(), priority)
    set_timer_slack()
    sleep = ctypes.CDLL(None).clock_nanosleep
    lateness = []
    for pair in notes(time.monotonic_ns() + LEAD + phase, count, rate):
        for event in pair:
            until = Timespec(*divmod(event.time, SECOND))
            sleep(CLOCK_MONOTONIC, TIMER_ABSTIME, ctypes.byref(until), None)
            if is_note_on(event):
                lateness.append(time.monotonic_ns() - event.time)
    return lateness


def lateness_of_mido(count: int, rate: int, priority: int, phase: int) -> list[int]:
    if priority:
        set_fifo_priority(get_native_id(), priority)
    midi = mido.MidiFile(ticks_per_beat=25000)  # at 120 beats per minute, a tick is 20 us
    track = midi.add_track()
    last = 0
    start = LEAD + phase
    for event in (event for pair in notes(start, count, rate) for event in pair):
        tick = event.time // 20000
        track.append(message_of(event.kind, event.values).copy(time=tick - last))
        last = tick
    due = [on.time for on, _ in notes(start, count, rate)]
    began = time.monotonic_ns()
    times = [time.monotonic_ns() - began for message in midi.play() if message.velocity]
    return [at - wanted for at, wanted in zip(times, due, strict=True)]


def microseconds_per_event(count: int = 20000) -> float:
    """Return the time per event when many events are due at once."""
    encoder = Encoder()
    with Player([encoder], late_tolerance=60 * SECOND) as player:
        long_ago = time.monotonic_ns() - 30 * SECOND
        player.submit([event for pair in notes(long_ago, count // 2, 1000) for event in pair])
        while player.pending:
            time.sleep(0.1)
    return (encoder.times[-1] - encoder.times[0]) / count / 1000


def begin(function: Callable[..., Any], *arguments: int) -> Callable[[], Any]:
    """Call a function in a process of its own; return a function that waits for its result."""
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=lambda: sender.send(function(*arguments)))
    process.start()
    sender.close()
    return receiver.recv


def compute() -> None:
    while True:
        sum(range(10000))


def contenders(priorities: list[int]) -> Iterator[tuple[str, int, Contender]]:
    """Yield (name, priority, function) of everything that is measured."""
    for priority in priorities:
        yield 'player', priority, lateness_of_player
        if priority:
            yield 'player, spinning', priority, lateness_of_spinning_player
        yield 'clock_nanosleep', priority, lateness_of_nanosleep
        yield 'mido', priority, lateness_of_mido


def measure(measured: list[tuple[str, int, Contender]], count: int, rate: int) -> list[list[int]]:
    """Return the lateness of every note of each contender, in ns."""
    if rate >= SLOW:
        return [begin(function, count, rate, priority, 0)() for _, priority, function in measured]
    share = SECOND // rate // len(measured)
    waiting = [
        begin(function, count, rate, priority, index * share)
        for index, (_, priority, function) in enumerate(measured)
    ]
    return [wait() for wait in waiting]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--notes', type=int, help='notes in each measurement (default: as many as --seconds has)'
    )
    option(parser, '--seconds', 10.0, 'length of each measurement, in seconds')
    option(parser, '--rates', [5, 50, 500], 'rates, in notes per second')
    option(
        parser,
        '--loads',
        ['idle', 'busy'],
        'loads of the processors to measure under',
        choices=('idle', 'busy'),
    )
    parser.add_argument(
        '--computing',
        type=int,
        default=os.cpu_count(),
        help='processes that compute while the load is busy; 0 if others do already '
        '(default: %(default)d, one per processor)',
    )
    option(parser, '--priorities', [0, 50], 'real-time priorities to measure with, 0: none')


def run(arguments: argparse.Namespace, result: Result) -> None:
    priorities = arguments.priorities
    if any(priorities):
        refused = begin(lambda: set_fifo_priority(get_native_id(), 1))()
        if refused:
            result.note(f'Without real-time priority only: {refused}.')
            priorities = [0]
    result.note(f'The load average at the start was {os.getloadavg()[0]:.1f}.')
    result.note(f'The player takes {begin(microseconds_per_event)():.1f} us per event.')
    table = result.table(
        'Lateness of notes',
        Column('processors', width=10),
        Column('notes/s', 'd'),
        Column('priority', 'd'),
        Column('player', width=16),
        Column('notes', 'd', 6),
        Column('p50, ms', '.3f', 9),
        Column('p99, ms', '.3f', 9),
        Column('max, ms', '.3f', 9),
    )
    measured = list(contenders(priorities))
    for load in arguments.loads:
        busy = [
            processes.Process(target=compute, daemon=True)
            for _ in range(arguments.computing if load == 'busy' else 0)
        ]
        for process in busy:
            process.start()
        for rate in arguments.rates:
            count = arguments.notes or round(arguments.seconds * rate)
            lateness = measure(measured, count, rate)
            for (name, priority, _), values in zip(measured, lateness, strict=True):
                ordered = sorted(values)
                figures = (
                    ordered[len(ordered) // 2],
                    ordered[len(ordered) * 99 // 100],
                    ordered[-1],
                )
                milliseconds = [figure / 1e6 for figure in figures]
                table.add(load, rate, priority, name, len(ordered), *milliseconds)
        for process in busy:
            process.terminate()
