"""Writing a network so that it can be played: `.keras`, `.tflite` and what both are."""

import json
from pathlib import Path
from typing import Any
import zipfile

from keras import ops

from improv_ros.improvising.vocabulary import VERSION
from improv_ros.training.litert_file import convert

from .whole_file import replacing, write_whole


def export(network: Any, path: Path) -> None:
    """Write a network as PATH.keras and PATH.tflite, and PATH.json, which says what it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save(network, path)
    data = litert(network)
    write_whole(path.with_suffix('.tflite'), lambda file: file.write(data))


def save(network: Any, path: Path, vocabulary: str = VERSION) -> None:
    """Write a network as PATH.keras, with PATH.json; a kill leaves the old or the new file.

    vocabulary: the name of what it speaks. Raises OSError if the disk refuses.
    """
    with replacing(path.with_suffix('.keras')) as unfinished:
        network.save(unfinished)
        _deflate(unfinished)
    describe(network, path, vocabulary)


def round_weights(network: Any) -> None:
    """Round a network's weights to what 16 bits can hold."""
    for variable in network.trainable_variables:
        variable.assign(ops.cast(ops.cast(variable, 'float16'), 'float32'))


def _deflate(path: Path) -> None:
    """Write a zip file, which Keras stores as it is, anew in less space."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def describe(network: Any, path: Path, vocabulary: str = VERSION) -> None:
    """Write PATH.json, which says what a network's files hold."""
    about = {
        'vocabulary': vocabulary,
        'memory': network.moved_by,
        'units': network.units,
        'depth': network.depth,
        'parameters': int(network.count_params()),
    }
    text = json.dumps(about, indent=2) + '\n'
    write_whole(path.with_suffix('.json'), lambda file: file.write(text.encode()))


def litert(network: Any, int8: bool = False, float16: bool = False) -> bytes:
    """Return the network as a LiteRT file of its four functions on one performance.

    They are the functions of the same names that TensorFlow runs. int8: weights in 8 bits, by
    dynamic-range quantisation; float16: in 16 bits.
    """
    from improv_ros.improvising.runtime import signatures

    return convert(network, signatures(network), int8, float16)
