"""No note hangs: random schedules of the wildest kind, each played to its end and checked.

    python benchmark/schedules.py [--schedules 1000000] [--processes 2] [--seed 0]

Each has its own latency, tolerance and limit; notes and pedals that overlap, come twice, late or
in any order; clears, all-notes-offs, program changes; and in the end it is silenced in one of the
ways there are. Checked at each step: no key is struck that sounds nor released that does not,
nothing is sent before it is due or too late, and the schedule knows what sounds. Checked at the
end: nothing sounds, no pedal is down, and every note that was said was either played whole or is
counted as dropped, refused or withdrawn. Where there is no limit, and no hammer that takes longer
for soft notes, a model of a few rules says from what was said which notes sound from when to
when, and which pedals move; just that must have been played.
"""

import argparse
from collections import Counter
from multiprocessing import Pool
from random import Random
import sys
import time
from typing import NamedTuple

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
BEFORE_ALL = -(10**18)
SUSTAIN, ALL_SOUND_OFF, ALL_NOTES_OFF = 64, 120, 123


class WrongError(AssertionError):
    """A schedule was not played as it should be; the message says which and how."""


class Instrument:
    """Follows what is sent to it, and insists that it is playable."""

    def __init__(self, tolerance):
        self.sounding = {}  # (channel, pitch): what struck it and when
        self.pedals = set()
        self.struck = Counter()
        self.played = []  # (beginning, end, note-on) of each note that is over
        self.others = []  # (when, kind, values) of all that is no note
        self._tolerance = tolerance

    def play(self, events, now):
        for event in events:
            if is_note_on(event):
                pitch, velocity, channel = event.values
                expect((channel, pitch) not in self.sounding, 'a key was struck that sounds')
                expect(now - event.time <= self._tolerance, 'a note was played too late')
                self.sounding[channel, pitch] = (now, event.values)
                self.struck[pitch, velocity, channel] += 1
            elif is_note_off(event):
                key = event.values[-1], event.values[0]
                expect(key in self.sounding, 'a key was released that does not sound')
                began, values = self.sounding.pop(key)
                self.played.append((began, now, values))
            else:
                self.others.append((now, event.kind, event.values))
                if event.kind == 'cc' and event.values[1] == SUSTAIN:
                    pedal = self.pedals.add if event.values[2] >= 64 else self.pedals.discard
                    pedal(event.values[0])
            expect(event.time <= now, 'an event was sent before it was due')


def expect(condition, otherwise):
    if not condition:
        raise WrongError(otherwise)


class Model:
    """What is to be played of what was said, by a few rules, once all is known.

    Hear what is said and when the schedule is asked for what is due, in their order; then ask for
    the performance.
    """

    def __init__(self, latency):
        self._latency = latency
        self._said = []  # (event, how often the schedule had been asked before)
        self._asked = []  # when the schedule was asked

    def say(self, events):
        self._said += [(event, len(self._asked)) for event in events]

    def ask(self, now):
        self._asked.append(now)

    def silence(self, now):
        """All is withdrawn, and what sounds is released now."""
        self.say([clear(BEFORE_ALL)])
        self.ask(now)

    def performance(self, tolerance):
        """Return the notes played, as (beginning, end, note-on), and the other events sent.

        Return as well how many notes are withdrawn and how many too late.
        """
        events = [event for event, _ in self._said]
        clears = [number for number, event in enumerate(events) if event.kind == 'cl']
        strokes = [number for number, event in enumerate(events) if is_note_on(event)]
        places = [self._place(number) for number in range(len(events))]
        stays = {place.number for place in places if not self._is_withdrawn(place, clears)}
        ends = self._ends()
        played = [
            number
            for number in strokes
            if number in stays
            and places[number].when - places[number].due <= tolerance
            and (number not in ends or places[number] < places[ends[number]])
        ]
        notes = []
        for number in played:
            pitch, _, channel = events[number].values
            enders = {ends.get(number, number), *(one for one in clears if one > number)}
            enders |= {one for one in played if _key(events[one]) == (channel, pitch)}
            enders |= {one for one in stays if _ends_all_of(channel, events[one])}
            end = min(places[one] for one in enders if places[one] > places[number])
            notes.append((places[number].when, end.when, events[number].values))
        return (
            sorted(notes),
            sorted(self._others([*stays, *clears], places)),
            len(strokes) - len(stays.intersection(strokes)),
            len(stays.intersection(strokes)) - len(played),
        )

    def _place(self, number):
        """Return where an event stands in the order of sending."""
        event, asked = self._said[number]
        due = event.time - self._latency
        while asked < len(self._asked) and self._asked[asked] < due:
            asked += 1
        when = self._asked[asked] if asked < len(self._asked) else due
        return Place(asked, due, number, when)

    def _is_withdrawn(self, place, clears):
        """A clear takes back what was said before it, is not sent yet, and is not before it."""
        return any(
            one > place.number
            and self._said[place.number][0].time >= self._said[one][0].time
            and place.asked >= self._said[one][1]
            for one in clears
        )

    def _ends(self):
        """Return what ends each note as it was said: its note-off, or the next blow on its key."""
        ends, open_notes = {}, {}
        for number, (event, _) in enumerate(self._said):
            if event.kind == 'cl':
                open_notes.clear()
            elif is_note_on(event) or is_note_off(event):
                if _key(event) in open_notes:
                    ends[open_notes.pop(_key(event))] = number
                if is_note_on(event):
                    open_notes[_key(event)] = number
        return ends

    def _others(self, numbers, places):
        """Yield all but the notes; a clear lifts the pedals that were said to go down before."""
        down = {}
        for number in sorted(numbers, key=places.__getitem__):
            event, when = self._said[number][0], places[number].when
            if event.kind == 'cl':
                for channel in [one for one, said in down.items() if said < number]:
                    del down[channel]
                    yield when, 'cc', (channel, SUSTAIN, 0)
            elif not is_note_on(event) and not is_note_off(event):
                yield when, event.kind, event.values
                if event.kind == 'cc' and event.values[1] == SUSTAIN:
                    down.pop(event.values[0], None)
                    if event.values[2] >= 64:
                        down[event.values[0]] = number


class Place(NamedTuple):
    """When an event is sent: at which asking, due when, and said as which; and the time then."""

    asked: int
    due: int
    number: int
    when: int


def _key(event):
    return event.values[-1], event.values[0]


def _ends_all_of(channel, event):
    return event.kind == 'cc' and event.values in (
        (channel, ALL_SOUND_OFF, 0),
        (channel, ALL_NOTES_OFF, 0),
    )


def random_events(random, now, grid, whole_notes):
    """A few events about now, of any kind, or of whole notes and clears alone."""
    for _ in range(random.randrange(7)):
        time = (now // grid + random.randrange(-60, 250) * MILLISECOND // grid) * grid
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
            yield control_change(time, SUSTAIN, random.choice((0, 127)), channel)
        elif choice < 0.95:
            yield control_change(time, random.choice((ALL_SOUND_OFF, ALL_NOTES_OFF)), 0, channel)
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
    model = Model(fixed)
    said = Counter()
    punctual = random.random() < 0.7  # else the player sleeps through what is due
    grid = random.choice((1, 20)) * MILLISECOND  # on the coarser, much falls together

    def play(now):
        model.ask(now)
        instrument.play(schedule.pop_due(now), now)

    def play_next(now):
        waiting = len(schedule)
        play(now)
        expect(len(schedule) < waiting, 'what is due stays where it is')

    def silence(now):
        model.silence(now)
        instrument.play(schedule.release_all(now), now)

    now = 0
    for _ in range(random.randrange(1, 7)):
        until = now + random.randrange(90) * MILLISECOND
        while punctual and (due := schedule.next_time()) is not None and due <= until:
            now = max(now, due)
            play_next(now)
        now = until
        events = list(random_events(random, now, grid, whole_notes))
        said.update(event.values for event in events if is_note_on(event))
        schedule.add(events, now)
        model.say(events)
        play(now)
        expect(set(schedule.sounding) == set(instrument.sounding), 'it is not known what sounds')
    ending = random.choice(ENDINGS)
    if ending == 'clear':
        last = now + random.randrange(300) * MILLISECOND
        schedule.clear(last)
        model.say([clear(last)])
    if ending == 'release':
        silence(now)
    while (due := schedule.next_time()) is not None:
        now = max(now, due)
        play_next(now)
    if ending == 'play on' and not whole_notes:
        # What was never said to end sounds on, rightly, until the player stops.
        silence(now)
    expect(not instrument.sounding, 'a note hangs')
    if not (whole_notes and ending == 'play on'):
        expect(not instrument.pedals, 'a pedal hangs')
    check_account(schedule, instrument, said)
    if limit == UNLIMITED and latency.strike is NO_STRIKE:
        check_performance(schedule, instrument, model)
    return sum(said.values()), sum(instrument.struck.values())


def check_performance(schedule, instrument, model):
    """What was played is what the model says, to the moment."""
    notes, others, withdrawn, dropped = model.performance(schedule.late_tolerance)
    expect(sorted(instrument.played) == notes, 'other notes were played, or at other times')
    expect(sorted(instrument.others) == others, 'other controls were sent, or at other times')
    expect((schedule.withdrawn, schedule.dropped) == (withdrawn, dropped), 'a wrong count')


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
