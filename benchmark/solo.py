"""Does a solo go on as music does? Minute by minute, beside minutes of real performances.

A solo is played faster than real time, and each of its minutes summed up:

notes a second; distinct 4-grams: of all four successive pitches, the share that are no repeat
within the minute; pitch-class entropy, in bits, 3.58 where all twelve are alike; the longest wait
between two onsets, the longest time that a key was held, and the most keys held at once.

    python benchmark/solo.py [FOLDER] [--minutes 60] [--temperature 0.95] ...
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
import time

import numpy as np
from performances import MS, SECOND, notes, performances

from improv_ros.event_text import TimedEvent, is_note_off, is_note_on
from improv_ros.improvising import Conversation, Settings, load_model

MINUTE = 60
FIGURES = (
    'notes a second',
    'distinct 4-grams',
    'pitch-class entropy',
    'longest wait, s',
    'longest note, s',
    'most keys held',
)
SHARES = (0, 5, 50, 95, 100)


def entropy(counts: np.ndarray) -> float:
    """Return the bits it takes to tell one of what was counted."""
    odds = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(odds * np.log2(odds)).sum())


def minutes_of(events: list[TimedEvent]) -> np.ndarray:
    """Return the figures of each whole minute, (minutes, figures)."""
    begun = notes(events)
    held = _held(events)
    rows = []
    for start in range(0, int(events[-1].time / SECOND) // MINUTE * MINUTE, MINUTE):
        onsets, pitches, _ = begun[(begun[:, 0] >= start) & (begun[:, 0] < start + MINUTE)].T
        fours = list(zip(*(pitches[shift:] for shift in range(4)), strict=False))
        within = held[(held[:, 0] >= start) & (held[:, 0] < start + MINUTE)]
        rows.append(
            (
                len(onsets) / MINUTE,
                len(set(fours)) / max(len(fours), 1),
                entropy(np.bincount(pitches.astype(int) % 12)),
                np.diff(onsets, prepend=start, append=start + MINUTE).max(),
                *within[:, 1:].max(axis=0, initial=0),
            )
        )
    return np.array(rows).reshape(-1, len(FIGURES))


def _held(events: Iterable[TimedEvent]) -> np.ndarray:
    """Return when each key went up, how long it was held, and how many were down with it."""
    down: dict[int, int] = {}
    rows = []
    for event in events:
        if is_note_on(event):
            down.setdefault(event.values[0], event.time)
        elif is_note_off(event) and event.values[0] in down:
            keys = len(down)
            held = event.time - down.pop(event.values[0])
            rows.append((event.time / SECOND, held / SECOND, keys))
    return np.array(rows, np.float64).reshape(-1, 3)


def solo(minutes: float, settings: Settings, model: str, seed: int) -> list[TimedEvent]:
    """Return what is played in so many minutes."""
    conversation = Conversation(load_model(model), settings, seed)
    events: list[TimedEvent] = []
    now = 0
    while now < minutes * MINUTE * SECOND:
        now += 20 * MS
        events += conversation.advance(now)
    return events


def table(name: str, rows: np.ndarray) -> None:
    print(f'\n{name}: {len(rows)} minutes')
    print('{:<22}'.format('') + ''.join(f'{f"p{share}":>8}' for share in SHARES))
    for figure, column in zip(FIGURES, rows.T, strict=True):
        values = ''.join(f'{value:8.2f}' for value in np.percentile(column, SHARES))
        print(f'{figure:<22}{values}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', nargs='?', type=Path, help='MIDI files to be set beside')
    parser.add_argument('--files', type=int, default=30, help='how many of them')
    parser.add_argument('--minutes', type=float, default=60)
    parser.add_argument('--model', default='', help='model file; default: the shipped one')
    parser.add_argument('--seed', type=int, default=1)
    default = Settings()
    parser.add_argument('--temperature', type=float, default=default.temperature)
    parser.add_argument('--top-p', type=float, default=default.top_p)
    parser.add_argument('--repetition-control', type=float, default=default.repetition_control)
    arguments = parser.parse_args()
    settings = Settings(
        mode='solo',
        temperature=arguments.temperature,
        top_p=arguments.top_p,
        repetition_control=arguments.repetition_control,
    )
    began = time.process_time()
    events = solo(arguments.minutes, settings, arguments.model, arguments.seed)
    print(f'{len(events)} events in {time.process_time() - began:.0f} s of one processor')
    rows = minutes_of(events)
    table('solo', rows)
    for start in range(0, len(rows), 10):
        print(f'  minutes {start:3} to {min(start + 10, len(rows)):3}, in the middle:', end='')
        print(''.join(f'{value:8.2f}' for value in np.median(rows[start : start + 10], axis=0)))
    if arguments.folder:
        real = [minutes_of(events) for events in performances(arguments.folder, arguments.files)]
        table(str(arguments.folder), np.concatenate(real))


if __name__ == '__main__':
    main()
