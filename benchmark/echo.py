# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Measures the echo canceller. A person's part and each robot's part are rendered, mixed as a
microphone would record them (the robot's sound delayed, and louder or softer), transcribed, and
cleared of echoes, beginning with an unknown delay. Notes match within 50 ms:

taken: the robot's own notes that are passed on as the person's, at their pitch, where the person
    played no such note; in % of all own notes.
invented: notes passed on that nobody played.
lost: the person's notes that were transcribed but removed by the canceller; in % of those
    transcribed.
recall: share of the person's notes in the transcription of the mixture, and after cancelling.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import itertools
from pathlib import Path
from typing import NamedTuple

import mir_eval
import numpy as np

from benchmark.harness import Column, Result, option
from improv_ros.bringup.shared_files import shared_file
from improv_ros.event_text import (
    SECOND,
    TimedEvent,
    is_note_off,
    is_note_on,
    midi_to_text,
    parse,
    read_midi,
    to_timed,
)
from improv_ros.listening.capture.audio_chunk import AudioChunk
from improv_ros.listening.capture.resampling import ChunkResampler
from improv_ros.listening.echo.echo_canceller import EchoCanceller
from improv_ros.listening.transcription.streaming_transcriber import (
    StreamingTranscriber,
    confirming_decoder_for,
)
from improv_ros.listening.transcription.transcription_runtime import load_estimator
from improv_ros.playing.synth.rendering import render

RATE = 44100
TOLERANCE = 0.05  # seconds
LOUDEST = 29000  # of int16
Notes = np.ndarray  # shape (notes, 2): onset in seconds, MIDI pitch


class Part(NamedTuple):
    events: list[TimedEvent]
    sound: np.ndarray  # mono


class Counts(NamedTuple):
    """Numbers of notes in one mixture."""

    own: int
    taken: int
    invented: int
    person: int
    heard: int
    passed: int

    def cells(self) -> tuple[float | None, ...]:
        """Return what the table shows."""
        return (
            self.own,
            100 * self.taken / max(1, self.own),
            self.invented,
            self.person,
            100 * (self.heard - self.passed) / self.heard if self.heard else None,
            self.heard / self.person if self.person else None,
            self.passed / self.person if self.person else None,
        )


def part_of(path: Path, seconds: float) -> Part:
    """Return the first `seconds` of a piece, from its first note on, on one channel."""
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


def transcriber_of(confirmed: bool) -> StreamingTranscriber:
    estimator = load_estimator()
    decoder = confirming_decoder_for(estimator) if confirmed else None
    return StreamingTranscriber(estimator, confirming_decoder=decoder)


def transcribe(sound: np.ndarray, confirmed: bool = False) -> list[TimedEvent]:
    transcriber = transcriber_of(confirmed)
    resampler = ChunkResampler(transcriber.sample_rate)
    chunk = AudioChunk(np.round(sound).astype(np.int16)[:, np.newaxis], RATE, 0, 0)
    events = []
    for piece in [*resampler.process(chunk), *resampler.flush()]:
        events += transcriber.process(piece.mono())
    events += transcriber.flush()
    return transcriber.take_confirmed() if confirmed else events


def cancel(
    sent: list[TimedEvent], heard: list[TimedEvent], confirmed: bool = False
) -> list[TimedEvent]:
    """Return the events passed on, when each arrives at the time at which the node gets it."""
    transcriber = transcriber_of(confirmed)
    seconds = transcriber.confirmed_latency if confirmed else transcriber.latency
    latency = round(seconds * SECOND)
    arrivals = [(event.time, False, event) for event in sent]
    arrivals += [(event.time + latency, True, event) for event in heard]
    canceller = EchoCanceller()
    passed = []
    for _, is_heard, event in sorted(arrivals, key=lambda moment: moment[:2]):
        if is_heard:
            passed += canceller.remove_echoes([event])
        else:
            canceller.add_sent([event])
    return passed


def notes_of(events: list[TimedEvent], delay: float = 0.0) -> Notes:
    notes = [(e.time / SECOND + delay, e.values[0]) for e in events if is_note_on(e)]
    return np.array(notes).reshape(-1, 2)


def matched(reference: Notes, estimated: Notes) -> list[int]:
    """Return the indices of the estimated notes that match a reference note."""
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


def measure(
    person: Part | None, robot: Part, delay: float, decibels: float, confirmed: bool = False
) -> Counts:
    later = np.concatenate((np.zeros(round(delay * RATE)), robot.sound))
    sounds = [later * 10 ** (decibels / 20)]
    if person:
        sounds.append(person.sound)
    heard = transcribe(mix(sounds), confirmed)
    passed = notes_of(cancel(robot.events, heard, confirmed))
    theirs, own = notes_of(person.events if person else []), notes_of(robot.events, delay)
    rightly = matched(theirs, passed)
    wrongly = np.delete(passed, rightly, axis=0)
    taken = len(matched(own, wrongly))
    return Counts(
        len(own),
        taken,
        len(wrongly) - taken,
        len(theirs),
        len(matched(theirs, notes_of(heard))),
        len(rightly),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'robots',
        type=Path,
        nargs='+',
        metavar='ROBOT.mid',
        help='MIDI file or event text of a part that the robot plays',
    )
    parser.add_argument(
        '--person',
        type=Path,
        default=shared_file('demo/fuer_elise.txt'),
        metavar='FILE',
        help="MIDI file or event text of the person's part (default: the demonstration's phrase)",
    )
    option(parser, '--seconds', 24.0, 'length that is played of each part, in seconds')
    option(
        parser,
        '--delays',
        [20.0, 80.0, 150.0],
        'delays of the loop from player to microphone, in ms',
    )
    option(parser, '--decibels', [-6.0, 0.0, 6.0], 'levels of the robot above the person, in dB')
    parser.add_argument(
        '--confirmed', action='store_true', help='measure confirmed_notes instead of heard_notes'
    )


def run(arguments: argparse.Namespace, result: Result) -> None:
    person = part_of(arguments.person, arguments.seconds)
    robots = {path.stem: part_of(path, arguments.seconds) for path in arguments.robots}
    alone = notes_of(transcribe(mix([person.sound]), arguments.confirmed))
    truth = notes_of(person.events)
    found = len(matched(truth, alone))
    result.note(
        f'Of {len(truth)} notes of the person alone, {found} are transcribed; '
        f'{len(alone) - found} are invented.'
    )
    table = result.table(
        'Notes of the robot and of the person',
        Column('robot', width=20),
        Column('delay, ms', 'g'),
        Column('level, dB', '+g'),
        Column('own notes', 'd'),
        Column('taken, %', '.2f'),
        Column('invented', 'd'),
        Column("person's notes", 'd'),
        Column('lost, %', '.2f'),
        Column('recall', '.2f'),
        Column('after cancelling', '.2f'),
    )

    def total(name: str, counts: list[Counts]) -> None:
        table.add(name, None, None, *Counts(*map(sum, zip(*counts, strict=True))).cells())

    both, silent, confirmed = [], [], arguments.confirmed
    for name, delay, decibels in itertools.product(robots, arguments.delays, arguments.decibels):
        both.append(measure(person, robots[name], delay / 1000, decibels, confirmed))
        table.add(name[:20], delay, decibels, *both[-1].cells())
    total('all', both)
    for robot, delay in itertools.product(robots.values(), arguments.delays):
        silent.append(measure(None, robot, delay / 1000, 0, confirmed))
    total('the person is silent', silent)
