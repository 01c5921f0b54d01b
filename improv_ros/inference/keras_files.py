# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Reading the weights in `.keras` files, and nothing else."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from improv_ros.inference.model_error import ModelError


def tensorflow_is_installed() -> bool:
    """Return whether `.keras` files can be run here."""
    return bool(find_spec('keras') and find_spec('tensorflow'))


def prepare_tensorflow(path: Path) -> None:
    """Import TensorFlow to run a `.keras` file, with memory growth on the GPU.

    Raises ModelError if the file is missing or TensorFlow is not installed.
    """
    if not path.is_file():
        raise ModelError(f'there is no model file {path}')
    if path.suffix != '.keras':
        raise ModelError(f'{path} is not a .keras file, which the runtime tensorflow needs')
    if not tensorflow_is_installed():
        raise ModelError('TensorFlow is not installed: pip install tensorflow keras')
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices('GPU'):
        tf.config.experimental.set_memory_growth(gpu, True)


def read_weights(path: Path, network: Any, size: str) -> None:
    """Load the weights in a `.keras` file into a network that has been built.

    The class of the network defines its layers. The configuration in the file, which could make
    Keras execute code, is not read. size: of the network, for the error message.

    Raises ModelError if the file is damaged or has other weights.
    """
    try:
        network.load_weights(path)
    except Exception as error:  # Keras passes on any error of its parsers
        raise ModelError(
            f'the model file {path} is damaged or not a model of {size}: {error}'
        ) from error
