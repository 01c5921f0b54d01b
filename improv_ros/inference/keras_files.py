"""Numbers out of `.keras` files, and nothing else."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from improv_ros.inference.errors import ModelError


def prepare_tensorflow(path: Path) -> None:
    """Load TensorFlow, for a `.keras` file. Raises ModelError where that is in vain."""
    if not path.is_file():
        raise ModelError(f'there is no model file {path}')
    if path.suffix != '.keras':
        raise ModelError(f'{path} is no .keras file, which TensorFlow needs')
    if not (find_spec('keras') and find_spec('tensorflow')):
        raise ModelError('TensorFlow is not installed: pip install tensorflow keras')
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices('GPU'):
        tf.config.experimental.set_memory_growth(gpu, True)


def read_weights(path: Path, network: Any, size: str) -> None:
    """Give a network that has been built the numbers in a `.keras` file.

    What layers a network has is known to its class, so whatever else the file says, which Keras
    could be made to execute, is never looked at. size: the network's, in words.

    Raises ModelError if these are not that network's numbers.
    """
    try:
        network.load_weights(path)
    except Exception as error:  # Keras raises whatever its parsers stumble on
        raise ModelError(
            f'the model file {path} is damaged or no model of {size}: {error}'
        ) from error
