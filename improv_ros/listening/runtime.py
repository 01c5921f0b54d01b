"""Running the transcriber's network one hop at a time, by LiteRT or by TensorFlow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from improv_ros.inference.errors import ModelError
from improv_ros.inference.keras_files import prepare_tensorflow, read_weights
from improv_ros.inference.litert import litert_functions
from improv_ros.inference.model_files import MODELS, choose_file, read_description
from improv_ros.inference.trial import try_out

from .decoder import DECODING, IN_HOPS
from .estimator import BELIEFS, PITCHES, Estimate, Estimator, PerPitch
from .front_end import BANDS, HOP, SAMPLE_RATE, SEMITONES, WINDOWS, FrontEnd
from .spectral import SpectralEstimator
from .touch import Touch

SPECTRAL = 'spectral'  # the estimator that needs no model
DEFAULT_MODEL = MODELS / 'transcriber.tflite'
VERSION = 'spectra-2'  # of what the network is given, and of what it answers
LARGEST = {'channels': 512, 'units': 1024}
LONGEST_DELAY = 100  # hops
MOST_DELAYS = 16
LARGEST_BIAS = 0.1  # seconds

_HEARD = [BELIEFS.index(name) for name in Estimate._fields]

_Arrays = dict[str, npt.NDArray[np.float32]]


class NetworkEstimator(Estimator):
    """An Estimator that asks a network.

    advance: the network's function of that name, whoever compiled it, which takes named arrays
    and returns named arrays, as `signatures` says. about: its description.
    """

    sample_rate = SAMPLE_RATE
    hop = HOP

    def __init__(self, advance: Callable[..., Any], about: dict[str, Any]) -> None:
        self.latency_hops = about['delay']
        self.onset_bias = about.get('onset_bias', 0.0)
        self.decoding = about.get('decoding', {})
        self._advance = advance
        self._delay = about['delays'].index(about['delay'])
        self._front_end = FrontEnd()
        self._touch = touch_for(about['delay'])
        past = _state(about['channels'], about['units'])
        self._silence: _Arrays = {
            name: np.full((1, *shape), value, np.float32) for name, (shape, value) in past.items()
        }
        self.reset()

    def reset(self) -> None:
        """Forget all that was heard."""
        self._front_end.reset()
        self._touch.reset()
        self._state = self._silence

    def step(self, samples: PerPitch) -> Estimate:
        """Hear `hop` more samples. See Estimator."""
        # What is no number would never leave the network's memory again.
        samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
        spectra = self._front_end.step(samples)[np.newaxis]
        after = self._advance(spectra=spectra, **self._state)
        self._state = {name: np.asarray(after[name]) for name in self._silence}
        beliefs = np.asarray(after['beliefs'])[0, :, self._delay].T
        estimate = Estimate(*beliefs[_HEARD])
        touch = self._touch.step(spectra[0], estimate.onset, estimate.velocity)
        return estimate._replace(velocity=touch)


def touch_for(delay: int) -> Touch:
    """Return what tells how hard keys are struck, for beliefs about the sound `delay` hops ago."""
    return Touch(delay + 2)  # the decoder asks at the peak and at the hop after it


def _state(channels: int, units: int) -> dict[str, tuple[tuple[int, ...], float]]:
    """Name what the network carries from hop to hop: the shape, and its value in silence."""
    return {
        'past_spectra': ((2, BANDS, len(WINDOWS)), -1.0),
        'past_semitones': ((2, SEMITONES, channels), 0.0),
        'memory': ((PITCHES, units), 0.0),
    }


def load_estimator(model: str | Path = '', runtime: str = 'auto') -> Estimator:
    """Return the estimator of a `.tflite` or `.keras` file, ready to listen.

    model: '' is the network that comes with the package, 'spectral' the estimator that needs
    none. Either file of a pair will do: with runtime 'litert' the `.tflite` is run, with
    'tensorflow' the `.keras` beside it; 'auto' is LiteRT where it is installed and the file is
    there, else TensorFlow.

    Raises ModelError for a file that is missing, damaged or of another version, and for a
    runtime that is not installed.
    """
    if model == SPECTRAL:
        return SpectralEstimator()
    chosen = choose_file(model, DEFAULT_MODEL, runtime)
    if chosen.suffix == '.tflite' and chosen != DEFAULT_MODEL:
        try_out(chosen, __name__)
    return load_here(chosen)


def load_here(path: Path) -> NetworkEstimator:
    """Return the estimator of one file, which may crash this process if it is a hostile one.

    Raises ModelError like `load_estimator`.
    """
    about = read_about(path)
    if path.suffix == '.tflite':
        functions = litert_functions(path, ['advance'])
    else:
        functions = signatures(load_network(path))
    try:
        estimator = NetworkEstimator(functions['advance'], about)
        _warm_up(estimator)
    except (RuntimeError, TypeError, ValueError, KeyError, IndexError) as error:
        raise ModelError(f'the model file {path} does not fit its description: {error}') from error
    return estimator


def _warm_up(estimator: NetworkEstimator) -> None:
    """Hear one hop: a first call compiles, and tells whether the sizes fit."""
    for belief in estimator.step(np.zeros(HOP, np.float32)):
        if belief.shape != (PITCHES,):
            raise ValueError(f'a belief of shape {belief.shape}, not ({PITCHES},)')
    estimator.reset()


def read_about(path: Path) -> dict[str, Any]:
    """Return what the JSON beside a model says: channels, units, delays, delay, and perhaps
    onset_bias and decoding. Raises ModelError where the network does not hear as we do."""
    return read_description(path, 'front_end', VERSION, LARGEST, _check)


def _check(about: dict[str, Any]) -> None:
    delays = about['delays']
    if not 1 <= len(delays) <= MOST_DELAYS or not all(
        type(delay) is int and 0 <= delay <= LONGEST_DELAY for delay in delays
    ):
        raise ValueError(f'delays must be 1 to {MOST_DELAYS} numbers of hops to {LONGEST_DELAY}')
    if about['delay'] not in delays:
        raise ValueError('delay must be one of delays')
    decoding = about.get('decoding', {})
    if not isinstance(decoding, dict):
        raise TypeError('decoding must name arguments of the decoder')
    for name, value in decoding.items():
        if name not in DECODING:
            raise ValueError(f'decoding has {name!r}, which is none of {", ".join(DECODING)}')
        kind, most = (int, LONGEST_DELAY) if name in IN_HOPS else ((int, float), 1)
        if isinstance(value, bool) or not isinstance(value, kind) or not 0 <= value <= most:
            raise ValueError(f'{name} must be a number to {most}')
    if not abs(about.get('onset_bias', 0.0)) <= LARGEST_BIAS:
        raise ValueError(f'onset_bias must be at most {LARGEST_BIAS} s')


def load_network(path: Path) -> Any:
    """Return the `TranscriptionNetwork` in a `.keras` file. Raises ModelError if that cannot be.

    Only numbers are read from the file.
    """
    prepare_tensorflow(path)
    about = read_about(path)
    from .network import TranscriptionNetwork

    network = TranscriptionNetwork(about['channels'], about['units'], about['delays'])
    network.build()
    read_weights(path, network, f'{about["channels"]} channels and {about["units"]} units')
    return network


def signatures(network: Any) -> dict[str, Callable[..., Any]]:
    """Return a `TranscriptionNetwork`'s function on one stream, for TensorFlow.

    It is what both runtimes run: TensorFlow as it is, LiteRT as exported from here. Beliefs are
    probabilities, (1, 88, delays, BELIEFS).
    """
    import tensorflow as tf

    from .network import State

    spectra = tf.TensorSpec((1, BANDS, len(WINDOWS)), tf.float32)
    past = _state(network.channels, network.units).values()
    state = [tf.TensorSpec((1, *shape), tf.float32) for shape, _ in past]

    @tf.function(input_signature=[spectra, *state])
    def advance(
        spectra: Any, past_spectra: Any, past_semitones: Any, memory: Any
    ) -> dict[str, Any]:
        before = State(past_spectra, past_semitones, memory)
        beliefs, after = network.advance(spectra, before)
        return {
            'beliefs': tf.sigmoid(beliefs),
            'past_spectra': after.spectra,
            'past_semitones': after.semitones,
            'memory': after.memory,
        }

    return {'advance': advance}
