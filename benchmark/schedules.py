"""No note hangs: random schedules of the wildest kind, each played to its end and checked.

    python benchmark/schedules.py [--schedules 1000000] [--processes 2] [--seed 0]

Each has its own latency, tolerance and limit; notes and pedals that overlap, come twice, late or
in any order; clears, all-notes-offs, program changes; and in the end it is silenced in one of the
ways there are. Checked at each step: no key is struck that sounds nor released that does not,
nothing is sent before it is due or too late, and the schedule knows what sounds. Checked at the
end: nothing sounds, no pedal is down, and every note that was said was either played whole or is
counted as dropped, refused or withdrawn.
"""

import argparse
from collections import Counter
from multiprocessing import Pool
from random import Random
import sys
import time

from improv_ros.event_text import (
    TimedEvent,
    clear,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.playing.latency import NO_STRIKE, Latency, strike_table
from improv_ros.playing.schedule import Schedule

MILLISECOND = 1_000_000
PITCHES = (60, 61, 62)
CHANNELS = (0, 1)
DISKLAVIER = strike_table('disklavier')
ENDINGS = ('clear', 'release', 'play on')
BATCH = 1000
UNLIMITED = 10_000


class WrongError(AssertionError):
    """A schedule was not played as it should be; the message says which and how."""


class Instrument:
    """Follows what is sent to it, and insists that it is playable."""

    def __init__(self, tolerance):
        self.sounding = set()
        self.pedals = set()
        self.struck = Counter()
        self._tolerance = tolerance

    def play(self, events, now):
        for event in events:
            if is_note_on(event):
                pitch, velocity, channel = event.values
                expect((channel, pitch) not in self.sounding, 'a key was struck that sounds')
                expect(now - event.time <= self._tolerance, 'a note was played too late')
                self.sounding.add((channel, pitch))
                self.struck[pitch, velocity, channel] += 1
            elif is_note_off(event):
                key = event.values[-1], event.values[0]
                expect(key in self.sounding, 'a key was released that does not sound')
                self.sounding.remove(key)
            elif event.kind == 'cc' and event.values[1] == 64:
                pedal = self.pedals.add if event.values[2] >= 64 else self.pedals.discard
                pedal(event.values[0])
            expect(event.time <= now, 'an event was sent before it was due')


def expect(condition, otherwise):
    if not condition:
        raise WrongError(otherwise)


def random_events(random, now, whole_notes):
    """A few events about now, of any kind, or of whole notes and clears alone."""
    for _ in range(random.randrange(7)):
        time = now + random.randrange(-60, 250) * MILLISECOND
        pitch, channel = random.choice(PITCHES), random.choice(CHANNELS)
        choice = random.random()
        if choice < 0.03:
            yield clear(time)
        elif whole_notes:
            end = time + random.choice((0, 1, 20, 200)) * MILLISECOND
            pair = note_on(time, pitch, random.choice((1, 30, 64, 100, 127)), channel)
            for _ in range(random.choice((1, 1, 1, 2))):  # some come twice
                yield from (pair, note_off(end, pitch, channel))
        elif choice < 0.45:
            yield note_on(time, pitch, random.choice((1, 30, 64, 100, 127)), channel)
        elif choice < 0.75:
            yield note_off(time, pitch, channel)
        elif choice < 0.80:
            yield TimedEvent(time, 'nf', (pitch, 64, channel))
        elif choice < 0.90:
            yield control_change(time, 64, random.choice((0, 127)), channel)
        elif choice < 0.95:
            yield control_change(time, random.choice((120, 123)), 0, channel)
        else:
            yield TimedEvent(time, 'pc', (channel, 5))


def play_one(random):
    """Play one random schedule to its end; WrongError tells what went wrong."""
    whole_notes = random.random() < 0.5
    fixed = random.choice((0, 0, 20, 100)) * MILLISECOND
    latency = Latency(fixed, random.choice((NO_STRIKE, DISKLAVIER)))
    tolerance = random.choice((0, 10, 200)) * MILLISECOND
    limit = random.choice((1, 4, UNLIMITED, UNLIMITED, UNLIMITED))
    schedule = Schedule(tolerance, limit, latency)
    instrument = Instrument(tolerance)
    said = Counter()
    punctual = random.random() < 0.7  # else the player sleeps through what is due
    now = 0
    for _ in range(random.randrange(1, 7)):
        until = now + random.randrange(90) * MILLISECOND
        while punctual and (due := schedule.next_time()) is not None and due <= until:
            now = max(now, due)
            instrument.play(schedule.pop_due(now), now)
        now = until
        events = list(random_events(random, now, whole_notes))
        said.update(event.values for event in events if is_note_on(event))
        schedule.add(events, now)
        instrument.play(schedule.pop_due(now), now)
        expect(set(schedule.sounding) == instrument.sounding, 'it is not known what sounds')
    ending = random.choice(ENDINGS)
    if ending == 'clear':
        last = now + random.randrange(300) * MILLISECOND
        schedule.clear(last)
    if ending == 'release':
        instrument.play(schedule.release_all(now), now)
    while (due := schedule.next_time()) is not None:
        now = max(now, due)
        instrument.play(schedule.pop_due(now), now)
    if ending == 'play on' and not whole_notes:
        # What was never said to end sounds on, rightly, until the player stops.
        instrument.play(schedule.release_all(now), now)
    expect(not instrument.sounding, 'a note hangs')
    if not (whole_notes and ending == 'play on'):
        expect(not instrument.pedals, 'a pedal hangs')
    check_account(schedule, instrument, said)
    return sum(said.values()), sum(instrument.struck.values())


def check_account(schedule, instrument, said):
    """Every note that was said was played, once, or is counted among those that were not."""
    expect(not instrument.struck - said, 'a note was played that nobody said')
    played = sum(instrument.struck.values())
    kept_back = schedule.dropped + schedule.refused + schedule.withdrawn
    # Control changes are refused as well, and counted with the notes.
    controls = schedule.refused if schedule.limit < UNLIMITED else 0
    missing = sum(said.values()) - played - kept_back
    expect(-controls <= missing <= 0, 'a note is in no account')


def play_batch(seeds):
    notes = played = 0
    for seed in seeds:
        try:
            one = play_one(Random(seed))
        except WrongError as wrong:
            raise WrongError(f'seed {seed}: {wrong}') from wrong
        notes += one[0]
        played += one[1]
    return len(seeds), notes, played


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--schedules', type=int, default=1_000_000)
    parser.add_argument('--processes', type=int, default=2)
    parser.add_argument('--seed', type=int, default=0, help='of the first schedule')
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.schedules)
    batches = [seeds[start : start + BATCH] for start in range(0, len(seeds), BATCH)]
    began = time.monotonic()
    with Pool(arguments.processes) as pool:
        try:
            results = list(pool.imap_unordered(play_batch, batches))
        except WrongError as wrong:
            print(wrong)
            return 1
    schedules, notes, played = (sum(column) for column in zip(*results, strict=True))
    seconds = time.monotonic() - began
    print(f'{schedules} schedules, {notes} notes, {played} of them played, none hangs')
    print(f'{seconds:.0f} s with {arguments.processes} processes')
    return 0


if __name__ == '__main__':
    sys.exit(main())
