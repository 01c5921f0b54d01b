# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Measures the speed of training the transcriber on random spectra, in batches like those of
`improv train transcriber`. The Keras backend is that of the environment:
`KERAS_BACKEND=jax improv bench audio_training`, `KERAS_BACKEND=torch improv bench audio_training
--precision mixed`. Times are CPU times, which other programs disturb
little.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import time
from typing import Any

import numpy as np

from benchmark.harness import Column, Result, option
from improv_ros.listening.transcription.estimator import OUTPUTS, PITCHES
from improv_ros.listening.transcription.spectra import BANDS, HOP, SAMPLE_RATE, SEMITONES, WINDOWS
from improv_ros.training.transcriber.examples import RecordingWindow
from improv_ros.training.transcriber.transcriber_options import PRECISIONS

GROUPS = 4
PLACES = {  # at which a layer is applied; the others are applied at every key
    'attack': BANDS,
    'semitone': SEMITONES,
    'change': SEMITONES,
    'squeeze': SEMITONES,
    'surroundings': 1,
}
PRODUCT_SIZE = 1024  # rows of the matrices whose product is timed


def multiplications(network: Any) -> int:
    """Return the number of multiplications of a hop: each weight counts once per place."""
    return sum(
        int(np.prod(layer.kernel.shape)) * PLACES.get(name, PITCHES)
        for name, layer in network.named_layers.items()
    )


def cpu_seconds(work: Callable[[], Any], times: int) -> float:
    """Return the CPU time of one of several calls, in seconds, after two calls that compile."""
    for _ in range(2):
        work()
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def product_rate(dtype: str) -> float:
    """Return the GFLOP/s of a product of two square matrices with the backend."""
    from keras import ops

    random = np.random.default_rng(1)
    shape = (PRODUCT_SIZE, PRODUCT_SIZE)
    matrix = ops.convert_to_tensor(random.random(shape, np.float32), dtype)
    seconds = cpu_seconds(lambda: ops.convert_to_numpy((matrix @ matrix)[0, 0]), 10)
    return 2 * PRODUCT_SIZE**3 / seconds / 1e9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option(parser, '--channels', 32, 'channels of the convolutions')
    option(parser, '--units', 64, 'units of the GRU of each key')
    option(parser, '--late-delays', [15, 20], 'delays of the second stage, in hops of 10 ms')
    option(parser, '--streams', 2, 'recordings side by side in a batch')
    option(parser, '--hops', 50, 'hops of a batch')
    parser.add_argument(
        '--precision',
        choices=PRECISIONS,
        default='full',
        help='mixed: matrix products in bfloat16, for KERAS_BACKEND=torch (default: full)',
    )
    option(parser, '--batches', 10, 'number of timed batches')
    parser.add_argument('--second-stage', action='store_true', help='train the second stage alone')


def run(arguments: argparse.Namespace, result: Result) -> None:
    import keras

    from improv_ros.listening.transcription.transcription_network import TranscriptionNetwork
    from improv_ros.training.transcriber.recording_streams import (
        RecordingStreams,
        reader,
        transcription_loss,
    )
    from improv_ros.training.transcriber.train_transcriber import run_on_batch

    network = TranscriptionNetwork(
        arguments.channels, arguments.units, late_delays=tuple(arguments.late_delays)
    )
    network.build()
    if arguments.second_stage:
        network.freeze_first_stage()
    model = RecordingStreams(network, GROUPS, arguments.streams, reader(arguments.precision))
    optimizer = keras.optimizers.Adam(
        1e-3, global_clipnorm=1.0, gradient_accumulation_steps=GROUPS
    )
    model.compile(optimizer=optimizer, loss=transcription_loss)
    random, shape = np.random.default_rng(1), (arguments.streams, arguments.hops)
    window = RecordingWindow(
        np.zeros(arguments.streams, np.int32),
        np.zeros(arguments.streams, np.float32),
        random.uniform(-1, 0, (*shape, BANDS, len(WINDOWS))).astype(np.float16),
        random.random((*shape, PITCHES, len(network.delays), len(OUTPUTS))).astype(np.float16),
    )
    seconds = cpu_seconds(
        lambda: run_on_batch(model, window, model.train_on_batch), arguments.batches
    )
    hops = arguments.streams * arguments.hops
    work = multiplications(network)
    # One pass forward and two backward, a multiplication and an addition each.
    rate = None if arguments.second_stage else 6 * work * hops / seconds / 1e9
    result.table(
        keras.backend.backend(),
        Column('parameters', ',d'),
        Column('million multiplications per hop', '.1f'),
        Column('seconds of sound per CPU second', '.1f'),
        Column('GFLOP/s', '.1f'),
        Column('GFLOP/s of a matrix product', '.1f'),
    ).add(
        network.count_params(),
        work / 1e6,
        hops * HOP / SAMPLE_RATE / seconds,
        rate,
        product_rate('float32' if arguments.precision == 'full' else 'bfloat16'),
    )
