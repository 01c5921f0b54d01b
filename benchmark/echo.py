"""Does the robot take its own notes for the person's? Measured where both sound at once.

A person's part and each robot's part are rendered, mixed as a microphone would hear them (the
robot's sound so much later and louder or softer), transcribed, and cleared of echoes, from the
first note on, with nothing known beforehand.

taken: own notes still taken for the person's: passed on at their pitch, within 50 ms, where the
    person played no such note. Percent of all own notes.
invented: notes passed on that nobody played; `alone` is how many the transcriber invents when it
    hears the person only.
lost: the person's notes which the transcriber heard (right pitch, within 50 ms) and the canceller
    left out. Percent of those heard.
recall: share of all the person's notes that is heard: alone, with the robot sounding too (it
    drowns some of them), and after cancelling.

    python benchmark/echo.py ROBOT.mid... [--person PERSON.mid] [--seconds 30]
"""

import argparse
from collections.abc import Sequence
import itertools
from pathlib import Path
import sys
from typing import NamedTuple

import mir_eval
import numpy as np

from improv_ros import bringup
from improv_ros.event_text import (
    TimedEvent,
    is_note_off,
    is_note_on,
    midi_to_text,
    parse,
    read_midi,
    to_timed,
)
from improv_ros.listening.audio_chunk import AudioChunk
from improv_ros.listening.echo import EchoCanceller
from improv_ros.listening.resampling import Resampler
from improv_ros.listening.runtime import load_estimator
from improv_ros.listening.transcription import StreamingTranscriber
from improv_ros.playing.render import render

SECOND = 1_000_000_000
RATE = 44100
TOLERANCE = 0.05  # seconds
LOUDEST = 29000  # of int16
Notes = np.ndarray  # shape (notes, 2): onset in seconds, MIDI pitch


class Part(NamedTuple):
    events: list[TimedEvent]
    sound: np.ndarray  # mono


class Result(NamedTuple):
    own: int
    taken: int
    invented: int
    person: int
    heard: int
    passed: int

    @property
    def taken_percent(self) -> float:
        return 100 * self.taken / max(1, self.own)

    @property
    def lost_percent(self) -> float:
        return 100 * (self.heard - self.passed) / max(1, self.heard)


def part_of(path: Path, seconds: float) -> Part:
    """The beginning of a piece, from its first note on, on one channel."""
    text = parse(path.read_bytes()) if path.suffix == '.txt' else midi_to_text(read_midi(path))
    events = [e for e in to_timed(text) if is_note_on(e) or is_note_off(e)]
    if not events:
        raise ValueError(f'{path} has no notes')
    start = events[0].time
    events = [
        e._replace(time=e.time - start, values=(*e.values[:2], 0))
        for e in events
        if e.time - start < seconds * SECOND
    ]
    return Part(events, render(events, sample_rate=RATE, start=0).mean(axis=1))


def mix(parts: Sequence[np.ndarray]) -> np.ndarray:
    both = np.zeros(max(map(len, parts)))
    for part in parts:
        both[: len(part)] += part
    return both * min(1.0, LOUDEST / np.abs(both).max())


def transcribe(sound: np.ndarray) -> list[TimedEvent]:
    transcriber = StreamingTranscriber(load_estimator())
    resampler = Resampler(transcriber.sample_rate)
    chunk = AudioChunk(np.round(sound).astype(np.int16)[:, np.newaxis], RATE, 0, 0)
    events = []
    for piece in [*resampler.process(chunk), *resampler.flush()]:
        events += transcriber.process(piece.mono())
    return events + transcriber.flush()


def cancel(sent: list[TimedEvent], heard: list[TimedEvent]) -> list[TimedEvent]:
    """What is passed on, each event being told when the node would tell it."""
    latency = round(StreamingTranscriber(load_estimator()).latency * SECOND)
    told = [(event.time, False, event) for event in sent]
    told += [(event.time + latency, True, event) for event in heard]
    canceller = EchoCanceller()
    passed = []
    for _, is_heard, event in sorted(told, key=lambda moment: moment[:2]):
        if is_heard:
            passed += canceller.heard([event])
        else:
            canceller.sent([event])
    return passed


def notes_of(events: list[TimedEvent], delay: float = 0.0) -> Notes:
    notes = [(e.time / SECOND + delay, e.values[0]) for e in events if is_note_on(e)]
    return np.array(notes).reshape(-1, 2)


def matched(reference: Notes, estimated: Notes) -> list[int]:
    """Which of the estimated notes are some of the reference."""
    if not len(reference) or not len(estimated):
        return []
    described = []
    for notes in (reference, estimated):
        intervals = np.column_stack((notes[:, 0], notes[:, 0] + 0.1))
        described += [intervals, 440 * 2 ** ((notes[:, 1] - 69) / 12)]
    pairs = mir_eval.transcription.match_notes(
        *described, onset_tolerance=TOLERANCE, offset_ratio=None
    )
    return [estimate for _, estimate in pairs]


def measure(person: Part | None, robot: Part, delay: float, decibels: float) -> Result:
    later = np.concatenate((np.zeros(round(delay * RATE)), robot.sound))
    sounds = [later * 10 ** (decibels / 20)]
    if person:
        sounds.append(person.sound)
    heard = transcribe(mix(sounds))
    passed = notes_of(cancel(robot.events, heard))
    theirs, own = notes_of(person.events if person else []), notes_of(robot.events, delay)
    rightly = matched(theirs, passed)
    wrongly = np.delete(passed, rightly, axis=0)
    taken = len(matched(own, wrongly))
    return Result(
        len(own),
        taken,
        len(wrongly) - taken,
        len(theirs),
        len(matched(theirs, notes_of(heard))),
        len(rightly),
    )


def line(name: str, result: Result) -> str:
    shares = [result.heard / max(1, result.person), result.passed / max(1, result.person)]
    return (
        f'{name:34} {result.own:5} {result.taken_percent:6.2f} {result.invented:8} '
        f'{result.person:7} {result.lost_percent:6.2f}  ' + ' '.join(f'{s:.2f}' for s in shares)
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('robots', type=Path, nargs='+', help='MIDI or event text of each robot')
    parser.add_argument('--person', type=Path, default=bringup.share('demo/fuer_elise.txt'))
    parser.add_argument('--seconds', type=float, default=24.0, help='of each part')
    parser.add_argument('--delays', type=float, nargs='+', default=[20, 80, 150], help='ms')
    parser.add_argument(
        '--decibels', type=float, nargs='+', default=[-6, 0, 6], help='robot against person'
    )
    arguments = parser.parse_args()
    try:
        person = part_of(arguments.person, arguments.seconds)
        robots = {path: part_of(path, arguments.seconds) for path in arguments.robots}
    except (OSError, ValueError) as error:
        print(f'echo: {error}', file=sys.stderr)
        return 2

    alone = notes_of(transcribe(mix([person.sound])))
    truth = notes_of(person.events)
    found = len(matched(truth, alone))
    print(
        f'the person alone: {len(truth)} notes, {found / len(truth):.2f} heard, '
        f'{len(alone) - found} invented\n'
        f'{"robot, delay, loudness":34} {"own":>5} {"taken":>6} {"invented":>8} {"person":>7} '
        f'{"lost":>6}  {"recall":}\n'
        f'{"":34} {"notes":>5} {"%":>6} {"notes":>8} {"notes":>7} {"%":>6}  both, after'
    )
    results = []
    for path, milliseconds, decibels in itertools.product(
        arguments.robots, arguments.delays, arguments.decibels
    ):
        results.append(measure(person, robots[path], milliseconds / 1000, decibels))
        name = f'{path.stem[:20]} {milliseconds:g} ms {decibels:+g} dB'
        print(line(name, results[-1]), flush=True)
    print(line('all notes', Result(*map(sum, zip(*results, strict=True)))))

    silent = []
    for path, milliseconds in itertools.product(arguments.robots, arguments.delays):
        silent.append(measure(None, robots[path], milliseconds / 1000, 0))
    print(line('the person being silent', Result(*map(sum, zip(*silent, strict=True)))))
    return 0


if __name__ == '__main__':
    sys.exit(main())
