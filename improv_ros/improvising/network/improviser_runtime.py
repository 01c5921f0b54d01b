# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Running a trained network one event at a time, with LiteRT or TensorFlow.

A runtime consists of four functions of the network's state. They return a new state and never
change one in place, so a caller can keep an earlier state and return to it.
"""

from collections.abc import Callable
import inspect
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    FIRST_STEP,
    KEY_CHANGES,
    KEYS_AND_PEDAL,
    MAX_WAIT,
    PRESS,
    RELEASE,
    TICKS_OF_BIN,
    TIME_BINS,
    VELOCITY_BINS,
    VERSION,
    Step,
)
from improv_ros.inference.keras_files import prepare_tensorflow, read_weights
from improv_ros.inference.loading import first_calls, load_checked, load_functions
from improv_ros.inference.model_error import ModelError
from improv_ros.inference.model_files import MODELS, read_description

DEFAULT_MODEL = MODELS / 'improviser.tflite'
"""The model shipped with the package: 8-bit weights here, 16-bit ones in the `.keras` file."""
MAX_SIZES = {'units': 4096, 'depth': 16}

# The format of the model files: the names of the functions (signatures) in a .tflite file. The
# names of their arrays are `event`, `h`, `c`, `keys`, `last` (`NetworkState.last_event`), `time`,
# `what` (the event type) and `logits`.
_FUNCTIONS = ('advance', 'time', 'what', 'velocity')


NO_MOTIFS = np.zeros(EVENT_TYPES, bool)


class NetworkState(NamedTuple):
    """The state of a network after some events of one performance, all float32.

    h, c: (1, layers, units), the state of the LSTM layers; keys: (1, 89), 1 for a key that is
    down, and last for the pedal; last_event: (1, 2), used with the recurrence `per_note`: of the
    last event the ticks since the press before it, and its event type.
    """

    h: np.ndarray
    c: np.ndarray
    keys: np.ndarray
    last_event: np.ndarray = np.zeros((1, 2), np.float32)


class Runtime(Protocol):
    """A network that can be run. Logits are vectors, one number per outcome.

    Only the runtime reads its states: a `NetworkState`, or one that contains it.
    """

    recurrence: ClassVar[str]
    """What the LSTM takes a step for: each event (`per_event`) or each press (`per_note`)."""

    def start(self) -> Any:
        """Return the state before the first event."""

    def advance(self, state: Any, step: Step) -> Any:
        """Return the state after one more event."""

    def time_logits(self, state: Any) -> np.ndarray:
        """Return the logits of the next event's time bin, (TIME_BINS,)."""

    def event_type_logits(self, state: Any, time: int) -> np.ndarray:
        """Return the logits of the event type in that time bin, (EVENT_TYPES,)."""

    def velocity_logits(self, state: Any, time: int, event_type: int) -> np.ndarray:
        """Return the logits of the velocity of that pressed key, (VELOCITY_BINS,)."""

    def motif_keys(self, state: Any) -> np.ndarray:
        """Return which event types continue a motif of the person, bool (EVENT_TYPES,)."""


class NetworkRuntime:
    """A runtime made of a network's four functions, compiled by LiteRT or TensorFlow.

    functions: `advance`, `time`, `what`, `velocity`; each takes and returns named arrays, see
    `EventNetwork.functions`.
    """

    recurrence: ClassVar[str] = 'per_event'

    def __init__(self, functions: dict[str, Callable[..., Any]], depth: int, units: int) -> None:
        self._functions = functions
        zeros = np.zeros((1, depth, units), np.float32)
        self._start = NetworkState(zeros, zeros, np.zeros((1, KEYS_AND_PEDAL), np.float32))

    def start(self) -> NetworkState:
        return self._start

    def advance(self, state: NetworkState, step: Step) -> NetworkState:
        after = self._functions['advance'](
            event=np.array([step], np.int32), h=state.h, c=state.c, keys=state.keys
        )
        return NetworkState(*(np.asarray(after[name]) for name in ('h', 'c', 'keys')))

    def time_logits(self, state: NetworkState) -> np.ndarray:
        return self._logits('time', state)

    def event_type_logits(self, state: NetworkState, time: int) -> np.ndarray:
        return self._logits('what', state, keys=state.keys, time=_index(time))

    def velocity_logits(self, state: NetworkState, time: int, event_type: int) -> np.ndarray:
        return self._logits('velocity', state, time=_index(time), what=_index(event_type))

    def motif_keys(self, state: NetworkState) -> np.ndarray:
        return NO_MOTIFS  # the network itself does not tell motifs from other notes

    def _logits(self, name: str, state: NetworkState, **arrays: np.ndarray) -> np.ndarray:
        return np.asarray(self._functions[name](**{**self._context(state), **arrays})['logits'])[0]

    def _context(self, state: NetworkState) -> dict[str, np.ndarray]:
        """Return the arrays of the state that all three output functions take."""
        return {'h': state.h}


class NoteRuntime(NetworkRuntime):
    """A runtime of a network whose LSTM takes one step per note: a `NoteNetwork`."""

    recurrence: ClassVar[str] = 'per_note'

    def advance(self, state: NetworkState, step: Step) -> NetworkState:
        since_press, event_type = state.last_event[0]
        ticks = TICKS_OF_BIN[step.time] + (0 if event_type < RELEASE else since_press)
        last_event = np.array([[min(ticks, MAX_WAIT), step.event_type]], np.float32)
        keys = state.keys + KEY_CHANGES[step.event_type]
        state = state._replace(keys=keys, last_event=last_event)
        if step.event_type >= RELEASE:
            return state
        after = self._functions['advance'](
            event=np.array([step], np.int32), c=state.c, **self._context(state)
        )
        return state._replace(h=np.asarray(after['h']), c=np.asarray(after['c']))

    def _context(self, state: NetworkState) -> dict[str, np.ndarray]:
        return {'h': state.h, 'keys': state.keys, 'last': state.last_event}


RUNTIMES_BY_RECURRENCE = {kind.recurrence: kind for kind in (NetworkRuntime, NoteRuntime)}


def _index(number: int) -> np.ndarray:
    return np.array([number], np.int32)


def load_runtime(path: str | Path = '', runtime: str = 'auto') -> Runtime:
    """Return the network in a `.tflite` or `.keras` file, ready to run.

    path: either file of a pair; '' is the model shipped with the package. runtime: 'litert' runs
    the `.tflite` file, 'tensorflow' the `.keras` file; 'auto' takes LiteRT if it is installed and
    the file exists, else TensorFlow.

    Raises ModelError for a file that is missing, damaged or of another vocabulary, and for a
    runtime that is not installed.
    """
    return load_checked(load_here, path, DEFAULT_MODEL, runtime)


def load_here(path: Path) -> Runtime:
    """Load one file in this process, which a hostile `.tflite` file may crash.

    Raises ModelError like `load_runtime`.
    """
    about = read_about(path)
    functions = load_functions(
        path, _FUNCTIONS, lambda path: tensorflow_functions(load_network(path))
    )
    loaded = RUNTIMES_BY_RECURRENCE[about['recurrence']](functions, about['depth'], about['units'])
    with first_calls(path):
        _warm_up(loaded)
    return loaded


def _warm_up(runtime: Runtime) -> None:
    """Call each function once; raise ValueError if a size does not fit."""
    state = runtime.advance(runtime.start(), FIRST_STEP)
    state = runtime.advance(state, Step(0, PRESS, 1))
    for logits, size in (
        (runtime.time_logits(state), TIME_BINS),
        (runtime.event_type_logits(state, 0), EVENT_TYPES),
        (runtime.velocity_logits(state, 0, PRESS), VELOCITY_BINS),
    ):
        if logits.shape != (size,):
            raise ValueError(f'logits of shape {logits.shape}, not ({size},)')


def read_about(path: Path, vocabulary: str = VERSION) -> dict[str, Any]:
    """Return the contents of the `.json` file of a model, its description.

    Raises ModelError for a description that is missing, damaged, of another vocabulary or of an
    unknown recurrence.
    """
    about = read_description(path, 'vocabulary', vocabulary, MAX_SIZES)
    recurrence = about.get('recurrence')
    if recurrence not in tuple(RUNTIMES_BY_RECURRENCE):
        raise ModelError(
            f'{path} has the recurrence {recurrence!r}, and this version of improv_ros runs '
            f'{" or ".join(RUNTIMES_BY_RECURRENCE)}: use a model made for it, or train one with '
            '`improv train`'
        )
    return about


def load_network(path: Path) -> Any:
    """Return the Keras network in a `.keras` file, one of `note_network.NETWORKS`.

    Only the weights are read from the file: the layers are those of the class, so nothing else
    in the file is evaluated. Raises ModelError if the file cannot be loaded.
    """
    prepare_tensorflow(path)
    about = read_about(path)
    from improv_ros.improvising.network.note_network import NETWORKS

    network = NETWORKS[about['recurrence']](about['units'], about['depth'])
    network.build()
    read_weights(path, network, f'{about["units"]} units in {about["depth"]} layers')
    return network


def tensorflow_functions(network: Any) -> dict[str, Callable[..., Any]]:
    """Return a network's four functions, run by TensorFlow, of named arrays.

    Each is traced once and called as what was traced: with its arguments checked anew in every
    call, it would take twice as long.
    """
    import tensorflow as tf

    def direct(traced: Callable[..., Any]) -> Callable[..., Any]:
        return lambda **arrays: traced(
            **{name: tf.constant(array) for name, array in arrays.items()}
        )

    return {
        name: direct(function.get_concrete_function())
        for name, function in signatures(network).items()
    }


def signatures(network: Any) -> dict[str, Any]:
    """Return a network's four functions for one performance, as TensorFlow functions.

    The `.tflite` files are converted from them.
    """
    import tensorflow as tf

    index = tf.TensorSpec((1,), tf.int32)
    inputs = {'event': tf.TensorSpec((1, 3), tf.int32), 'time': index, 'what': index}
    for name, value in network.start()._asdict().items():
        array = 'last' if name == 'last_event' else name
        inputs[array] = tf.TensorSpec(value.shape, tf.float32)
    return {
        name: tf.function(
            function,
            input_signature=[inputs[each] for each in inspect.signature(function).parameters],
            autograph=False,
        )
        for name, function in network.functions().items()
    }
