# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The transcriber is compared with the estimator without a network, and with basic-pitch, with its
default thresholds and with thresholds tuned on the same recordings; of a network that confirms,
the confirmed notes are measured too, and the cost of hearing both. FOLDER holds recordings, each
with its notes in a .tsv file beside it, as for `improv evaluate transcriber`. The transcriber and
the estimator run as in the node, in chunks of 10 ms; basic-pitch processes whole files and has no
latency. `--figures` draws F1 by latency, pitch and velocity, and an excerpt; it also draws the
measurements of `--saved`, which `improv evaluate transcriber --save` wrote.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
import multiprocessing
from pathlib import Path

import numpy as np

from benchmark.harness import Column, Result, Table, option
from improv_ros.listening.transcription.streaming_transcriber import (
    StreamingTranscriber,
    confirming_decoder_for,
)
from improv_ros.training.transcriber.estimators import SPECTRAL, load_estimator, transcriber
from improv_ros.training.transcriber.measurement import (
    Measurement,
    Transcription,
    transcribe_live,
)
from improv_ros.training.transcriber.recordings import Recording, find
from improv_ros.training.transcriber.scores import Score, compare, match, total

SCORES = (
    Column('onset F1', '.3f'),
    Column('precision', '.3f'),
    Column('recall', '.3f'),
    Column('onset+offset F1', '.3f'),
    Column('onset+velocity F1', '.3f'),
    Column('onsets late by, ms', '.1f'),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'set', type=Path, nargs='?', metavar='FOLDER', help='folder of recordings with notes'
    )
    parser.add_argument(
        '--model-file',
        action='append',
        default=[],
        metavar='FILE',
        help='.tflite or .keras file of a transcriber, or spectral; may be repeated '
        '(default: the shipped one and spectral)',
    )
    parser.add_argument(
        '--seconds',
        type=float,
        help='length to use of each recording, in seconds (default: all of it)',
    )
    option(parser, '--processes', 1, 'recordings transcribed at a time')
    parser.add_argument(
        '--basic-pitch',
        type=Path,
        metavar='FOLDER',
        help='measure basic-pitch too; its Python environment is made in this folder if missing',
    )
    parser.add_argument(
        '--save', type=Path, metavar='FOLDER', help='save each measurement in this folder'
    )
    parser.add_argument(
        '--saved',
        type=Path,
        nargs='+',
        default=[],
        metavar='FILE.npz',
        help='saved measurements to show beside the new ones',
    )
    parser.add_argument(
        '--figures', type=Path, metavar='FOLDER', help='draw three PNG files in this folder'
    )
    parser.add_argument(
        '--excerpt',
        default='',
        metavar='NAME',
        help='part of the name of the recording to draw an excerpt of (default: the first one)',
    )
    option(parser, '--start', 20.0, 'start of the excerpt, in seconds')


def run(arguments: argparse.Namespace, result: Result) -> None:
    if not arguments.set and not arguments.saved:
        raise ValueError('a folder of recordings or --saved is needed')
    lines = result.table(
        'Recordings', Column('model', width=22), Column('recording', width=32), *SCORES
    )
    measurements: list[Measurement] = []

    def add(
        name: str,
        latency: float,
        recordings: Sequence[Recording],
        transcriptions: Iterable[Transcription],
    ) -> None:
        measurements.append(_measurement(name, latency, recordings, transcriptions, lines))

    for path in arguments.saved:
        saved = Measurement.load(path)
        add(saved.model, saved.latency, saved.recordings, saved.transcriptions)
    if arguments.set:
        found = [one for one in find(arguments.set, arguments.seconds) if one.notes is not None]
        for model in arguments.model_file or ['', SPECTRAL]:
            estimator, name = load_estimator(model), Path(model).stem or 'transcriber'
            prompt = transcriber(estimator, {})
            add(name, prompt.latency, found, transcribe_all(model, found, arguments.processes))
            decoder = confirming_decoder_for(estimator)
            if decoder:
                both = StreamingTranscriber(estimator, prompt.decoder, decoder)
                transcriptions = transcribe_all(model, found, arguments.processes, True)
                add(f'{name}, confirmed', both.confirmed_latency, found, transcriptions)
        if arguments.basic_pitch:
            from benchmark.basic_pitch_baseline import BasicPitch

            baseline = BasicPitch(arguments.basic_pitch, found)
            add('basic-pitch', np.inf, found, baseline.default())
            settings, tuned = baseline.tuned()
            add('basic-pitch, tuned', np.inf, found, tuned)
            result.note(f'The tuned settings of basic-pitch: {settings}.')
    summary(measurements, result)
    if arguments.save:
        arguments.save.mkdir(parents=True, exist_ok=True)
        for measurement in measurements:
            measurement.save(arguments.save / f'{measurement.model}.npz')
    if arguments.figures:
        from benchmark.transcription_figures import draw

        draw(measurements, arguments.figures, arguments.excerpt, arguments.start)


def transcribe_all(
    model: str, recordings: list[Recording], processes: int, confirmed: bool = False
) -> Iterator[Transcription]:
    """Yield the live transcription of each recording by a model, in fresh processes.

    confirmed: whether of its confirmed notes.
    """
    context = multiprocessing.get_context('spawn')
    live = partial(transcribe_live, model=model, settings={}, confirmed=confirmed)
    with ProcessPoolExecutor(processes, mp_context=context) as executor:
        yield from executor.map(live, recordings)


def summary(measurements: list[Measurement], result: Result) -> None:
    """Add the tables of all recordings together."""
    for title, merge in (
        ('Means over the recordings', lambda scores: np.mean([*map(_cells, scores)], axis=0)),
        ('All notes taken together', lambda scores: _cells(total(scores))),
    ):
        table = result.table(
            title, Column('model', width=22), Column('algorithmic latency, ms', '.0f'), *SCORES
        )
        for measurement in measurements:
            scores = [
                compare(recording.true_notes, transcription.notes)
                for recording, transcription in played(measurement)
            ]
            live = np.isfinite(measurement.latency)
            latency = 1000 * measurement.latency if live else None
            table.add(measurement.model, latency, *merge(scores))
    timed = {
        measurement.model: [pair for pair in played(measurement) if pair[1].timing]
        for measurement in measurements
    }
    if not any(timed.values()):
        return
    table = result.table(
        'From the true onset until the event is published',
        Column('model', width=22),
        Column('p50, ms', '.0f'),
        Column('p95, ms', '.0f'),
        Column('computing of it, p50, ms', '.1f'),
        Column('processor time per second of sound, s', '.3f'),
        Column('memory, MB', '.0f'),
    )
    for model, pairs in timed.items():
        if pairs:
            table.add(model, *_costs(pairs))


def played(measurement: Measurement) -> list[tuple[Recording, Transcription]]:
    """Return the recordings that have notes, with their transcriptions."""
    pairs = zip(measurement.recordings, measurement.transcriptions, strict=True)
    return [(recording, heard) for recording, heard in pairs if recording.notes is not None]


def _measurement(
    name: str,
    latency: float,
    recordings: Sequence[Recording],
    results: Iterable[Transcription],
    lines: Table,
) -> Measurement:
    """Add a row for each recording when it is transcribed; return all of them together."""
    transcriptions = []
    for recording, one in zip(recordings, results, strict=True):
        transcriptions.append(one)
        if recording.notes is not None:
            lines.add(name, recording.name[:32], *_cells(compare(recording.true_notes, one.notes)))
    return Measurement(name, latency, recordings, transcriptions)


def _cells(score: Score) -> tuple[float, ...]:
    late = 1000 * score.errors.mean() if score.matched else 0.0
    scores = (score.onset_f1, score.precision, score.recall, score.offset_f1, score.velocity_f1)
    return (*scores, late)


def _costs(timed: Iterable[tuple[Recording, Transcription]]) -> tuple[float, ...]:
    latencies, computing = [np.zeros(0)], [np.zeros(0)]
    seconds = processor = megabytes = 0.0
    for recording, transcription in timed:
        places, found = match(recording.true_notes, transcription.notes).T
        timing = transcription.timing
        assert timing is not None
        latencies.append(timing.published[found] - recording.true_notes[places, 0])
        computing.append(timing.published[found] - timing.known[found])
        seconds += recording.seconds
        processor += timing.computing
        megabytes = max(megabytes, timing.megabytes)
    whole, part = 1000 * np.concatenate(latencies), 1000 * np.concatenate(computing)
    if not len(whole):
        whole = part = np.zeros(1)
    return *np.percentile(whole, (50, 95)), np.median(part), processor / seconds, megabytes
