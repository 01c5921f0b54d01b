"""Writing a network so that it can be played: `.keras`, `.tflite` and what both are."""

import json
import os
from pathlib import Path
from typing import Any

from improv_ros.improvising.vocabulary import VERSION
from improv_ros.training.litert_file import convert


def export(network: Any, path: Path) -> None:
    """Write a network as PATH.keras and PATH.tflite, and PATH.json, which says what it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save(network, path)
    path.with_suffix('.tflite').write_bytes(litert(network))


def save(network: Any, path: Path) -> None:
    """Write a network as PATH.keras, with PATH.json; a kill leaves the old or the new file."""
    unfinished = path.with_name(f'{path.stem}.part.keras')
    network.save(unfinished)
    os.replace(unfinished, path.with_suffix('.keras'))
    about = {
        'vocabulary': VERSION,
        'units': network.units,
        'depth': network.depth,
        'parameters': int(network.count_params()),
    }
    path.with_suffix('.json').write_text(json.dumps(about, indent=2) + '\n', encoding='utf-8')


def litert(network: Any) -> bytes:
    """Return the network as a LiteRT file of four functions on one performance.

    advance(event, h, c, keys) reads a step; time, what and velocity give the logits of the
    next one's factors. They are the functions of the same names that TensorFlow runs.
    """
    from improv_ros.improvising.runtime import signatures

    return convert(network, signatures(network))
