# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Fits the linear regression of velocity estimation, from the loudness of notes to velocities. The
gain of each microphone is unknown, so each recording is centred: differences from its mean are
fitted. Fit on synthetic recordings (`improv synthesize`), then validate on others. The benchmark
prints the weights for `velocity_estimation.py` and, for each set, the mean over its recordings of
the correlation with the true velocities: with the fitted weights, with the present weights, and
with the output of the network alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmark.harness import Column, Result, option
from improv_ros.listening.transcription.estimator import LOWEST_PITCH, OUTPUTS
from improv_ros.listening.transcription.transcription_runtime import (
    DEFAULT_MODEL,
    read_model_description,
)
from improv_ros.listening.transcription.velocity_estimation import WEIGHTS, features, powers
from improv_ros.training.transcriber.posteriors import network_outputs
from improv_ros.training.transcriber.recordings import Recording, find

HOPS_A_SECOND = 100
ONSET, VELOCITY = (OUTPUTS.index(name) for name in ('onset', 'velocity'))
MIN_NOTES = 50  # of a recording that is used
ONSET_HOPS = 5  # in which the peak of the onset curve is searched


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'set', type=Path, metavar='FOLDER', help='folder of recordings to fit the weights to'
    )
    parser.add_argument(
        '--validation',
        type=Path,
        nargs='*',
        default=[],
        metavar='FOLDER',
        help='folders of recordings to validate the weights on',
    )
    option(parser, '--recordings', 60, 'most recordings to use of each folder')
    option(parser, '--seconds', 60.0, 'length to use of each recording, in seconds')
    parser.add_argument(
        '--model-file',
        type=Path,
        default=DEFAULT_MODEL.with_suffix('.keras'),
        metavar='FILE',
        help='.keras file of the transcriber network (default: the shipped one)',
    )


def run(arguments: argparse.Namespace, result: Result) -> None:
    table = result.table(
        'Velocity estimation',
        Column('recordings', width=24),
        Column('number', 'd'),
        Column('notes', 'd', 7),
        Column('weights', width=14),
        Column('correlation', '.3f'),
        Column('error, velocities RMS', '.1f'),
    )
    weights = np.zeros(0)
    for place in (arguments.set, *arguments.validation):
        found = find(place, arguments.seconds)[: arguments.recordings]
        pairs = list(centred(found, arguments.model_file))
        if not pairs:
            raise ValueError(f'{place} has no recording with {MIN_NOTES} notes or more')
        if not len(weights):
            features, played = map(np.concatenate, zip(*pairs, strict=True))
            weights = np.linalg.lstsq(features, played, rcond=None)[0]
        for name, row in (
            ('fitted', weights),
            ('present', np.array(WEIGHTS)),
            ('network alone', np.array((0, 0, 1, 0, 0))),
        ):
            correlation = np.mean([np.corrcoef(x @ row, y)[0, 1] for x, y in pairs])
            error = np.sqrt(np.mean(np.concatenate([x @ row - y for x, y in pairs]) ** 2))
            notes = sum(len(y) for _, y in pairs)
            table.add(str(place)[-24:], len(pairs), notes, name, correlation, error)
    shown = ', '.join(f'{weight:.3g}' for weight in weights)
    result.note(f'The fitted weights: WEIGHTS = ({shown}).')


def centred(recordings: list[Recording], model: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the features, (notes, 5), and the velocities of each recording, minus their means."""
    description = read_model_description(model)
    delay = description['delay']
    place = description['delays'].index(delay)
    for recording in recordings:
        if recording.notes is None or len(recording.notes) < MIN_NOTES:
            continue
        spectra, outputs = network_outputs(model, recording)
        power = powers(spectra)
        rows = []
        for onset, _, pitch, _ in recording.notes:
            key = round(pitch) - LOWEST_PITCH
            begin = round(onset * HOPS_A_SECOND) + delay
            peak = begin + int(np.argmax(outputs[begin : begin + ONSET_HOPS, key, place, ONSET]))
            hops = slice(peak - delay, peak + 2)
            network_velocity = outputs[peak, :, place, VELOCITY]
            rows.append(features(power[hops].max(axis=0), network_velocity)[:, key])
        found, played = np.array(rows), recording.notes[:, 3]
        yield found - found.mean(axis=0), played - played.mean()
