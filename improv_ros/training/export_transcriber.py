"""Writing the transcriber's network to be run: `.keras`, `.tflite` and what both are."""

import json
from pathlib import Path
from typing import Any

from improv_ros.listening.runtime import VERSION
from improv_ros.training.litert_file import convert
from improv_ros.training.whole_file import replacing, write_whole


def export(network: Any, path: Path, delay: int, int8: bool = False, **about: Any) -> None:
    """Write a network as PATH.keras and PATH.tflite, and PATH.json, which says what it is.

    delay: which of the network's delays, in hops, is listened to. int8: quantise the `.tflite`.
    about: what else is known of it, `onset_bias` (s) and `decoding`; see Estimator.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    save(network, path, delay, **about)
    data = litert(network, int8)
    write_whole(path.with_suffix('.tflite'), lambda file: file.write(data))


def save(network: Any, path: Path, delay: int, **about: Any) -> None:
    """Write a network as PATH.keras, with PATH.json; a kill leaves the old or the new file."""
    with replacing(path.with_suffix('.keras')) as unfinished:
        network.save(unfinished)
    describe(network, path, delay, **about)


def describe(network: Any, path: Path, delay: int, **about: Any) -> None:
    """Write PATH.json, which says what a network's files hold."""
    description = {
        'front_end': VERSION,
        'channels': network.channels,
        'units': network.units,
        'delays': list(network.delays),
        'delay': delay,
        'parameters': int(network.count_params()),
        **about,
    }
    text = json.dumps(description, indent=2) + '\n'
    write_whole(path.with_suffix('.json'), lambda file: file.write(text.encode()))


def litert(network: Any, int8: bool = False) -> bytes:
    """Return the network as a LiteRT file of one function on one stream.

    advance(spectra, past_spectra, past_semitones, memory) reads a hop. It is the function of the
    same name that TensorFlow runs.
    """
    from improv_ros.listening.runtime import signatures

    return convert(network, signatures(network), int8)
