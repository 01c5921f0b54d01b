# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The transcriber's network: log spectra in, hop by hop; logits of the 88 keys out.

    semitones = two convolutions over the spectra: 98 places a semitone apart
    harmonics = for each key, the features at its overtones, its undertones, and overall
    memory    = one GRU per key; all keys share its weights
    outputs   = from the memory of a key, and of the keys with which it shares overtones

All weights are shared between the keys, which needs less training data and computes fast. A gain
and a bias per channel and place account for the differences between keys: low keys have weak
fundamentals, and overtones that no window resolves. The harmonically spaced inputs are those of
Wei et al., "HPPNet: Modeling the harmonic structure and pitch invariance in piano transcription",
ISMIR 2022; one recurrent network per key with shared weights, conditioned on its pitch, is that of
Kwon et al., "Towards efficient and real-time piano transcription using neural autoregressive
models", TASLP 2024.

The outputs lag the input by `delays` hops, for several delays side by side; the network is causal.
A second stage may output longer delays (`late_delays`): it reads what the first stage reported of
each key at the last `LATE_TAPS` hops, and corrects the first stage's logits of the longest delay.
The same layers run over whole windows in training (`read`) and hop by hop in the node (`advance`).
"""

from typing import Any, NamedTuple

import keras
from keras import layers, ops
import numpy as np

from improv_ros.listening.transcription.estimator import OUTPUTS, PITCHES
from improv_ros.listening.transcription.second_stage import (
    LATE_CHANNELS,
    LATE_PAST,
    LATE_TAPS,
    LATE_UNITS,
    REPORT_CHANNELS,
)
from improv_ros.listening.transcription.spectra import BANDS, BANDS_A_SEMITONE, SEMITONES, WINDOWS

PARTIALS = (-24, -19, -12, 0, 12, 19, 24, 28, 31, 34, 36, 40, 43, 48)
"""Semitones from a key to its undertones and overtones."""

_SPAN = 3  # hops that a convolution spans
_ATTACKS = 16  # channels of the first convolution


class State(NamedTuple):
    """The state of the network between two hops, for `batch` streams; float32.

    spectra: (batch, 2, BANDS, windows), the last two hops of the input.
    semitones: (batch, 2, SEMITONES, channels), the last two hops of the first convolutions.
    memory: (batch, 88, units), the state of the GRU.
    reports: (batch, LATE_PAST, 88, LATE_CHANNELS), the last outputs of the first stage to the
    second; without late delays (batch, 0, 88, 0).
    """

    spectra: Any
    semitones: Any
    memory: Any
    reports: Any


@keras.saving.register_keras_serializable(package='improv_ros')
class TranscriptionNetwork(keras.Model):
    """A causal recurrent network from log spectra to logits of the 88 keys.

    Input: `Spectra` of `FrontEnd`, float32 (batch, hops, BANDS, windows): one hop is 10 ms, a band
    a third of a semitone; a full-scale sine reads about 1, every 10 dB less 0.2 less, to -1.
    Output: logits, float32 (batch, hops, 88, delays, OUTPUTS), of the posteriors of onset, frame
    and offset and of MIDI velocity / 127; hop t is about the sound at t - delay.

    channels: of the convolutions. units: of the GRU. delays: of the first stage, in hops of 10 ms;
    late_delays: of the second stage, between the longest of `delays` and LATE_PAST. The attribute
    `delays` holds both, in this order.

    The attributes that hold layers are the names by which `.keras` files are read: renaming one
    makes existing files unreadable.
    """

    def __init__(
        self,
        channels: int = 32,
        units: int = 48,
        delays: tuple[int, ...] = (3, 4, 5, 8),
        late_delays: tuple[int, ...] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.units = channels, units
        self.early_delays, self.late_delays = tuple(delays), tuple(late_delays)
        self.delays = self.early_delays + self.late_delays
        self.attack = layers.Conv2D(_ATTACKS, (_SPAN, 5), use_bias=False)
        self.semitone = layers.Conv2D(
            channels, (1, BANDS_A_SEMITONE), (1, BANDS_A_SEMITONE), activation='relu'
        )
        self.change = layers.Conv2D(channels, (_SPAN, 3), use_bias=False)
        self.squeeze = layers.Dense(channels // 2)
        self.harmonics = layers.Dense(units)
        self.surroundings = layers.Dense(units)
        self.gates_heard = layers.Dense(3 * units)
        self.gates_remembered = layers.Dense(3 * units, kernel_initializer='orthogonal')
        self.mention = layers.Dense(8)
        self.neighbours = layers.Dense(units, activation='relu')
        # The outputs; existing model files name this layer `beliefs`.
        self.beliefs = layers.Dense(len(self.early_delays) * len(OUTPUTS))
        if self.late_delays:
            self.report = layers.Dense(REPORT_CHANNELS, activation='relu')
            self.review = layers.Dense(LATE_UNITS, activation='relu')
            self.late_mention = layers.Dense(8)
            self.late_neighbours = layers.Dense(LATE_UNITS, activation='relu')
            self.corrections = layers.Dense(
                len(self.late_delays) * len(OUTPUTS), kernel_initializer='zeros'
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            'channels': self.channels,
            'units': self.units,
            'delays': self.early_delays,
            'late_delays': self.late_delays,
        }

    def build(self, input_shape: Any = None) -> None:
        half, partials = self.channels // 2, len(PARTIALS)
        self.attack.build((None, None, BANDS, len(WINDOWS)))
        self.semitone.build((None, None, BANDS, _ATTACKS))
        self.change.build((None, None, SEMITONES, self.channels))
        self.squeeze.build((None, None, SEMITONES, self.channels))
        self.harmonics.build((None, None, PITCHES, half * partials))
        self.surroundings.build((None, None, 2 * self.channels))
        self.bands = self._places('bands', BANDS, _ATTACKS)
        self.semitones = self._places('semitones', SEMITONES, self.channels)
        self.keys = self._places('keys', PITCHES, self.units)
        self.gates_heard.build((None, PITCHES, self.units))
        self.gates_remembered.build((None, PITCHES, self.units))
        self.mention.build((None, None, PITCHES, self.units))
        self.neighbours.build((None, None, PITCHES, 8 * partials + self.units))
        self.beliefs.build((None, None, PITCHES, self.units))
        self.output_bias = self.add_weight(
            name='output_bias',
            shape=(PITCHES, len(self.early_delays) * len(OUTPUTS)),
            initializer=keras.initializers.Constant(-2),
        )
        if self.late_delays:
            self.report.build((None, None, PITCHES, self.units))
            self.review.build((None, None, PITCHES, REPORT_CHANNELS * len(LATE_TAPS)))
            self.late_mention.build((None, None, PITCHES, LATE_UNITS))
            self.late_neighbours.build((None, None, PITCHES, 8 * partials + LATE_UNITS))
            self.corrections.build((None, None, PITCHES, LATE_UNITS))
            self.late_output_bias = self.add_weight(
                name='late_output_bias',
                shape=(PITCHES, len(self.late_delays) * len(OUTPUTS)),
                initializer='zeros',
            )
        self.built = True

    def _places(self, name: str, places: int, channels: int) -> tuple[Any, Any]:
        """Return a gain and a bias per channel and place, each (places, channels)."""
        shape = (places, channels)
        return (
            self.add_weight(name=f'{name}_gain', shape=shape, initializer='ones'),
            self.add_weight(name=f'{name}_bias', shape=shape, initializer='zeros'),
        )

    def call(self, spectra: Any) -> Any:
        """Return the logits of a window that begins with silence: `read` from `start`."""
        batch = ops.shape(spectra)[0]
        state = (ops.repeat(ops.convert_to_tensor(each), batch, axis=0) for each in self.start())
        return self.read(spectra, State(*state))[0]

    @property
    def named_layers(self) -> dict[str, layers.Layer]:
        """The layers by the names of their attributes."""
        attributes = vars(self) | vars(self).get('_modules', {})  # where PyTorch keeps them
        return {name: each for name, each in attributes.items() if isinstance(each, layers.Layer)}

    def freeze_first_stage(self) -> None:
        """Make the weights of the first stage untrainable: only the second stage learns."""
        second = {self.report, self.review, self.late_mention, self.late_neighbours}
        second |= {self.corrections}
        for layer in self.layers:
            layer.trainable = layer in second
        for gain, bias in (self.bands, self.semitones, self.keys):
            gain.trainable = bias.trainable = False
        self.output_bias.trainable = False

    def start(self, batch: int = 1) -> State:
        """Return the state before the first hop, after silence."""
        past = _SPAN - 1
        return State(
            np.full((batch, past, BANDS, len(WINDOWS)), -1, np.float32),
            np.zeros((batch, past, SEMITONES, self.channels), np.float32),
            np.zeros((batch, PITCHES, self.units), np.float32),
            np.zeros((batch, *self.reports_shape), np.float32),
        )

    @property
    def reports_shape(self) -> tuple[int, int, int]:
        """The shape of `State.reports` without its batch axis."""
        return (LATE_PAST, PITCHES, LATE_CHANNELS) if self.late_delays else (0, PITCHES, 0)

    def read(self, spectra: Any, state: State) -> tuple[Any, State]:
        """Process a window of hops, (batch, hops, BANDS, windows).

        Returns the logits, (batch, hops, 88, delays, OUTPUTS), and the state after the window.
        """
        key_inputs, spectra, semitones = self._key_inputs(spectra, state)
        gates = _dense(self.gates_heard, ops.swapaxes(key_inputs, 0, 1))
        last, memory = ops.scan(self._gru_step, state.memory, gates)
        logits, reports = self._output_logits(ops.swapaxes(memory, 0, 1), state.reports)
        return logits, State(spectra, semitones, last, reports)

    def advance(self, spectra: Any, state: State) -> tuple[Any, State]:
        """Process one hop, (batch, BANDS, windows).

        Returns the logits, (batch, 88, delays, OUTPUTS), and the state after the hop.
        """
        key_inputs, spectra, semitones = self._key_inputs(spectra[:, None], state)
        memory, _ = self._gru_step(state.memory, _dense(self.gates_heard, key_inputs[:, 0]))
        logits, reports = self._output_logits(memory[:, None], state.reports)
        return logits[:, 0], State(spectra, semitones, memory, reports)

    def _gru_step(self, memory: Any, new: Any) -> tuple[Any, Any]:
        """A step of the GRU, with its reset gate after the matrix product (Cho et al. 2014).

        new: the gates' share of the input, (batch, 88, 3 * units).
        """
        old = _dense(self.gates_remembered, memory)
        both = 2 * self.units
        keep, reset = ops.split(ops.sigmoid(new[..., :both] + old[..., :both]), 2, axis=-1)
        proposed = ops.tanh(new[..., both:] + reset * old[..., both:])
        memory = proposed + keep * (memory - proposed)
        return memory, memory

    def _key_inputs(self, spectra: Any, state: State) -> tuple[Any, Any, Any]:
        """Return the input of the GRU, (batch, hops, 88, units), and the next two past states."""
        spectra = ops.concatenate([state.spectra, spectra], axis=1)
        attack = _convolve(self.attack, _pad_places(spectra, 2, 2))
        semitones = _bands_to_semitones(self.semitone, _scaled_relu(attack, self.bands))
        semitones = ops.concatenate([state.semitones, semitones], axis=1)
        change = _convolve(self.change, _pad_places(semitones, 1, 1))
        change = _scaled_relu(change, self.semitones)
        overall = ops.concatenate([ops.mean(change, axis=2), ops.max(change, axis=2)], axis=-1)
        key_inputs = _dense(
            self.harmonics, _gather_partials(_dense(self.squeeze, change), SEMITONES)
        )
        key_inputs = key_inputs + _dense(self.surroundings, overall)[:, :, None]
        past = 1 - _SPAN
        return _scaled_relu(key_inputs, self.keys), spectra[:, past:], semitones[:, past:]

    def _output_logits(self, memory: Any, past: Any) -> tuple[Any, Any]:
        """Return the logits of all delays, and the next past reports."""
        mentioned = _gather_partials(_dense(self.mention, memory), PITCHES)
        together = _dense(self.neighbours, ops.concatenate([mentioned, memory], axis=-1))
        early = _dense(self.beliefs, together) + self.output_bias
        if not self.late_delays:
            return _by_delay(early), past
        report = _dense(self.report, together)
        report = ops.concatenate([report, early[..., -len(OUTPUTS) :]], axis=-1)
        reports = ops.concatenate([past, report], axis=1)
        late = self._late_logits(reports)
        return _by_delay(ops.concatenate([early, late], axis=-1)), reports[:, -LATE_PAST:]

    def _late_logits(self, reports: Any) -> Any:
        """Return the logits of the late delays, (batch, hops, 88, late delays * OUTPUTS).

        reports: (batch, LATE_PAST + hops, 88, LATE_CHANNELS).
        """
        hops = reports.shape[1] - LATE_PAST
        features = reports[..., :REPORT_CHANNELS]
        taps = [features[:, LATE_PAST - tap : LATE_PAST - tap + hops] for tap in LATE_TAPS]
        review = _dense(self.review, ops.concatenate(taps, axis=-1))
        mentioned = _gather_partials(_dense(self.late_mention, review), PITCHES)
        review = _dense(self.late_neighbours, ops.concatenate([mentioned, review], axis=-1))
        starts = [LATE_PAST - delay + max(self.early_delays) for delay in self.late_delays]
        before = [reports[:, start : start + hops, :, REPORT_CHANNELS:] for start in starts]
        corrections = _dense(self.corrections, review) + self.late_output_bias
        return ops.concatenate(before, axis=-1) + corrections


def _by_delay(logits: Any) -> Any:
    return ops.reshape(logits, (*ops.shape(logits)[:3], -1, len(OUTPUTS)))


def _scaled_relu(key_inputs: Any, places: tuple[Any, Any]) -> Any:
    """A ReLU with a gain and a bias per channel and place."""
    gain, bias = places
    return ops.relu(key_inputs * gain + bias)


def _dense(layer: layers.Dense, inputs: Any) -> Any:
    """Apply a dense layer at every place, as one product of two matrices.

    TensorFlow 2.21 crashes in the batched product that it would make of a window of one hop.
    """
    flat = layer(ops.reshape(inputs, (-1, inputs.shape[-1])))
    return ops.reshape(flat, (*ops.shape(inputs)[:-1], layer.units))


def _convolve(layer: layers.Conv2D, inputs: Any) -> Any:
    """Apply a convolution over hops and places, without bias.

    On CPUs JAX's own convolution with its gradient takes half as long again.
    """
    if keras.backend.backend() != 'jax':
        return layer(inputs)
    span, width, *_ = layer.kernel.shape
    hops, places = inputs.shape[1] - span + 1, inputs.shape[2] - width + 1
    near = ops.concatenate([inputs[:, :, at : at + places] for at in range(width)], axis=-1)
    kernel = ops.reshape(ops.transpose(layer.kernel, (1, 2, 0, 3)), (near.shape[-1], -1))
    parts = ops.reshape(
        ops.reshape(near, (-1, near.shape[-1])) @ kernel, (*near.shape[:3], span, -1)
    )
    return sum(parts[:, hop : hop + hops, :, hop] for hop in range(span))


def _bands_to_semitones(layer: layers.Conv2D, bands: Any) -> Any:
    """Apply the convolution from bands to semitones; for JAX as one product of two matrices."""
    if keras.backend.backend() != 'jax':
        return layer(bands)
    kernel = ops.reshape(layer.kernel, (-1, layer.filters))
    semitones = ops.reshape(bands, (-1, kernel.shape[0])) @ kernel + layer.bias
    return ops.relu(ops.reshape(semitones, (*bands.shape[:2], -1, layer.filters)))


def _pad_places(places: Any, below: int, above: int) -> Any:
    """Pad with zeros below the lowest place and above the highest."""
    return ops.pad(places, ((0, 0), (0, 0), (below, above), (0, 0)))


def _gather_partials(places: Any, count: int) -> Any:
    """Concatenate for each key the features at its partials, of `count` semitone places."""
    below = -min(PARTIALS)
    wide = _pad_places(places, below, max(PARTIALS) + PITCHES - count)
    return ops.concatenate(
        [wide[:, :, below + shift : below + shift + PITCHES] for shift in PARTIALS], axis=-1
    )
