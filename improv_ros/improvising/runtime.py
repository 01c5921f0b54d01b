"""Running a trained network one event at a time, by LiteRT or by TensorFlow.

A runtime is four functions of the network's state. The state goes in and comes out and is
never changed in place, so whoever holds an older one can go back to it.
"""

from collections.abc import Callable
import inspect
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from improv_ros.inference.errors import ModelError
from improv_ros.inference.keras_files import prepare_tensorflow, read_weights
from improv_ros.inference.litert import litert_functions
from improv_ros.inference.model_files import MODELS, choose_file, read_description
from improv_ros.inference.trial import try_out

from .vocabulary import (
    FIRST_STEP,
    LONGEST_WAIT,
    MOVES,
    PRESS,
    RELEASE,
    SWITCHES,
    TIME_VALUES,
    TIMES,
    VELOCITIES,
    VERSION,
    WHATS,
    Step,
)

DEFAULT_MODEL = MODELS / 'improviser.tflite'
"""The network that comes with the package: this file in 8 bits, the `.keras` beside it whole."""
LARGEST = {'units': 4096, 'depth': 16}
_FUNCTIONS = ('advance', 'time', 'what', 'velocity')


class Memory(NamedTuple):
    """A network's state after some events, for one performance.

    h, c: float32 (1, layers, units), the LSTM's; keys: float32 (1, 89), 1 where a key or,
    last, the pedal is down; last: float32 (1, 2), where the LSTM moves once a note, of the
    last event the ticks since the press before it, and what it was.
    """

    h: np.ndarray
    c: np.ndarray
    keys: np.ndarray
    last: np.ndarray = np.zeros((1, 2), np.float32)


class Runtime(Protocol):
    """A network that can be run. Logits are float32 vectors, one number a choice."""

    moved_by: ClassVar[str]
    """What its memory takes a step for, 'events' or 'notes'."""

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
    named arrays, as `EventNetwork.functions` says.
    """

    moved_by: ClassVar[str] = 'events'
    given: ClassVar[tuple[str, ...]] = ('h',)
    """What of a memory every head is given."""

    def __init__(self, functions: dict[str, Callable[..., Any]], depth: int, units: int) -> None:
        self._functions = functions
        state = np.zeros((1, depth, units), np.float32)
        self._start = Memory(state, state, np.zeros((1, SWITCHES), np.float32))

    def start(self) -> Memory:
        return self._start

    def advance(self, memory: Memory, step: Step) -> Memory:
        after = self._functions['advance'](
            event=np.array([step], np.int32), h=memory.h, c=memory.c, keys=memory.keys
        )
        return Memory(*(np.asarray(after[part]) for part in ('h', 'c', 'keys')))

    def time_logits(self, memory: Memory) -> np.ndarray:
        return self._logits('time', memory)

    def what_logits(self, memory: Memory, time: int) -> np.ndarray:
        return self._logits('what', memory, keys=memory.keys, time=_index(time))

    def velocity_logits(self, memory: Memory, time: int, what: int) -> np.ndarray:
        return self._logits('velocity', memory, time=_index(time), what=_index(what))

    def _logits(self, name: str, memory: Memory, **others: np.ndarray) -> np.ndarray:
        given = {part: getattr(memory, part) for part in self.given}
        return np.asarray(self._functions[name](**{**given, **others})['logits'])[0]


class NoteRuntime(NetworkRuntime):
    """A runtime of a network whose LSTM moves once a note: nothing else takes a step of it."""

    moved_by: ClassVar[str] = 'notes'
    given: ClassVar[tuple[str, ...]] = ('h', 'keys', 'last')

    def advance(self, memory: Memory, step: Step) -> Memory:
        since, what = memory.last[0]
        ticks = TIME_VALUES[step.time] + (0 if what < RELEASE else since)
        last = np.array([[min(ticks, LONGEST_WAIT), step.what]], np.float32)
        memory = memory._replace(keys=memory.keys + MOVES[step.what], last=last)
        if step.what >= RELEASE:
            return memory
        after = self._functions['advance'](event=np.array([step], np.int32), **memory._asdict())
        return memory._replace(h=np.asarray(after['h']), c=np.asarray(after['c']))


KINDS = {kind.moved_by: kind for kind in (NetworkRuntime, NoteRuntime)}
"""The runtimes, by what moves the memory of their networks."""


def _index(number: int) -> np.ndarray:
    return np.array([number], np.int32)


def load_runtime(path: str | Path = '', runtime: str = 'auto') -> Runtime:
    """Return the network in a `.tflite` or `.keras` file, ready to run.

    path: either file of a pair; '' is the network that comes with the package. With runtime
    'litert' the `.tflite` is run, with 'tensorflow' the `.keras` beside it; 'auto' is LiteRT
    where it is installed and the file is there, else TensorFlow.

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
    about = read_about(path)
    if path.suffix == '.tflite':
        functions = litert_functions(path, _FUNCTIONS)
    else:
        functions = signatures(load_network(path))
    loaded = KINDS[about['memory']](functions, about['depth'], about['units'])
    try:
        _warm_up(loaded)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f'the model file {path} does not fit its description: {error}') from error
    return loaded


def _warm_up(runtime: Runtime) -> None:
    """Call every function once: a first call compiles, and tells whether the sizes fit."""
    memory = runtime.advance(runtime.start(), FIRST_STEP)
    memory = runtime.advance(memory, Step(0, PRESS, 1))
    for logits, size in (
        (runtime.time_logits(memory), TIMES),
        (runtime.what_logits(memory, 0), WHATS),
        (runtime.velocity_logits(memory, 0, PRESS), VELOCITIES),
    ):
        if logits.shape != (size,):
            raise ValueError(f'logits of shape {logits.shape}, not ({size},)')


def read_about(path: Path, vocabulary: str = VERSION) -> dict[str, Any]:
    """Return what the JSON beside a model says, `memory` being one of `KINDS`.

    Raises ModelError for a description that is missing, damaged, of another vocabulary or of a
    kind of network that is not known here.
    """
    about = read_description(path, 'vocabulary', vocabulary, LARGEST)
    kind = about.setdefault('memory', 'events')  # of which the first models had no other
    if kind not in tuple(KINDS):
        raise ModelError(
            f'{path} has a memory that is moved by {kind!r}, and this version of improv_ros runs '
            f'those moved by {" or ".join(KINDS)}: take a model made for it, or train one with '
            '`improv train`'
        )
    return about


def load_network(path: Path) -> Any:
    """Return the network in a `.keras` file, one of `NETWORKS`.

    Raises ModelError if that cannot be.

    Only numbers are read from the file. What layers a network has is known here, so whatever
    else the file says, which Keras could be made to execute, is never looked at.
    """
    prepare_tensorflow(path)
    about = read_about(path)
    from .note_network import NETWORKS

    network = NETWORKS[about['memory']](about['units'], about['depth'])
    network.build()
    read_weights(path, network, f'{about["units"]} units in {about["depth"]} layers')
    return network


def signatures(network: Any) -> dict[str, Callable[..., Any]]:
    """Return a network's four functions on one performance, for TensorFlow.

    These are what both runtimes run: TensorFlow as they are, LiteRT as exported from here.
    """
    import tensorflow as tf

    index = tf.TensorSpec((1,), tf.int32)
    inputs = {'event': tf.TensorSpec((1, 3), tf.int32), 'time': index, 'what': index}
    for part, value in network.start()._asdict().items():
        inputs[part] = tf.TensorSpec(value.shape, tf.float32)
    return {
        name: tf.function(
            function,
            input_signature=[inputs[each] for each in inspect.signature(function).parameters],
            autograph=False,
        )
        for name, function in network.functions().items()
    }
