# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Writing the files of an improviser: `.keras`, `.tflite`, and the `.json` description."""

import json
from pathlib import Path
from typing import Any
import zipfile

from keras import ops

from improv_ros.improvising.network.vocabulary import VERSION
from improv_ros.training.engine.atomic_file import replace_atomically, write_atomically
from improv_ros.training.engine.litert_export import convert


def export(network: Any, path: Path) -> None:
    """Write a network as PATH.keras and PATH.tflite, with its description PATH.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save(network, path)
    data = litert(network)
    write_atomically(path.with_suffix('.tflite'), lambda file: file.write(data))


def save(network: Any, path: Path, vocabulary: str = VERSION) -> None:
    """Write a network as PATH.keras, atomically, with its description PATH.json.

    vocabulary: name of its representation. Raises OSError if a file cannot be written.
    """
    with replace_atomically(path.with_suffix('.keras')) as unfinished:
        network.save(unfinished)
        _deflate(unfinished)
    describe(network, path, vocabulary)


def round_weights(network: Any) -> None:
    """Round the weights of a network to float16 values."""
    for variable in network.trainable_variables:
        variable.assign(ops.cast(ops.cast(variable, 'float16'), 'float32'))


def _deflate(path: Path) -> None:
    """Compress a zip file, whose members Keras stores uncompressed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def describe(network: Any, path: Path, vocabulary: str = VERSION) -> None:
    """Write PATH.json, the description of the files of a network."""
    about = {
        'vocabulary': vocabulary,
        'recurrence': network.recurrence,
        'units': network.units,
        'depth': network.depth,
        'parameters': int(network.count_params()),
    }
    text = json.dumps(about, indent=2) + '\n'
    write_atomically(path.with_suffix('.json'), lambda file: file.write(text.encode()))


def litert(network: Any, int8: bool = False, float16: bool = False) -> bytes:
    """Return a LiteRT file with the four functions of a network, for one performance.

    int8: weights in 8 bits, by dynamic-range quantisation; float16: weights in 16 bits.
    """
    from improv_ros.improvising.network.improviser_runtime import signatures

    return convert(network, signatures(network), int8, float16)
