# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Calibrate on minutes of some recordings of one piano, and measure on all the others. In each
fold other recordings are fitted to. The table shows what each fit gives by itself, and all
together, in figures of mir_eval: the mean over the recordings of a fold, and over the folds.
Network outputs can be kept in a folder, so that a second run is quick.
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
from improv_ros.listening.transcription.estimator import Estimator
from improv_ros.listening.transcription.transcription_runtime import NetworkEstimator
from improv_ros.listening.transcription.velocity_scale import VelocityScale
from improv_ros.training.transcriber.estimators import load_estimator
from improv_ros.training.transcriber.recordings import Notes, Recording, find, sound_of
from improv_ros.training.transcriber.scores import compare

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


@dataclass(frozen=True)
class Fits:
    """What was fitted to some pieces."""

    bias: float
    line: VelocityScale
    registers: VelocityScale
    keys: VelocityScale
    decoding: dict[str, float] | None


class Figures(NamedTuple):
    """Means over recordings. error: mean onset error in ms. velocity_error: RMS in velocities."""

    onset_f1: float
    velocity_f1: float
    error: float
    velocity_error: float


def run(arguments: argparse.Namespace, result: Result) -> None:
    estimator = load_estimator(arguments.model_file)
    if not isinstance(estimator, NetworkEstimator):
        raise ValueError('only a network can be calibrated')
    pieces = [
        piece_of(recording, estimator, arguments.outputs)
        for recording in find(arguments.set, arguments.seconds)[: arguments.recordings]
        if recording.notes is not None and len(recording.notes)
    ]
    table = result.table(
        'Calibration',
        Column('fitted', width=34),
        Column('onset F1', '.3f'),
        Column('onset+velocity F1', '.3f'),
        Column('onset error (ms)', '.1f'),
        Column('velocity error', '.1f'),
    )
    rows: dict[str, list[Figures]] = {}
    kept = refused = 0
    used = 0.0
    for fold in range(arguments.folds):
        begin = fold * len(pieces) // arguments.folds
        order = pieces[begin:] + pieces[:begin]
        count, seconds = 0, 0.0
        while seconds < 60 * arguments.minutes and count < len(order) - 1:
            seconds += order[count].recording.seconds
            count += 1
        used += seconds / arguments.folds
        fits = fit(order[:count], estimator)
        kept += fits.decoding is not None
        refused += fits.decoding is None
        for name, figures in measure(order[count:], fits, estimator).items():
            rows.setdefault(name, []).append(figures)
    for name, figures_of_folds in rows.items():
        table.add(name, *np.mean(figures_of_folds, axis=0).tolist())
    result.note(
        f'{len(pieces)} recordings of at most {arguments.seconds:g} s, {arguments.folds} folds; '
        f'{used / 60:.1f} minutes are fitted to, on average. Thresholds were changed in {kept} '
        f'folds and left in {refused}.'
    )


def piece_of(recording: Recording, estimator: NetworkEstimator, folder: Path | None) -> Piece:
    """Return a piece; its outputs are read from the folder, or computed and kept there."""
    assert recording.notes is not None
    path = folder / f'{recording.name.replace("/", " ")}.npz' if folder else None
    if path and path.is_file():
        outputs = HopOutputs.load(path)
    else:
        sound = sound_of(recording, estimator.sample_rate)
        outputs = outputs_of(estimator, [sound])[estimator.latency_hops]
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            outputs.save(path)
    sent = [SentNote(on, off, round(p), round(v)) for on, off, p, v in recording.notes.tolist()]
    return Piece(recording, recording.notes, sent, outputs)


def fit(pieces: Sequence[Piece], estimator: Estimator) -> Fits:
    """Fit everything to some pieces."""
    errors, data = [], []
    for piece in pieces:
        heard = piece.outputs.decode(estimator.decoding)
        lag = loop_lag(piece.sent, heard, LONGEST_LAG) or estimator.onset_bias
        pairs = match(piece.sent, heard, constant(lag))
        errors += [heard[b].onset - piece.sent[a].onset for a, b in pairs]
        data.append(velocity_data(piece.outputs, piece.sent, heard, pairs))
    bias = fit_onset_bias(np.array(errors)).seconds
    takes = [Take(piece.outputs, piece.sent, constant(bias)) for piece in pieces]
    features, keys, struck, _ = map(np.concatenate, zip(*data, strict=True))
    try:
        decoding = fit_thresholds(takes, estimator.decoding).decoding
    except NotFittedError:
        decoding = None
    return Fits(
        bias,
        velocity_scale(features, keys, struck, registers=False, by_key=False),
        velocity_scale(features, keys, struck, by_key=False),
        velocity_scale(features, keys, struck),
        decoding,
    )


def measure(pieces: Sequence[Piece], fits: Fits, estimator: Estimator) -> dict[str, Figures]:
    """Return the figures of each fit by itself and of all, on pieces that were not fitted to."""
    variants = {
        'nothing': (estimator.onset_bias, None, False),
        'bias': (fits.bias, None, False),
        'velocity, one curve': (estimator.onset_bias, fits.line, False),
        'velocity, a curve a register': (estimator.onset_bias, fits.registers, False),
        'velocity, registers and keys': (estimator.onset_bias, fits.keys, False),
        'thresholds': (estimator.onset_bias, None, True),
        'bias, velocity': (fits.bias, fits.keys, False),
        'bias, velocity, thresholds': (fits.bias, fits.keys, True),
    }
    rows: dict[str, list[Figures]] = {name: [] for name in variants}
    for piece in pieces:
        shipped = piece.outputs.decode(estimator.decoding)
        tuned = piece.outputs.decode(fits.decoding) if fits.decoding else shipped
        for name, (bias, scale, with_thresholds) in variants.items():
            heard = tuned if with_thresholds else shipped
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
        score.velocity_f1,
        1000 * float(score.errors.mean()) if len(score.errors) else 0.0,
        float(np.sqrt(np.mean(off**2))) if len(off) else 0.0,
    )


def constant(lag: float) -> Callable[[int], float]:
    """Return a lag that is the same at all velocities."""
    return lambda _: lag
