"""Writing a network so that it can be played: `.keras`, `.tflite` and what both are."""

import json
from pathlib import Path
import tempfile
from typing import Any

from improv_ros.improvising.vocabulary import VERSION


def export(network: Any, folder: Path, name: str, **about: Any) -> None:
    """Write NAME.keras, NAME.tflite and NAME.json (the vocabulary's name and more)."""
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder / f'{name}.keras')
    (folder / f'{name}.tflite').write_bytes(litert(network))
    description = {
        'vocabulary': VERSION,
        'units': network.units,
        'depth': network.depth,
        'parameters': int(network.count_params()),
        **about,
    }
    (folder / f'{name}.json').write_text(json.dumps(description, indent=2) + '\n')


def litert(network: Any) -> bytes:
    """Return the network as a LiteRT file of four functions on one performance.

    advance(event, h, c, keys) reads a step; time, what and velocity give the logits of the
    next one's factors. They are the functions of the same names that TensorFlow runs.
    """
    import tensorflow as tf

    from improv_ros.improvising.runtime import signatures

    functions = signatures(network)
    module = tf.Module()
    module.functions = list(functions.values())
    module.weights = [variable.value for variable in network.variables]
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=functions)
        return tf.lite.TFLiteConverter.from_saved_model(folder).convert()
