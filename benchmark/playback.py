"""How punctual the player is: lateness of its notes beside two references in the same run.

The references are mido's own player, and a loop of clock_nanosleep, the best that this machine
and its kernel can do. Each plays the same notes in a process of its own, to an output that only
looks at the clock: at several rates, with idle and with busy processors, with and without
real-time priority. At a slow rate all play at the same time, one after the other within each
beat; at a fast one, where they would be in each other's way, one is done before the next begins.
Also measured: what one event costs, encoded as MIDI.

    python benchmark/playback.py [--notes 10000 | --seconds 10] [--rates 5 50 500]

A measurement takes 10 seconds by default, so 50 notes at 5 a second; --notes 10000 has as many at
every rate, and at 5 a second takes more than half an hour for each load.
"""

import argparse
import ctypes
from multiprocessing import get_context
import os
import sys
from threading import get_native_id
import time

import mido

from improv_ros.event_text import is_note_on, message_of, note_off, note_on
from improv_ros.playing.player import Player
from improv_ros.playing.realtime import go_first, sleep_exactly

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
LEAD = SECOND // 5  # before the first note
SPIN = SECOND // 2000
CLOCK_MONOTONIC, TIMER_ABSTIME = 1, 1
SLOW = 100  # notes a second, below which all play at the same time
AHEAD = SECOND  # the player is handed its notes so long before they are due, as in a chain

processes = get_context('fork')


class Clock:
    """An output that keeps when it was sent which note."""

    name = 'clock'
    problem = ''

    def __init__(self):
        self.times = []

    def open(self):
        """Nothing to open."""

    def send(self, event):
        if is_note_on(event):
            self.times.append(time.monotonic_ns())

    def close(self):
        """Nothing to close."""


class Encoder(Clock):
    """An output that encodes each event as MIDI, as a port does."""

    def send(self, event):
        message_of(event.kind, event.values).bytes()
        super().send(event)


class Timespec(ctypes.Structure):
    """The C library's struct timespec."""

    _fields_ = (('seconds', ctypes.c_long), ('nanoseconds', ctypes.c_long))


def notes(start, count, rate):
    """(on, off) of `count` notes, `rate` a second, each sounding for half its time."""
    step = SECOND // rate
    for index in range(count):
        on = start + index * step
        yield note_on(on, 21 + index % 88, 64), note_off(on + step // 2, 21 + index % 88)


def lateness_of_player(count, rate, priority, phase, spin=0):
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


def lateness_of_spinning_player(count, rate, priority, phase):
    return lateness_of_player(count, rate, priority, phase, SPIN)


def lateness_of_nanosleep(count, rate, priority, phase):
    if priority:
        go_first(get_native_id(), priority)
    sleep_exactly()
    sleep = ctypes.CDLL(None).clock_nanosleep
    lateness = []
    for pair in notes(time.monotonic_ns() + LEAD + phase, count, rate):
        for event in pair:
            until = Timespec(*divmod(event.time, SECOND))
            sleep(CLOCK_MONOTONIC, TIMER_ABSTIME, ctypes.byref(until), None)
            if is_note_on(event):
                lateness.append(time.monotonic_ns() - event.time)
    return lateness


def lateness_of_mido(count, rate, priority, phase):
    if priority:
        go_first(get_native_id(), priority)
    midi = mido.MidiFile(ticks_per_beat=25000)  # at 120 beats a minute, a tick is 20 us
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


def cost_of_an_event(count=20000):
    """Microseconds, from the first to the last of many events that are due at once."""
    encoder = Encoder()
    with Player([encoder], late_tolerance=60 * SECOND) as player:
        long_ago = time.monotonic_ns() - 30 * SECOND
        player.submit([event for pair in notes(long_ago, count // 2, 1000) for event in pair])
        while player.pending:
            time.sleep(0.1)
    return (encoder.times[-1] - encoder.times[0]) / count / 1000


def begin(function, *arguments):
    """Call a function in a process of its own; return what waits for its result."""
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=lambda: sender.send(function(*arguments)))
    process.start()
    sender.close()
    return receiver.recv


def apart(function, *arguments):
    """Call a function in a process of its own, and wait for it."""
    return begin(function, *arguments)()


def compute():
    while True:
        sum(range(10000))


def row(load, rate, priority, name, lateness):
    ordered = sorted(lateness)
    figures = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]
    cells = ''.join(f' {figure / MILLISECOND:8.3f} |' for figure in figures)
    return f'| {load} | {rate} | {priority or "-"} | {name:15} | {len(lateness)} |{cells}'


def contenders(priorities):
    """(name, priority, function) of all that are measured."""
    for priority in priorities:
        yield 'player', priority, lateness_of_player
        if priority:
            yield 'player, spinning', priority, lateness_of_spinning_player
        yield 'clock_nanosleep', priority, lateness_of_nanosleep
        yield 'mido', priority, lateness_of_mido


def measure(arguments, load):
    measured = list(contenders(arguments.priorities))
    for rate in arguments.rates:
        count = arguments.notes or round(arguments.seconds * rate)
        if rate < SLOW:
            share = SECOND // rate // len(measured)
            waiting = [
                begin(function, count, rate, priority, index * share)
                for index, (_, priority, function) in enumerate(measured)
            ]
            results = [result() for result in waiting]
        else:
            results = [
                apart(function, count, rate, priority, 0) for _, priority, function in measured
            ]
        for (name, priority, _), lateness in zip(measured, results, strict=True):
            print(row(load, rate, priority, name, lateness), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--notes', type=int, help='in each measurement')
    parser.add_argument('--seconds', type=float, default=10.0, help='of each measurement')
    parser.add_argument('--rates', type=int, nargs='+', default=[5, 50, 500], help='notes/s')
    parser.add_argument('--loads', nargs='+', default=['idle', 'busy'], choices=('idle', 'busy'))
    parser.add_argument(
        '--computing',
        type=int,
        default=os.cpu_count(),
        help='processes that make busy (default: one a processor; 0 where others do already)',
    )
    parser.add_argument('--priorities', type=int, nargs='+', default=[0, 50], help='0: none')
    arguments = parser.parse_args()
    refused = apart(lambda: go_first(get_native_id(), 1)) if any(arguments.priorities) else ''
    if refused:
        print(f'without priority only: {refused}')
        arguments.priorities = [0]
    load = os.getloadavg()[0]
    print(f'{os.cpu_count()} processors; load average at the start {load:.1f}')
    print(f'the player takes {apart(cost_of_an_event):.1f} us an event')
    print('| processors | notes/s | priority | | notes | p50 ms | p99 ms | max ms |')
    print('|---|---|---|---|---|---|---|---|')
    for load in arguments.loads:
        busy = [
            processes.Process(target=compute, daemon=True)
            for _ in range(arguments.computing if load == 'busy' else 0)
        ]
        for process in busy:
            process.start()
        measure(arguments, load)
        for process in busy:
            process.terminate()
    return 0


if __name__ == '__main__':
    sys.exit(main())
