# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A network of the transcriber that has learnt nothing, in files: what a model looks like."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DELAYS = (3, 5, 8)
LATE_DELAYS = (12, 20)


def lively_network(channels: int = 24, units: int = 40):
    """Return a network whose random numbers are large enough for its outputs to vary."""
    from improv_ros.listening.transcription.transcription_network import TranscriptionNetwork

    network = TranscriptionNetwork(channels, units, DELAYS, LATE_DELAYS)
    network.build()
    random = np.random.default_rng(1)
    for variable in network.variables:
        shape = variable.shape
        spread = 1.5 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.3
        if variable.name.endswith(('_gain', '_bias')):
            spread = 0.5
        middle = variable.name.endswith('_gain')
        variable.assign(random.normal(middle, spread, shape).astype(np.float32))
    return network


def export_to(folder: Path, network, int8: bool = False, delay: int = 5, **about: float) -> Path:
    """Write the network's files; return the `.tflite`."""
    from improv_ros.training.transcriber.transcriber_files import export

    path = folder / f'{"int8" if int8 else "float"}.tflite'
    export(network, path, delay, int8, **about)
    return path


def noise(hops: int, seed: int = 1) -> np.ndarray:
    """Return sound with something new in every hop, (hops, 160)."""
    random = np.random.default_rng(seed)
    loudness = 10 ** random.uniform(-3, -0.5, (hops, 1))
    return (loudness * random.normal(0, 1, (hops, 160))).clip(-1, 1).astype(np.float32)
