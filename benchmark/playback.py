"""How punctual the player is: lateness of its notes beside that of mido's own player.

Both play the same notes in this process, one after the other, to an output that only looks at
the clock. Also measured: what one event costs when many are due at once, encoded as MIDI.

    python benchmark/playback.py [--notes 500] [--rates 5 50 500] [--busy 2]

--busy runs so many processes beside them that do nothing but compute.
"""

import argparse
from multiprocessing import Process
import sys
import time

import mido

from improv_ros.event_text import is_note_on, message_of, note_off, note_on
from improv_ros.playing.player import Player

SECOND = 1_000_000_000
LEAD = SECOND // 10  # before the first note
LONGEST = 20.0  # seconds that one measurement may take


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


def notes(start, count, rate):
    """(on, off) of `count` notes, `rate` a second, each sounding for half its time."""
    step = SECOND // rate
    for index in range(count):
        on = start + index * step
        yield note_on(on, 21 + index % 88, 64), note_off(on + step // 2, 21 + index % 88)


def lateness_of_player(count, rate):
    clock = Clock()
    start = time.monotonic_ns() + LEAD
    pairs = list(notes(start, count, rate))
    with Player([clock]) as player:
        player.submit([event for pair in pairs for event in pair])
        while player.pending:
            time.sleep(0.1)
    return [at - on.time for at, (on, _) in zip(clock.times, pairs, strict=True)]


def lateness_of_mido(count, rate):
    midi = mido.MidiFile(ticks_per_beat=25000)  # at 120 beats a minute, a tick is 20 us
    track = midi.add_track()
    last = 0
    for event in (event for pair in notes(LEAD, count, rate) for event in pair):
        tick = event.time // 20000
        track.append(message_of(event.kind, event.values).copy(time=tick - last))
        last = tick
    due = [on.time for on, _ in notes(LEAD, count, rate)]
    start = time.monotonic_ns()
    times = [time.monotonic_ns() - start for message in midi.play() if message.velocity]
    return [at - wanted for at, wanted in zip(times, due, strict=True)]


def cost_of_an_event(count=20000):
    """Microseconds, from the first to the last of many events that are due at once."""
    encoder = Encoder()
    with Player([encoder], late_tolerance=60 * SECOND) as player:
        long_ago = time.monotonic_ns() - 30 * SECOND
        player.submit([event for pair in notes(long_ago, count // 2, 1000) for event in pair])
        while len(encoder.times) < count // 2:
            time.sleep(0.1)
    return (encoder.times[-1] - encoder.times[0]) / count / 1000


def compute():
    while True:
        sum(range(10000))


def row(name, rate, lateness):
    ordered = sorted(lateness)
    figures = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]
    cells = ''.join(f'{figure / 1e6:10.3f}' for figure in figures)
    return f'{name:8}{rate:8}{len(lateness):8}{cells}'


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--notes', type=int, default=500)
    parser.add_argument('--rates', type=int, nargs='+', default=[5, 50, 500])
    parser.add_argument('--busy', type=int, default=0, help='processes that compute meanwhile')
    arguments = parser.parse_args()
    busy = [Process(target=compute, daemon=True) for _ in range(arguments.busy)]
    for process in busy:
        process.start()
    try:
        print(f'{"":8}{"notes/s":>8}{"notes":>8}{"p50 ms":>10}{"p99 ms":>10}{"max ms":>10}')
        for rate in arguments.rates:
            count = min(arguments.notes, round(LONGEST * rate))
            print(row('player', rate, lateness_of_player(count, rate)), flush=True)
            print(row('mido', rate, lateness_of_mido(count, rate)), flush=True)
        print(f'the player takes {cost_of_an_event():.1f} us an event')
    finally:
        for process in busy:
            process.terminate()
    return 0


if __name__ == '__main__':
    sys.exit(main())
