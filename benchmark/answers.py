"""Does an answer follow the phrase it answers? Openings of real performances are answered.

For each strength of `follow`: how the density, mean pitch, mean velocity and length of answers
go with those of their phrases (Pearson's correlation, and the mean absolute difference), and how
answers end: how long the last note sounds, how long the player had waited before it, and how often
the last chord has the tonic of the phrase. Then how soon an answer comes: from when the phrase is
known to have ended to its first event, and the network's part of it.

    python benchmark/answers.py FOLDER [--answers 60] [--follow 0 0.7 1]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from performances import MS, PROCESSOR_TIME, SECOND, clock_of, notes, performances

from improv_ros.event_text import TimedEvent, is_note_off, is_note_on, note_off
from improv_ros.improvising import Conversation, Settings
from improv_ros.improvising.key import tonic_of
from improv_ros.improvising.model import Model
from improv_ros.improvising.runtime import Runtime, load_runtime

FIGURES = ('density, notes/s', 'mean pitch', 'mean velocity', 'length, s')
SHORTEST, LONGEST = 4.0, 12.0  # seconds of a phrase


class Timed:
    """A runtime that adds up the time that it takes."""

    def __init__(self, runtime: Runtime, clock: Callable[[], float]) -> None:
        self._runtime = runtime
        self.clock = clock
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._runtime, name)

        def timed(*arguments: Any) -> Any:
            began = self.clock()
            try:
                return function(*arguments)
            finally:
                self.seconds += self.clock() - began

        return timed


def phrases(folder: Path, number: int) -> list[list[TimedEvent]]:
    """Return openings of 4 to 12 seconds, every key let go at the end."""
    random = np.random.default_rng(1)
    openings = []
    for events in performances(folder, number):
        end = round(random.uniform(SHORTEST, LONGEST) * SECOND)
        opening = [event for event in events if event.time < end]
        down: set[int] = set()
        for event in opening:
            if is_note_on(event):
                down.add(event.values[0])
            elif is_note_off(event):
                down.discard(event.values[0])
        opening += [note_off(end, pitch) for pitch in sorted(down)]
        if len(notes(opening)) >= 3:
            openings.append(opening)
    return openings


def answer(
    phrase: list[TimedEvent], model: Model, runtime: Timed, settings: Settings, seed: int
) -> tuple[list[TimedEvent], float, float]:
    """Return an answer, and the seconds until its first event: all, and the network's."""
    model.reset()
    conversation = Conversation(model, settings, seed)
    for event in phrase:
        conversation.hear(event, event.time)
    now, first = phrase[-1].time, None
    said: list[TimedEvent] = []
    while conversation.speaking or not said:
        now += 20 * MS
        runtime.seconds = 0.0
        began = runtime.clock()
        said += conversation.advance(now)
        if said and first is None:
            first = runtime.clock() - began, runtime.seconds
    assert first is not None
    return said, *first


def character(events: list[TimedEvent]) -> tuple[float, ...]:
    begun = notes(events)
    seconds = events[-1].time / SECOND - begun[0, 0]
    return len(begun) / max(seconds, 0.5), begun[:, 1].mean(), begun[:, 2].mean(), seconds


def ending(events: list[TimedEvent], tonic: int) -> tuple[float, ...]:
    """Return how an answer ends.

    How long the last note sounds, by key or pedal, and the wait before the last chord, both in
    seconds; whether that chord has the tonic, and whether its lowest note is the tonic.
    """
    begun = notes(events)
    onsets = begun[:, 0]
    last = onsets >= onsets[-1] - 0.05
    before = onsets[~last]
    wait = onsets[-1] - before[-1] if len(before) else 0.0
    chord = begun[last, 1]
    at_home = chord % 12 == tonic
    return events[-1].time / SECOND - onsets[-1], wait, at_home.any(), at_home[chord.argmin()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path, help='MIDI files whose openings are answered')
    parser.add_argument('--answers', type=int, default=60)
    parser.add_argument('--follow', type=float, nargs='+', default=[0.0, Settings().follow, 1.0])
    parser.add_argument('--model', default='', help='model file; default: the shipped one')
    parser.add_argument('--processor-time', action='store_true', help=PROCESSOR_TIME)
    arguments = parser.parse_args()
    runtime = Timed(load_runtime(arguments.model), clock_of(arguments.processor_time))
    model = Model(runtime)
    heard = phrases(arguments.folder, arguments.answers)
    asked = np.array([character(phrase) for phrase in heard])
    soon = []
    for follow in arguments.follow:
        given, endings = [], []
        for seed, phrase in enumerate(heard):
            said, *first = answer(phrase, model, runtime, Settings(follow=follow), seed)
            given.append(character(said))
            endings.append(ending(said, tonic_of(notes(phrase)[:, 1].astype(int))))
            soon.append(first)
        print(f'\nfollow {follow:g}: {len(heard)} answers')
        print(f'{"":<18}{"phrases":>9}{"answers":>9}{"correlation":>13}{"difference":>12}')
        for figure, phrase, reply in zip(FIGURES, asked.T, np.array(given).T, strict=True):
            together = np.corrcoef(phrase, reply)[0, 1]
            apart = np.abs(phrase - reply).mean()
            print(
                f'{figure:<18}{phrase.mean():9.1f}{reply.mean():9.1f}{together:13.2f}{apart:12.2f}'
            )
        ring, wait = np.percentile(np.array(endings)[:, :2], [10, 50, 90], axis=0).T
        home, lowest = np.mean(endings, axis=0)[2:]
        print('the last note sounds, s, p10/50/90:     {:.2f} / {:.2f} / {:.2f}'.format(*ring))
        print('the wait before the last chord, s:      {:.2f} / {:.2f} / {:.2f}'.format(*wait))
        print(f'the tonic in the last chord: {home:.0%}, as its lowest note: {lowest:.0%}')
    whole, network = np.percentile(np.array(soon) * 1000, [50, 99], axis=0).T
    print('\nto the first event, ms, p50/99:  {:.1f} / {:.1f}'.format(*whole))
    print('the network in it, ms:           {:.1f} / {:.1f}'.format(*network))


if __name__ == '__main__':
    main()
