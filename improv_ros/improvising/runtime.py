"""Running a trained network one event at a time, by LiteRT or by TensorFlow.

A runtime is four functions of the network's state. The state goes in and comes out and is
never changed in place, so whoever holds an older one can go back to it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from improv_ros.inference.errors import ModelError
from improv_ros.inference.keras_files import prepare_tensorflow, read_weights
from improv_ros.inference.litert import litert_functions
from improv_ros.inference.model_files import MODELS, choose_file, read_description
from improv_ros.inference.trial import try_out

from .vocabulary import FIRST_STEP, KEYS, PRESS, TIMES, VELOCITIES, VERSION, WHATS, Step

DEFAULT_MODEL = MODELS / 'improviser.tflite'
LARGEST = {'units': 4096, 'depth': 16}
_FUNCTIONS = ('advance', 'time', 'what', 'velocity')


class Memory(NamedTuple):
    """A network's state after some events, for one performance.

    h, c: float32 (1, layers, units), the LSTM's; keys: float32 (1, 89), 1 where a key or,
    last, the pedal is down.
    """

    h: np.ndarray
    c: np.ndarray
    keys: np.ndarray


class Runtime(Protocol):
    """A network that can be run. Logits are float32 vectors, one number a choice."""

    def start(self) -> Memory:
        """Return the memory before the first event."""

    def advance(self, memory: Memory, step: Step) -> Memory:
        """Return the memory after one more event."""

    def time_logits(self, memory: Memory) -> np.ndarray:
        """Return how likely each time bin is for the next event."""

    def what_logits(self, memory: Memory, time: int) -> np.ndarray:
        """Return how likely each event is in that time bin."""

    def velocity_logits(self, memory: Memory, time: int, what: int) -> np.ndarray:
        """Return how likely each velocity, from 1, is for that pressed key."""


class NetworkRuntime:
    """A runtime made of the network's four functions, whoever compiled them.

    functions: `advance`, `time`, `what`, `velocity`, each taking named arrays and returning
    named arrays, as `signatures` says.
    """

    def __init__(self, functions: dict[str, Callable[..., Any]], depth: int, units: int) -> None:
        self._functions = functions
        state = np.zeros((1, depth, units), np.float32)
        self._start = Memory(state, state, np.zeros((1, KEYS + 1), np.float32))

    def start(self) -> Memory:
        return self._start

    def advance(self, memory: Memory, step: Step) -> Memory:
        after = self._functions['advance'](
            event=np.array([step], np.int32), h=memory.h, c=memory.c, keys=memory.keys
        )
        return Memory(*(np.asarray(after[name]) for name in Memory._fields))

    def time_logits(self, memory: Memory) -> np.ndarray:
        return self._logits('time', h=memory.h)

    def what_logits(self, memory: Memory, time: int) -> np.ndarray:
        return self._logits('what', h=memory.h, keys=memory.keys, time=_index(time))

    def velocity_logits(self, memory: Memory, time: int, what: int) -> np.ndarray:
        return self._logits('velocity', h=memory.h, time=_index(time), what=_index(what))

    def _logits(self, name: str, **inputs: np.ndarray) -> np.ndarray:
        return np.asarray(self._functions[name](**inputs)['logits'])[0]


def _index(number: int) -> np.ndarray:
    return np.array([number], np.int32)


def load_runtime(path: str | Path = '', runtime: str = 'auto') -> Runtime:
    """Return the network in a `.tflite` or `.keras` file, ready to run.

    path: '' is the network that comes with the package. Either file of a pair will do: with
    runtime 'litert' the `.tflite` is run, with 'tensorflow' the `.keras` beside it; 'auto' is
    LiteRT where it is installed and the file is there, else TensorFlow.

    Raises ModelError for a file that is missing, damaged or of another vocabulary, and for a
    runtime that is not installed.
    """
    chosen = choose_file(path, DEFAULT_MODEL, runtime)
    if chosen.suffix == '.tflite' and chosen != DEFAULT_MODEL:
        try_out(chosen, __name__)
    return load_here(chosen)


def load_here(path: Path) -> Runtime:
    """Return the network in one file, which may crash this process if it is a hostile one.

    Raises ModelError like `load_runtime`.
    """
    about = _about(path)
    if path.suffix == '.tflite':
        functions = litert_functions(path, _FUNCTIONS)
    else:
        functions = signatures(load_network(path))
    loaded = NetworkRuntime(functions, about['depth'], about['units'])
    try:
        _warm_up(loaded)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f'the model file {path} does not fit its description: {error}') from error
    return loaded


def _warm_up(runtime: Runtime) -> None:
    """Call every function once: a first call compiles, and tells whether the sizes fit."""
    memory = runtime.advance(runtime.start(), FIRST_STEP)
    for logits, size in (
        (runtime.time_logits(memory), TIMES),
        (runtime.what_logits(memory, 0), WHATS),
        (runtime.velocity_logits(memory, 0, PRESS), VELOCITIES),
    ):
        if logits.shape != (size,):
            raise ValueError(f'logits of shape {logits.shape}, not ({size},)')


def _about(path: Path) -> dict[str, Any]:
    """Return what the JSON beside a model says, after checking that we speak its vocabulary."""
    return read_description(path, 'vocabulary', VERSION, LARGEST)


def load_network(path: Path) -> Any:
    """Return the `EventNetwork` in a `.keras` file. Raises ModelError if that cannot be.

    Only numbers are read from the file. What layers a network has is known here, so whatever
    else the file says, which Keras could be made to execute, is never looked at.
    """
    prepare_tensorflow(path)
    about = _about(path)
    from .network import EventNetwork

    network = EventNetwork(about['units'], about['depth'])
    network.build()
    read_weights(path, network, f'{about["units"]} units in {about["depth"]} layers')
    return network


def signatures(network: Any) -> dict[str, Callable[..., Any]]:
    """Return an `EventNetwork`'s four functions on one performance, for TensorFlow.

    These are what both runtimes run: TensorFlow as they are, LiteRT as exported from here.
    """
    import tensorflow as tf

    from .network import State

    state = tf.TensorSpec((1, network.depth, network.units), tf.float32)
    keys = tf.TensorSpec((1, KEYS + 1), tf.float32)
    index = tf.TensorSpec((1,), tf.int32)
    event = tf.TensorSpec((1, 3), tf.int32)

    @tf.function(input_signature=[event, state, state, keys])
    def advance(event: Any, h: Any, c: Any, keys: Any) -> dict[str, Any]:
        return network.advance(event, State(h, c, keys))._asdict()

    @tf.function(input_signature=[state])
    def time(h: Any) -> dict[str, Any]:
        return {'logits': network.time_logits(network.recall(h))}

    @tf.function(input_signature=[state, keys, index])
    def what(h: Any, keys: Any, time: Any) -> dict[str, Any]:
        return {'logits': network.what_logits(network.recall(h), keys, time)}

    @tf.function(input_signature=[state, index, index])
    def velocity(h: Any, time: Any, what: Any) -> dict[str, Any]:
        return {'logits': network.velocity_logits(network.recall(h), time, what)}

    return {'advance': advance, 'time': time, 'what': what, 'velocity': velocity}
