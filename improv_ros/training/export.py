"""Writing a network so that it can be played: `.keras`, `.tflite` and what both are."""

import json
from pathlib import Path
from typing import Any

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
    describe(network, path, vocabulary)


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


def litert(network: Any, int8: bool = False) -> bytes:
    """Return the network as a LiteRT file of its four functions on one performance.

    They are the functions of the same names that TensorFlow runs. int8: weights in 8 bits, by
    dynamic-range quantisation.
    """
    from improv_ros.improvising.runtime import signatures

    return convert(network, signatures(network), int8)
