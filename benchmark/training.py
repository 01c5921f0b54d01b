# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Measures the speed of training on random music, in batches like those of `improv train`. The
Keras backend is that of the environment: `KERAS_BACKEND=jax improv bench training`. A size is the
name of a network (improviser, by-note, performance-rnn), its units and its layers, such as
by-note:512x2.
"""

from __future__ import annotations

import argparse
import re
import time

import numpy as np

from benchmark.harness import Column, Result, option
from improv_ros.training.improviser.representations import AS_PLAYED, PERFORMANCE_RNN

# The representation and the recurrence of each network.
NETWORKS = {
    'improviser': (AS_PLAYED, 'per_event'),
    'by-note': (AS_PLAYED, 'per_note'),
    'performance-rnn': (PERFORMANCE_RNN, 'per_event'),
}
STEPS_PER_NOTE = {'improviser': 2.2, 'by-note': 2.2, 'performance-rnn': 4.0}  # on MAESTRO


def batch(name: str, streams: int, steps: int) -> np.ndarray:
    """Return random steps that a keyboard allows, int32 (streams, steps + 1, factors)."""
    random = np.random.default_rng(1)
    shape = (streams, steps + 1)
    if name == 'performance-rnn':
        return random.integers(0, 388, (*shape, 1)).astype(np.int32)
    places = np.arange(steps + 1)
    keys = (places // 2 + random.integers(0, 88, (streams, 1))) % 88
    event_type = np.where(places % 2, keys, 88 + (keys - 1) % 88)
    event_type[:, 0] = 178
    velocity = np.broadcast_to(np.where(places % 2, 16, 0), shape)
    time = random.integers(0, 40, shape)
    return np.stack([time, event_type, velocity], axis=-1).astype(np.int32)


def measure(size: str, streams: int, steps: int, batches: int) -> tuple[float, ...]:
    """Return the cells of the row of a size."""
    import keras

    from improv_ros.training.improviser import network_files
    from improv_ros.training.improviser.performance_streams import Streams, nll_loss

    name, _, shape = size.partition(':')
    units, _, depth = shape.partition('x')
    representation, recurrence = NETWORKS[name]
    network = network_files.build(representation, int(units), int(depth), recurrence=recurrence)
    model = Streams(network, streams)
    model.compile(optimizer=keras.optimizers.Adam(1e-3, global_clipnorm=1.0), loss=nll_loss)
    events, fresh = batch(name, streams, steps), np.zeros(streams, np.float32)
    real = np.ones((streams, steps, 1), np.float32)
    times, cpu_times = [], []
    for _ in range(batches + 2):  # the first two compile
        began, cpu_began = time.perf_counter(), time.process_time()
        np.asarray(model.train_on_batch((events, fresh), real))
        times.append(time.perf_counter() - began)
        cpu_times.append(time.process_time() - cpu_began)
    seconds = float(np.median(times[2:]))
    rate = streams * steps / seconds
    return (
        network.count_params() / 1e6,
        1000 * seconds,
        float(np.median(cpu_times[2:])),
        rate,
        rate / STEPS_PER_NOTE[name],
        times[0] + times[1],
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option(
        parser,
        '--sizes',
        ['by-note:512x2', 'improviser:384x1', 'performance-rnn:512x3'],
        'networks to measure',
        metavar='NAME:UNITSxLAYERS',
    )
    option(parser, '--streams', 64, 'number of performances in a batch')
    option(parser, '--steps', 128, 'steps between two weight updates')
    option(parser, '--batches', 12, 'number of timed batches')
    option(
        parser,
        '--precision',
        'full',
        'arithmetic: float32, or bfloat16 with float32 weights',
        choices=['full', 'mixed'],
    )


def run(arguments: argparse.Namespace, result: Result) -> None:
    for size in arguments.sizes:
        if not re.fullmatch(rf'({"|".join(NETWORKS)}):\d+x\d+', size):
            raise ValueError(f'{size!r} is not NAME:UNITSxLAYERS, NAME of {", ".join(NETWORKS)}')
    import keras

    if arguments.precision == 'mixed':
        keras.config.set_dtype_policy('mixed_bfloat16')
    table = result.table(
        f'{keras.backend.backend()}, {arguments.precision} precision',
        Column('size', width=22),
        Column('million parameters', '.2f'),
        Column('ms per batch', '.0f'),
        Column('CPU seconds per batch', '.2f'),
        Column('steps/s', ',.0f'),
        Column('notes/s', ',.0f'),
        Column('first two batches, s', '.0f'),
    )
    for size in arguments.sizes:
        table.add(size, *measure(size, arguments.streams, arguments.steps, arguments.batches))
