# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How often answers bring back a motif of their phrase: four or more notes in succession with the
same intervals and, up to a factor for the tempo, the same rhythm. Beside it how often they bring
back one of another phrase, which is chance; and both for how the pianists went on themselves. The
pulse of answers: the tempo from the autocorrelation of their onsets, and how clear it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from benchmark.answers import LONGEST, SHORTEST
from benchmark.harness import Column, Result, option
from benchmark.performances import (
    MS,
    add_folder_argument,
    add_model_argument,
    notes,
    performances,
)
from improv_ros.event_text import SECOND, TimedEvent, is_note_off, is_note_on, note_off
from improv_ros.improvising import Dialogue, ImproviserSettings
from improv_ros.improvising.network.improviser_model import Model
from improv_ros.improvising.network.improviser_runtime import load_runtime
from improv_ros.improvising.network.vocabulary import Step, encode
from improv_ros.improvising.partner.adaptive_runtime import AdaptiveRuntime
from improv_ros.improvising.partner.heads_files import load_heads
from improv_ros.improvising.partner.motif_memory import MotifMemory
from improv_ros.improvising.partner.partner_learner import PartnerLearner

LENGTH = 4  # notes of a motif
RHYTHM = 0.25  # largest difference of the logarithms of two waits, after fitting the tempo
CHORD = 0.03  # seconds: closer onsets are simultaneous, and their order says nothing
STEP = 0.02  # seconds, of the autocorrelation
TEMPOS = (0.2, 1.2)  # seconds of a pulse, shortest and longest


def motifs(played: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the intervals and the log-waits (motifs, LENGTH - 1) of all motifs of some notes.

    played: (notes, 3), onset, pitch and velocity. Of simultaneous notes the highest counts.
    """
    line: list[tuple[float, float]] = []
    for onset, pitch, _ in played:
        if line and onset - line[-1][0] < CHORD:
            line[-1] = line[-1][0], max(line[-1][1], pitch)
        else:
            line.append((onset, pitch))
    melody = np.array(line).reshape(-1, 2)
    count = max(len(melody) - LENGTH + 1, 0)
    windows = np.arange(count)[:, None] + np.arange(LENGTH)
    onsets, pitches = melody[windows, 0], melody[windows, 1]
    intervals = np.diff(pitches, axis=1).reshape(count, LENGTH - 1)
    waits = np.log(np.diff(onsets, axis=1)).reshape(count, LENGTH - 1)
    moving = (intervals != 0).any(axis=1)  # a repeated note is no motif
    return intervals[moving], waits[moving]


def brings_back(answer: np.ndarray, phrase: np.ndarray) -> bool:
    """Return whether an answer has a motif of a phrase; both are notes as in `motifs`."""
    intervals, waits = motifs(answer)
    theirs, rhythm = motifs(phrase)
    for interval, wait in zip(intervals, waits, strict=True):
        same = (theirs == interval).all(axis=1)
        difference = wait - rhythm[same]
        difference -= difference.mean(axis=1, keepdims=True)
        if (np.abs(difference) < RHYTHM).all(axis=1).any():
            return True
    return False


def pulse(played: np.ndarray) -> tuple[float, float]:
    """Return the pulse of some notes in seconds, and how clear it is, 0 to 1.

    It is the lag at which the autocorrelation of the onsets, each smoothed over 60 ms, is largest,
    and that autocorrelation relative to the one without a lag.
    """
    onsets = played[:, 0] - played[0, 0]
    counts = np.bincount(np.rint(onsets / STEP).astype(int))
    smooth = np.convolve(np.minimum(counts, 1), [1, 2, 1])
    smooth = smooth - smooth.mean()
    correlation = np.correlate(smooth, smooth, 'full')[len(smooth) - 1 :]
    first, last = (round(seconds / STEP) for seconds in TEMPOS)
    lags = correlation[first : last + 1]
    if len(lags) == 0 or correlation[0] <= 0:
        return TEMPOS[1], 0.0
    best = int(lags.argmax())
    return (first + best) * STEP, max(float(lags[best] / correlation[0]), 0.0)


def excerpt(events: Sequence[TimedEvent], begin: int, end: int) -> list[TimedEvent]:
    """Return the events between two times, with every key that is down released at the end."""
    part = [event for event in events if begin <= event.time < end]
    down: set[int] = set()
    for event in part:
        if is_note_on(event):
            down.add(event.values[0])
        elif is_note_off(event):
            down.discard(event.values[0])
    return part + [note_off(end, pitch) for pitch in sorted(down)]


def answer(
    phrase: list[TimedEvent],
    runtime: AdaptiveRuntime,
    learner: PartnerLearner,
    settings: ImproviserSettings,
    seed: int,
) -> np.ndarray:
    """Return the notes of an answer to a phrase, by a robot that has heard nothing else."""
    learner.start()
    for step in encode(phrase).tolist():
        learner.hear(Step(*step))
    runtime.learnt, runtime.memory = learner.learnt, MotifMemory()
    runtime.memory.restore(encode(phrase))
    runtime.adapt, runtime.motifs = settings.adapt, settings.motifs
    dialogue = Dialogue(Model(runtime), settings, seed)
    for event in phrase:
        dialogue.hear(event, event.time)
    now = phrase[-1].time
    events: list[TimedEvent] = []
    while dialogue.playing or not events:
        now += 20 * MS
        events += dialogue.advance(now)
    return notes(events)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_folder_argument(parser)
    option(parser, '--answers', 60, 'number of answers')
    add_model_argument(parser)


def run(arguments: argparse.Namespace, result: Result) -> None:
    network = load_runtime(arguments.model)
    heads = load_heads(arguments.model, network)
    runtime, learner = AdaptiveRuntime(network, heads), PartnerLearner(network, heads)
    random = np.random.default_rng(1)
    phrases, continuations = [], []
    for events in performances(arguments.folder, arguments.answers):
        middle = round(random.uniform(SHORTEST, LONGEST) * SECOND)
        phrase, after = excerpt(events, 0, middle), excerpt(events, middle, 2 * middle)
        if min(len(notes(phrase)), len(notes(after))) >= 2 * LENGTH:
            phrases.append(phrase)
            continuations.append(notes(after))
    heard = [notes(phrase) for phrase in phrases]
    players = {'the pianist': continuations}
    for name, settings in (
        ('the robot, as shipped', ImproviserSettings(adapt=0.0)),
        ('without motifs', ImproviserSettings(motifs=0.0)),
        ('the default', ImproviserSettings()),
    ):
        players[name] = [
            answer(phrase, runtime, learner, settings, seed) for seed, phrase in enumerate(phrases)
        ]
    table = result.table(
        f'Motifs and pulse after {len(phrases)} phrases',
        Column('who goes on', width=22),
        Column('brings back a motif, %', '.0f'),
        Column('of another phrase, %', '.0f'),
        Column('clarity of the pulse', '.2f'),
        Column('same pulse as the phrase, %', '.0f'),
    )
    pulses = [pulse(phrase) for phrase in heard]
    for name, played in players.items():
        own = [brings_back(*pair) for pair in zip(played, heard, strict=True)]
        chance = [brings_back(*pair) for pair in zip(played, heard[1:] + heard[:1], strict=True)]
        theirs = [pulse(each) if len(each) else (0.0, 0.0) for each in played]
        same = [same_pulse(one[0], other[0]) for one, other in zip(theirs, pulses, strict=True)]
        clarity = [each[1] for each in theirs]
        means = [float(np.mean(each)) for each in (own, chance, clarity, same)]
        table.add(name, 100 * means[0], 100 * means[1], means[2], 100 * means[3])


def same_pulse(one: float, other: float) -> bool:
    """Return whether two pulses are equal within 8 %, or one is twice the other."""
    ratio = np.log2(max(one, STEP) / max(other, STEP))
    return abs(ratio - round(ratio)) < np.log2(1.08) and abs(ratio) < 1.2
