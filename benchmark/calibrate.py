# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Calibrate on minutes of some recordings of one piano, and measure on all the others. In each
fold other recordings are fitted to. The table shows what each fit gives by itself, and all
together, in figures of mir_eval: the mean over the recordings of a fold, and over the folds. With
--other, the fits of each fold are also measured on another piano; with --noise, the notes are
counted that are invented in noise. Network outputs can be kept in a folder, so that a second run
is quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmark.harness import Column, Result, option
from improv_ros.calibration.hop_outputs import HeardNote, HopOutputs, outputs_of
from improv_ros.calibration.latency_fit import fit_onset_bias
from improv_ros.calibration.note_matching import loop_lag, match
from improv_ros.calibration.note_program import SentNote
from improv_ros.calibration.refusal import NotFittedError
from improv_ros.calibration.room_fit import velocity_data
from improv_ros.calibration.threshold_fit import Take, fit_thresholds
from improv_ros.calibration.velocity_fit import velocity_scale
from improv_ros.listening.transcription.estimator import Confirmation, Estimator
from improv_ros.listening.transcription.transcription_runtime import NetworkEstimator
from improv_ros.listening.transcription.velocity_scale import VelocityScale
from improv_ros.training.transcriber.estimators import load_estimator
from improv_ros.training.transcriber.recordings import Notes, Recording, find, sound_of
from improv_ros.training.transcriber.scores import compare

ALL_VELOCITIES = 'velocity, registers and keys'
LONGEST_LAG = 0.2  # seconds by which onsets may be heard late


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'set', type=Path, metavar='FOLDER', help='recordings of one piano with one microphone'
    )
    option(parser, '--recordings', 100, 'most recordings to use')
    option(parser, '--seconds', 600.0, 'length to use of each recording, in seconds')
    option(parser, '--minutes', 4.0, 'length of the recordings to fit to, in minutes')
    option(parser, '--folds', 5, 'number of folds')
    parser.add_argument(
        '--confirmed', action='store_true', help='measure what is confirmed, not what is heard'
    )
    parser.add_argument('--other', type=Path, metavar='FOLDER', help='recordings of another piano')
    parser.add_argument(
        '--noise', type=Path, metavar='FOLDER', help='recordings in which nobody plays'
    )
    parser.add_argument(
        '--model-file', default='', metavar='FILE', help='model (default: the shipped one)'
    )
    parser.add_argument(
        '--outputs', type=Path, metavar='FOLDER', help='folder that keeps outputs of the network'
    )


class Piece(NamedTuple):
    """A recording, its notes as both halves of the code want them, and the network's outputs."""

    recording: Recording
    notes: Notes
    sent: list[SentNote]
    outputs: HopOutputs

    @property
    def seconds(self) -> float:
        """The length of the outputs."""
        return len(self.outputs.onset) * self.outputs.hop_seconds


@dataclass(frozen=True)
class Fits:
    """What was fitted to some pieces."""

    bias: float
    velocities: dict[str, VelocityScale]  # empty where velocities are not known
    decoding: dict[str, float] | None


class Figures(NamedTuple):
    """Means over recordings. error: mean onset error in ms. velocity_error: RMS in velocities."""

    onset_f1: float
    error: float
    velocity_f1: float
    velocity_error: float


class Fold(NamedTuple):
    """A fold: the minutes fitted to, the fits, the figures of the other recordings and of another
    piano, by what was fitted, and the number of notes invented in noise."""

    minutes: float
    fits: Fits
    figures: dict[str, Figures]
    others_figures: dict[str, Figures]
    invented: int


def run(arguments: argparse.Namespace, result: Result) -> None:
    estimator = load_estimator(arguments.model_file)
    if not isinstance(estimator, NetworkEstimator):
        raise ValueError('only a network can be calibrated')
    shipped: Estimator | Confirmation = estimator
    if arguments.confirmed:
        if not estimator.confirmation:
            raise ValueError('the model confirms nothing')
        shipped = estimator.confirmation

    def pieces_of(place: Path) -> list[Piece]:
        return [
            piece_of(recording, estimator, shipped.latency_hops, arguments.outputs)
            for recording in find(place, arguments.seconds)[: arguments.recordings]
            if recording.notes is not None and len(recording.notes)
        ]

    pieces = pieces_of(arguments.set)
    other = pieces_of(arguments.other) if arguments.other else []
    noise = [
        outputs_in(recording, estimator, shipped.latency_hops, arguments.outputs)
        for recording in (find(arguments.noise) if arguments.noise else ())
    ]
    folds = []
    for number in range(arguments.folds):
        begin = number * len(pieces) // arguments.folds
        order = pieces[begin:] + pieces[:begin]
        count, left = 0, 60 * arguments.minutes
        while left > order[count].seconds and count < len(order) - 2:
            left -= order[count].seconds
            count += 1
        fitted = [*order[:count], cut(order[count], left)]
        fits = fit(fitted, shipped)
        decoding = fits.decoding or shipped.decoding
        folds.append(
            Fold(
                sum(piece.seconds for piece in fitted) / 60,
                fits,
                measure(order[count + 1 :], fits, shipped),
                measure(other, fits, shipped),
                sum(len(outputs.decode(decoding)) for outputs in noise),
            )
        )
    tabulate(result, 'Calibration', [fold.figures for fold in folds], has_velocities(pieces))
    if other:
        figures = [fold.others_figures for fold in folds]
        tabulate(result, 'Another piano', figures, has_velocities(other))
    if noise:
        length = sum(len(outputs.onset) * outputs.hop_seconds for outputs in noise)
        before = sum(len(outputs.decode(shipped.decoding)) for outputs in noise)
        result.note(
            f'In {length / 60:.0f} minutes of noise, {before} notes are invented with the shipped '
            f'thresholds and {np.mean([fold.invented for fold in folds]):.1f} with those of the '
            'folds, on average.'
        )
    changed = sum(fold.fits.decoding is not None for fold in folds)
    result.note(
        f'{len(pieces)} recordings of at most {arguments.seconds:g} s, {len(folds)} folds; '
        f'{np.mean([fold.minutes for fold in folds]):.1f} minutes are fitted to, on average. '
        f'Thresholds were changed in {changed} folds and left in {len(folds) - changed}.'
    )


def tabulate(
    result: Result, title: str, folds: Sequence[dict[str, Figures]], velocities: bool
) -> None:
    """Add a table of the means over the folds, with velocities where they are known."""
    columns = [
        Column('onset F1', '.3f'),
        Column('onset error (ms)', '.1f'),
        Column('onset+velocity F1', '.3f'),
        Column('velocity error', '.1f'),
    ]
    columns = columns if velocities else columns[:2]
    table = result.table(title, Column('fitted', width=34), *columns)
    for name in folds[0]:
        means = np.mean([fold[name] for fold in folds], axis=0).tolist()
        table.add(name, *means[: len(columns)])


def has_velocities(pieces: Sequence[Piece]) -> bool:
    """Tell whether the velocities of recordings are known: otherwise all are the same."""
    return any(np.ptp(piece.notes[:, 3]) > 0 for piece in pieces)


def piece_of(
    recording: Recording, estimator: NetworkEstimator, delay: int, folder: Path | None
) -> Piece:
    """Return a recording with its outputs."""
    assert recording.notes is not None
    outputs = outputs_in(recording, estimator, delay, folder)
    sent = [SentNote(on, off, round(p), round(v)) for on, off, p, v in recording.notes.tolist()]
    return Piece(recording, recording.notes, sent, outputs)


def outputs_in(
    recording: Recording, estimator: NetworkEstimator, delay: int, folder: Path | None
) -> HopOutputs:
    """Return the outputs of a delay; they are read from the folder, or computed and kept there."""

    def path_of(delay: int) -> Path | None:
        name = recording.name.replace('/', ' ')
        return folder / f'{name} {round(recording.seconds)} s {delay}.npz' if folder else None

    path = path_of(delay)
    if path and path.is_file():
        return HopOutputs.load(path)
    found = outputs_of(estimator, [sound_of(recording, estimator.sample_rate)])
    for each, kept in found.items():
        if path := path_of(each):
            path.parent.mkdir(parents=True, exist_ok=True)
            kept.save(path)
    return found[delay]


def cut(piece: Piece, seconds: float) -> Piece:
    """Return the first seconds of a piece."""
    outputs = piece.outputs
    hops = round(seconds / outputs.hop_seconds)
    return piece._replace(
        notes=piece.notes[piece.notes[:, 0] < seconds],
        sent=[note for note in piece.sent if note.onset < seconds],
        outputs=outputs._replace(
            onset=outputs.onset[:hops],
            frame=outputs.frame[:hops],
            offset=outputs.offset[:hops],
            velocity=outputs.velocity[:hops],
            power=outputs.power[:hops],
            logit=outputs.logit[:hops],
        ),
    )


def fit(pieces: Sequence[Piece], shipped: Estimator | Confirmation) -> Fits:
    """Fit everything to some pieces."""
    errors, data = [], []
    for piece in pieces:
        heard = piece.outputs.decode(shipped.decoding)
        lag = loop_lag(piece.sent, heard, LONGEST_LAG) or shipped.onset_bias
        pairs = match(piece.sent, heard, constant(lag))
        errors += [heard[b].onset - piece.sent[a].onset for a, b in pairs]
        if pairs:
            data.append(velocity_data(piece.outputs, piece.sent, heard, pairs))
    bias = fit_onset_bias(np.array(errors)).seconds
    takes = [Take(piece.outputs, piece.sent, constant(bias)) for piece in pieces]
    features, keys, struck, _ = map(np.concatenate, zip(*data, strict=True))
    try:
        decoding = fit_thresholds(takes, shipped.decoding).decoding
    except NotFittedError:
        decoding = None
    scales = {
        'velocity, one curve': velocity_scale(
            features, keys, struck, registers=False, by_key=False
        ),
        'velocity, a curve a register': velocity_scale(features, keys, struck, by_key=False),
        ALL_VELOCITIES: velocity_scale(features, keys, struck),
    }
    return Fits(bias, scales if has_velocities(pieces) else {}, decoding)


def measure(
    pieces: Sequence[Piece], fits: Fits, shipped: Estimator | Confirmation
) -> dict[str, Figures]:
    """Return the figures of each fit by itself and of all, on pieces that were not fitted to."""
    if not pieces:
        return {}
    bias = shipped.onset_bias
    variants: dict[str, tuple[float, VelocityScale | None, bool]] = {
        'nothing': (bias, None, False),
        'bias': (fits.bias, None, False),
        **{name: (bias, scale, False) for name, scale in fits.velocities.items()},
        'thresholds': (bias, None, True),
        'all': (fits.bias, fits.velocities.get(ALL_VELOCITIES), True),
    }
    rows: dict[str, list[Figures]] = {name: [] for name in variants}
    for piece in pieces:
        plain = piece.outputs.decode(shipped.decoding)
        tuned = piece.outputs.decode(fits.decoding) if fits.decoding else plain
        for name, (bias, scale, with_thresholds) in variants.items():
            heard = tuned if with_thresholds else plain
            if scale:
                heard = piece.outputs.rescaled(heard, scale)
            rows[name].append(figures_of(piece, heard, bias))
    return {name: Figures(*np.mean(found, axis=0).tolist()) for name, found in rows.items()}


def figures_of(piece: Piece, heard: Sequence[HeardNote], bias: float) -> Figures:
    """Return the figures of one recording."""
    notes = np.array(
        [
            (n.onset - bias, max(n.offset, n.onset + 0.001) - bias, n.pitch, n.velocity)
            for n in heard
        ]
    ).reshape(-1, 4)
    notes[:, :2] = np.maximum(notes[:, :2], (0.0, 0.001))
    score = compare(piece.notes, notes)
    pairs = match(piece.sent, heard, constant(bias))
    off = np.array([heard[b].velocity - piece.sent[a].velocity for a, b in pairs])
    return Figures(
        score.onset_f1,
        1000 * float(score.errors.mean()) if len(score.errors) else 0.0,
        score.velocity_f1,
        float(np.sqrt(np.mean(off**2))) if len(off) else 0.0,
    )


def constant(lag: float) -> Callable[[int], float]:
    """Return a lag that is the same at all velocities."""
    return lambda _: lag
