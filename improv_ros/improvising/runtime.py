"""Running a trained network one event at a time, by LiteRT or by TensorFlow.

A runtime is four functions of the network's state. The state goes in and comes out and is
never changed in place, so whoever holds an older one can go back to it.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
import json
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any, NamedTuple, Protocol

import numpy as np

from .vocabulary import FIRST_STEP, KEYS, PRESS, TIMES, VELOCITIES, VERSION, WHATS, Step

MODELS = Path(__file__).resolve().parent.parent / 'models'
DEFAULT_MODEL = MODELS / 'improviser.tflite'
RUNTIMES = ('auto', 'litert', 'tensorflow')
TRIAL_SECONDS = 60
REFUSED = 3  # exit code of a trial that ended with a ModelError, which it printed
MOST_UNITS, MOST_LAYERS = 4096, 16  # beyond, a description is a mistake that would eat the memory
_LITERT_MODULES = ('ai_edge_litert.interpreter', 'tflite_runtime.interpreter')


class ModelError(ValueError):
    """A model file that cannot be played; the message says which file, why and what helps."""


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
    if runtime not in RUNTIMES:
        raise ModelError(f'runtime {runtime!r} is none of {", ".join(RUNTIMES)}')
    path = Path(path) if str(path) else DEFAULT_MODEL
    if path.suffix not in ('.tflite', '.keras'):
        raise ModelError(f'{path} is no model: give a .tflite or a .keras file')
    litert, keras = path.with_suffix('.tflite'), path.with_suffix('.keras')
    if not litert.is_file() and not keras.is_file():
        raise ModelError(
            f'there is no model file {path}: name another, or none to take the shipped one'
        )
    if runtime == 'auto':
        runtime = 'litert' if litert.is_file() and _litert_module() else 'tensorflow'
    chosen = litert if runtime == 'litert' else keras
    if not chosen.is_file():
        raise ModelError(f'there is no model file {chosen}, which the runtime {runtime} needs')
    if runtime == 'litert' and chosen != DEFAULT_MODEL:
        _try_out(chosen)
    return load_here(chosen)


def _try_out(path: Path) -> None:
    """Load a model in a process of its own: there are damaged files that crash LiteRT."""
    command = [sys.executable, '-m', 'improv_ros.improvising.trial', str(path)]
    try:
        trial = subprocess.run(command, capture_output=True, text=True, timeout=TRIAL_SECONDS)
    except subprocess.TimeoutExpired:
        raise ModelError(
            f'the model file {path} is damaged: it did not load in {TRIAL_SECONDS} s'
        ) from None
    if trial.returncode == REFUSED:
        raise ModelError(trial.stdout.strip())
    if trial.returncode < 0:
        name = signal.Signals(-trial.returncode).name
        raise ModelError(f'the model file {path} is damaged: loading it ended in {name}')
    if trial.returncode:
        reason = trial.stderr.strip().rpartition('\n')[2]
        raise ModelError(f'the model file {path} could not be tried out: {reason}')


def load_here(path: Path) -> Runtime:
    """Return the network in one file, which may crash this process if it is a hostile one.

    Raises ModelError like `load_runtime`.
    """
    loaded = _LOADERS[path.suffix](path, _about(path))
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
    beside = path.with_suffix('.json')
    try:
        about = json.loads(beside.read_text(encoding='utf-8'))
        vocabulary = about['vocabulary']
        for name, most in (('units', MOST_UNITS), ('depth', MOST_LAYERS)):
            if type(about[name]) is not int or not 1 <= about[name] <= most:
                raise ValueError(f'{name} must be a whole number from 1 to {most}')
    except FileNotFoundError:
        raise ModelError(f'{path} needs its description {beside.name} beside it') from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f'the description {beside} is damaged: {error!r}') from None
    if vocabulary != VERSION:
        raise ModelError(
            f'{path} speaks the vocabulary {vocabulary!r} and this version of improv_ros '
            f'{VERSION!r}: take a model made for it, or train one with `improv train`'
        )
    return about


def _litert_module() -> str:
    """Return the module that has the LiteRT interpreter, or '' where none is installed."""
    for name in _LITERT_MODULES:
        if find_spec(name.partition('.')[0]):
            return name
    return ''


def _load_litert(path: Path, about: dict[str, Any]) -> Runtime:
    module = _litert_module()
    if not module:
        raise ModelError('LiteRT is not installed: pip install ai-edge-litert')
    try:
        interpreter = import_module(module).Interpreter(model_path=str(path), num_threads=1)
        functions = {name: interpreter.get_signature_runner(name) for name in _FUNCTIONS}
    except (ValueError, RuntimeError) as error:
        raise ModelError(f'the model file {path} is damaged or no model: {error}') from error
    return NetworkRuntime(functions, about['depth'], about['units'])


def _load_tensorflow(path: Path, about: dict[str, Any]) -> Runtime:
    return NetworkRuntime(signatures(load_network(path)), about['depth'], about['units'])


def load_network(path: Path) -> Any:
    """Return the `EventNetwork` in a `.keras` file. Raises ModelError if that cannot be.

    Only numbers are read from the file. What layers a network has is known here, so whatever
    else the file says, which Keras could be made to execute, is never looked at.
    """
    if not path.is_file():
        raise ModelError(f'there is no model file {path}')
    if path.suffix != '.keras':
        raise ModelError(f'{path} is no .keras file, which TensorFlow needs')
    if not (find_spec('keras') and find_spec('tensorflow')):
        raise ModelError('TensorFlow is not installed: pip install tensorflow keras')
    about = _about(path)
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices('GPU'):
        tf.config.experimental.set_memory_growth(gpu, True)

    from .network import EventNetwork

    network = EventNetwork(about['units'], about['depth'])
    network.build()
    try:
        network.load_weights(path)
    except Exception as error:  # Keras raises whatever its parsers stumble on
        raise ModelError(
            f'the model file {path} is damaged or no model of {about["units"]} units in '
            f'{about["depth"]} layers: {error}'
        ) from error
    return network


_LOADERS = {'.tflite': _load_litert, '.keras': _load_tensorflow}
_FUNCTIONS = ('advance', 'time', 'what', 'velocity')


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
        return {'logits': network.time_logits(h[:, -1])}

    @tf.function(input_signature=[state, keys, index])
    def what(h: Any, keys: Any, time: Any) -> dict[str, Any]:
        return {'logits': network.what_logits(h[:, -1], keys, time)}

    @tf.function(input_signature=[state, index, index])
    def velocity(h: Any, time: Any, what: Any) -> dict[str, Any]:
        return {'logits': network.velocity_logits(h[:, -1], time, what)}

    return {'advance': advance, 'time': time, 'what': what, 'velocity': velocity}
