# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Runs the transcriber's network hop by hop, with LiteRT or TensorFlow."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from improv_ros.inference.keras_files import prepare_tensorflow, read_weights
from improv_ros.inference.loading import first_calls, load_checked, load_functions
from improv_ros.inference.model_files import MODELS, choose_file, read_description
from improv_ros.listening.transcription.decoder import DECODER_SETTINGS, HOP_SETTINGS
from improv_ros.listening.transcription.estimator import (
    OUTPUTS,
    PITCHES,
    Confirmation,
    Estimate,
    Estimator,
    Samples,
)
from improv_ros.listening.transcription.second_stage import LATE_CHANNELS, LATE_PAST
from improv_ros.listening.transcription.spectra import (
    BANDS,
    HOP,
    SAMPLE_RATE,
    SEMITONES,
    WINDOWS,
    FrontEnd,
)
from improv_ros.listening.transcription.spectral_estimator import SpectralEstimator
from improv_ros.listening.transcription.velocity_estimation import VelocityEstimator, powers

SPECTRAL = 'spectral'  # the name of the estimator without a network
DEFAULT_MODEL = MODELS / 'transcriber.tflite'
VERSION = 'spectra-2'  # of the inputs and outputs of the network
LARGEST = {'channels': 512, 'units': 1024}
LONGEST_DELAY = 100  # hops
MOST_DELAYS = 16
LARGEST_BIAS = 0.1  # seconds
_BIASES = ('onset_bias', 'offset_bias')

_ESTIMATE_ORDER = [OUTPUTS.index(name) for name in Estimate._fields]

_Arrays = dict[str, npt.NDArray[np.float32]]


class NetworkEstimator(Estimator):
    """An Estimator that runs a network.

    advance: the network's function of that name, compiled by LiteRT or TensorFlow, from named
    arrays to named arrays; see `signatures`. description: the JSON of the model. more_delays:
    delays in hops that `outputs` returns besides the one of the description, so that several
    decoders can read one pass of the network.

    velocity_estimators: those of the returned delays, by delay.
    """

    sample_rate = SAMPLE_RATE
    hop = HOP

    def __init__(
        self,
        advance: Callable[..., Any],
        description: dict[str, Any],
        more_delays: Iterable[int] = (),
    ) -> None:
        self.latency_hops = description['delay']
        self.onset_bias = description.get('onset_bias', 0.0)
        self.offset_bias = description.get('offset_bias', self.onset_bias)
        self.decoding = description.get('decoding', {})
        self.confirmation = confirmation_of(description)
        confirmed = [self.confirmation.latency_hops] if self.confirmation else []
        self._advance = advance
        self._indices = {
            delay: description['delays'].index(delay)
            for delay in (description['delay'], *confirmed, *more_delays)
        }
        self._front_end = FrontEnd()
        self.velocity_estimators = {
            delay: velocity_estimator_for(delay) for delay in self._indices
        }
        past = _state(description['channels'], description['units'], description.get('late', 0))
        self._silence: _Arrays = {
            name: np.full((1, *shape), value, np.float32) for name, (shape, value) in past.items()
        }
        self.reset()

    def reset(self) -> None:
        """Return to the initial state."""
        self._front_end.reset()
        for estimator in self.velocity_estimators.values():
            estimator.reset()
        self._state = self._silence

    def step(self, samples: Samples) -> Estimate:
        """Process the next hop. See Estimator."""
        return self._estimates(samples, (self.latency_hops,))[self.latency_hops]

    def step_both(self, samples: Samples) -> tuple[Estimate, Estimate]:
        """Process the next hop. See Estimator."""
        assert self.confirmation is not None
        delays = self.latency_hops, self.confirmation.latency_hops
        estimates = self._estimates(samples, delays)
        return estimates[delays[0]], estimates[delays[1]]

    def outputs(self, samples: Samples) -> dict[int, Estimate]:
        """Process the next hop; return the estimates by their delay in hops."""
        return self._estimates(samples, self._indices)

    def _estimates(self, samples: Samples, delays: Iterable[int]) -> dict[int, Estimate]:
        # NaN would stay in the state of the network forever.
        samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
        spectra = self._front_end.step(samples)[np.newaxis]
        after = self._advance(spectra=spectra, **self._state)
        self._state = {name: np.asarray(after[name]) for name in self._silence}
        # `beliefs` is the name of the output in existing model files.
        outputs, power = np.asarray(after['beliefs'])[0], powers(spectra[0])
        estimates = {}
        for delay in delays:
            estimate = Estimate(*outputs[:, self._indices[delay]].T[_ESTIMATE_ORDER])
            velocity = self.velocity_estimators[delay].step_powers(
                power, estimate.onset, estimate.velocity
            )
            estimates[delay] = estimate._replace(velocity=velocity)
        return estimates


def confirmation_of(description: dict[str, Any]) -> Confirmation | None:
    """Return how the longer delay of a description is decoded: as `delay` where it does not say.

    None: there is no longer delay.
    """
    delay = description.get('confirmed_delay', max(description['delays']))
    if delay == description['delay']:
        return None
    own = description.get('confirmed', {})
    onset_bias = description.get('onset_bias', 0.0)
    offset_bias = own.get('offset_bias', description.get('offset_bias', onset_bias))
    onset_bias = own.get('onset_bias', onset_bias)
    decoding = {**description.get('decoding', {}), **own.get('decoding', {})}
    return Confirmation(delay, onset_bias, offset_bias, decoding)


def velocity_estimator_for(delay: int) -> VelocityEstimator:
    """Return the velocity estimator for outputs that lag the input by `delay` hops."""
    return VelocityEstimator(delay + 2)  # the decoder reads velocities at the peak and a hop later


def _state(channels: int, units: int, late: int) -> dict[str, tuple[tuple[int, ...], float]]:
    """Return the state between two hops: by name, the shape and the initial value.

    late: the number of late delays; without any there are no `reports`.
    """
    reports = {'reports': ((LATE_PAST, PITCHES, LATE_CHANNELS), 0.0)} if late else {}
    return {
        'past_spectra': ((2, BANDS, len(WINDOWS)), -1.0),
        'past_semitones': ((2, SEMITONES, channels), 0.0),
        'memory': ((PITCHES, units), 0.0),
        **reports,
    }


def load_estimator(model: str | Path = '', runtime: str = 'auto') -> Estimator:
    """Return the estimator of a `.tflite` or `.keras` file, ready to run.

    model: a path; '' is the network that comes with the package, 'spectral' the estimator
    without a network. Of a pair of files either may be named: the runtime 'litert' runs the
    `.tflite`, 'tensorflow' the `.keras` beside it; 'auto' is LiteRT if it is installed and the
    file exists, else TensorFlow.

    Raises ModelError for a file that is missing, damaged or of another version, and for a
    runtime that is not installed.
    """
    if model == SPECTRAL:
        return SpectralEstimator()
    return load_checked(load_here, model, DEFAULT_MODEL, runtime)


def model_file(model: str | Path = '', runtime: str = 'auto') -> Path:
    """Return the file that `load_estimator` loads; SPECTRAL, which has none, as it is."""
    return Path(SPECTRAL) if str(model) == SPECTRAL else choose_file(model, DEFAULT_MODEL, runtime)


def load_here(path: Path) -> NetworkEstimator:
    """Return the estimator of one file, which crashes this process if the file is malicious.

    Raises ModelError like `load_estimator`.
    """
    description = read_model_description(path)
    functions = load_functions(path, ['advance'], lambda path: signatures(load_network(path)))
    with first_calls(path):
        estimator = NetworkEstimator(functions['advance'], description)
        _warm_up(estimator)
    return estimator


def _warm_up(estimator: NetworkEstimator) -> None:
    """Run one hop; raise ValueError if a size does not fit."""
    for posterior in estimator.step(np.zeros(HOP, np.float32)):
        if posterior.shape != (PITCHES,):
            raise ValueError(f'an output of shape {posterior.shape}, not ({PITCHES},)')
    estimator.reset()


def read_model_description(path: Path) -> dict[str, Any]:
    """Return the description in the JSON beside a model: channels, units, delays, delay, perhaps
    late (how many of the delays, the last ones, are of the second stage), onset_bias, offset_bias
    and decoding, confirmed_delay (the delay of the confirmed notes; absent: the longest) and
    confirmed (their onset_bias, offset_bias and decoding; absent: those above). Raises ModelError
    for a network with other inputs or outputs."""
    return read_description(path, 'front_end', VERSION, LARGEST, _check)


def _check(description: dict[str, Any]) -> None:
    delays = description['delays']
    if not 1 <= len(delays) <= MOST_DELAYS or not all(
        type(delay) is int and 0 <= delay <= LONGEST_DELAY for delay in delays
    ):
        raise ValueError(f'delays must be 1 to {MOST_DELAYS} numbers of hops to {LONGEST_DELAY}')
    late = description.get('late', 0)
    if type(late) is not int or not 0 <= late < len(delays):
        raise ValueError('late must be how many of the delays, the last ones, are late')
    early, later = delays[: len(delays) - late], delays[len(delays) - late :]
    if not all(max(early) <= delay <= LATE_PAST for delay in later):
        raise ValueError(f'late delays must be {max(early)} to {LATE_PAST} hops')
    if description['delay'] not in delays:
        raise ValueError('delay must be one of delays')
    if not description['delay'] <= description.get('confirmed_delay', max(delays)):
        raise ValueError('confirmed_delay must not be below delay')
    if description.get('confirmed_delay', delays[0]) not in delays:
        raise ValueError('confirmed_delay must be one of delays')
    _check_decoding(description)
    confirmed = description.get('confirmed', {})
    if not isinstance(confirmed, dict) or not confirmed.keys() <= {*_BIASES, 'decoding'}:
        raise ValueError(f'confirmed must have no more than {", ".join(_BIASES)} and decoding')
    _check_decoding(confirmed)


def _check_decoding(description: dict[str, Any]) -> None:
    decoding = description.get('decoding', {})
    if not isinstance(decoding, dict):
        raise TypeError('decoding must name arguments of the decoder')
    for name, value in decoding.items():
        if name not in DECODER_SETTINGS:
            raise ValueError(
                f'decoding has {name!r}, which is none of {", ".join(DECODER_SETTINGS)}'
            )
        kind, most = (int, LONGEST_DELAY) if name in HOP_SETTINGS else ((int, float), 1)
        if isinstance(value, bool) or not isinstance(value, kind) or not 0 <= value <= most:
            raise ValueError(f'{name} must be a number to {most}')
    for name in _BIASES:
        if not abs(description.get(name, 0.0)) <= LARGEST_BIAS:
            raise ValueError(f'{name} must be at most {LARGEST_BIAS} s')


def load_network(path: Path) -> Any:
    """Return the `TranscriptionNetwork` in a `.keras` file. Raises ModelError if that cannot be.

    Only numbers are read from the file.
    """
    prepare_tensorflow(path)
    description = read_model_description(path)
    from improv_ros.listening.transcription.transcription_network import TranscriptionNetwork

    delays = description['delays']
    early = len(delays) - description.get('late', 0)
    network = TranscriptionNetwork(
        description['channels'], description['units'], delays[:early], delays[early:]
    )
    network.build()
    read_weights(
        path, network, f'{description["channels"]} channels and {description["units"]} units'
    )
    return network


def signatures(network: Any) -> dict[str, Callable[..., Any]]:
    """Return `advance`, the function of a `TranscriptionNetwork` on one stream, for TensorFlow.

    Both runtimes run it: TensorFlow directly, LiteRT as exported from here. The output `beliefs`
    (the name in existing model files) holds probabilities, (1, 88, delays, OUTPUTS).
    """
    import tensorflow as tf

    from improv_ros.listening.transcription.transcription_network import State

    spectra = tf.TensorSpec((1, BANDS, len(WINDOWS)), tf.float32)
    past = _state(network.channels, network.units, len(network.late_delays))
    state = {name: tf.TensorSpec((1, *shape), tf.float32) for name, (shape, _) in past.items()}
    no_reports = np.zeros((1, *network.reports_shape), np.float32)

    def run(spectra: Any, past: dict[str, Any]) -> dict[str, Any]:
        before = State(*past.values(), *([] if 'reports' in past else [no_reports]))
        logits, after = network.advance(spectra, before)
        # zip ends with the shorter one: without late delays `past` has no reports.
        return {'beliefs': tf.sigmoid(logits), **dict(zip(past, after, strict=False))}

    if 'reports' in state:

        @tf.function(input_signature=[spectra, *state.values()])
        def advance(
            spectra: Any, past_spectra: Any, past_semitones: Any, memory: Any, reports: Any
        ) -> dict[str, Any]:
            past = (past_spectra, past_semitones, memory, reports)
            return run(spectra, dict(zip(state, past, strict=True)))

    else:

        @tf.function(input_signature=[spectra, *state.values()])
        def advance(
            spectra: Any, past_spectra: Any, past_semitones: Any, memory: Any
        ) -> dict[str, Any]:
            past = (past_spectra, past_semitones, memory)
            return run(spectra, dict(zip(state, past, strict=True)))

    return {'advance': advance}
