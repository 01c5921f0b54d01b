# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Writes the files of the transcriber's network: `.keras`, `.tflite` and `.json`."""

import json
from pathlib import Path
from typing import Any

from improv_ros.listening.transcription.transcription_runtime import VERSION
from improv_ros.training.engine.atomic_file import replace_atomically, write_atomically
from improv_ros.training.engine.litert_export import convert


def export(network: Any, path: Path, delay: int, int8: bool = False, **about: Any) -> None:
    """Write a network as PATH.keras, PATH.tflite and PATH.json, which describes both.

    delay: which of the network's delays, in hops, the node uses. int8: quantise the `.tflite`.
    about: further fields of the description, `onset_bias`, `offset_bias` (s) and `decoding`; see
    Estimator.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    save(network, path, delay, **about)
    data = litert(network, int8)
    write_atomically(path.with_suffix('.tflite'), lambda file: file.write(data))


def save(network: Any, path: Path, delay: int, **about: Any) -> None:
    """Write a network as PATH.keras and PATH.json, each atomically."""
    with replace_atomically(path.with_suffix('.keras')) as unfinished:
        network.save(unfinished)
    describe(network, path, delay, **about)


def describe(network: Any, path: Path, delay: int, **about: Any) -> None:
    """Write PATH.json, the description of a network's files."""
    description = {
        'front_end': VERSION,
        'channels': network.channels,
        'units': network.units,
        'delays': list(network.delays),
        'late': len(network.late_delays),
        'delay': delay,
        'parameters': int(network.count_params()),
        **about,
    }
    text = json.dumps(description, indent=2) + '\n'
    write_atomically(path.with_suffix('.json'), lambda file: file.write(text.encode()))


def litert(network: Any, int8: bool = False) -> bytes:
    """Return the network as a LiteRT file of one function on one stream.

    advance(spectra, past_spectra, past_semitones, memory), with a second stage also reports,
    processes a hop; see `signatures`.
    """
    from improv_ros.listening.transcription.transcription_runtime import signatures

    return convert(network, signatures(network), int8)
