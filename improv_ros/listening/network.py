"""The transcriber's network: spectra in, hop by hop, beliefs about each of the 88 keys out.

    semitones = two convolutions over the spectra: 98 places a semitone apart
    harmonics = for each key, what is heard at its overtones, its undertones, and overall
    memory    = one GRU a key, all keys sharing its weights
    beliefs   = a key's memory, and those of the keys with which it shares overtones

A key is heard like any other, a little higher: all weights are shared between the keys, which
learns from little and runs fast. A gain and a bias for each channel of each place make up for what
differs: low keys have faint fundamentals and overtones that no window parts. Harmonically spaced
inputs are those of Wei et al., "HPPNet: Modeling the harmonic structure and pitch invariance in
piano transcription", ISMIR 2022; one recurrent network a key with shared weights and conditioned
on its pitch, those of Kwon et al., "Towards efficient and real-time piano transcription using
neural autoregressive models", TASLP 2024.

What is believed at a hop is about the sound `delays` hops before, several delays side by side.
Nothing looks ahead. The same layers run over whole windows in training (`read`) and one hop at a
time when listening (`advance`).
"""

from typing import Any, NamedTuple

import keras
from keras import layers, ops
import numpy as np

from .estimator import BELIEFS, PITCHES
from .front_end import BANDS, BANDS_A_SEMITONE, SEMITONES, WINDOWS

PARTIALS = (-24, -19, -12, 0, 12, 19, 24, 28, 31, 34, 36, 40, 43, 48)
"""Semitones from a key to where its undertones and overtones lie."""

_SPAN = 3  # hops that a convolution sees
_ATTACKS = 16  # channels of the first convolution


class State(NamedTuple):
    """All that the network carries from hop to hop, for `batch` streams.

    spectra: (batch, 2, BANDS, windows) and semitones: (batch, 2, SEMITONES, channels), the last
    two hops; memory: (batch, 88, units), the GRU's.
    """

    spectra: Any
    semitones: Any
    memory: Any


@keras.saving.register_keras_serializable(package='improv_ros')
class TranscriptionNetwork(keras.Model):
    """A recurrent network over the spectra of a piano."""

    def __init__(
        self,
        channels: int = 32,
        units: int = 48,
        delays: tuple[int, ...] = (3, 4, 5, 8),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.units, self.delays = channels, units, tuple(delays)
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
        self.beliefs = layers.Dense(len(self.delays) * len(BELIEFS))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            'channels': self.channels,
            'units': self.units,
            'delays': self.delays,
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
        self.touch = self.add_weight(
            name='touch',
            shape=(PITCHES, len(self.delays) * len(BELIEFS)),
            initializer=keras.initializers.Constant(-2),
        )
        self.built = True

    def _places(self, name: str, places: int, channels: int) -> tuple[Any, Any]:
        """Return a gain and a bias for each channel of each place."""
        shape = (places, channels)
        return (
            self.add_weight(name=f'{name}_gain', shape=shape, initializer='ones'),
            self.add_weight(name=f'{name}_bias', shape=shape, initializer='zeros'),
        )

    def start(self, batch: int = 1) -> State:
        """Return the state before the first hop."""
        past = _SPAN - 1
        return State(
            np.full((batch, past, BANDS, len(WINDOWS)), -1, np.float32),
            np.zeros((batch, past, SEMITONES, self.channels), np.float32),
            np.zeros((batch, PITCHES, self.units), np.float32),
        )

    def read(self, spectra: Any, state: State) -> tuple[Any, State]:
        """Read a window of hops, (batch, hops, BANDS, windows).

        Returns the beliefs as logits, (batch, hops, 88, delays, BELIEFS), and the state after
        the last hop.
        """
        heard, spectra, semitones = self._hear(spectra, state)
        remember = self._remember
        if keras.backend.backend() == 'jax':
            # To compute a step again for its gradient is faster than to keep it for long.
            remember = keras.remat(remember)
        last, memory = ops.scan(remember, state.memory, ops.swapaxes(heard, 0, 1))
        return self._believe(ops.swapaxes(memory, 0, 1)), State(spectra, semitones, last)

    def advance(self, spectra: Any, state: State) -> tuple[Any, State]:
        """Read one hop, (batch, BANDS, windows); beliefs (batch, 88, delays, BELIEFS)."""
        heard, spectra, semitones = self._hear(spectra[:, None], state)
        memory, _ = self._remember(state.memory, heard[:, 0])
        return self._believe(memory[:, None])[:, 0], State(spectra, semitones, memory)

    def _remember(self, memory: Any, heard: Any) -> tuple[Any, Any]:
        """A step of the GRU, whose reset comes after its product (Cho et al. 2014)."""
        new, old = _each(self.gates_heard, heard), _each(self.gates_remembered, memory)
        both = 2 * self.units
        keep, reset = ops.split(ops.sigmoid(new[..., :both] + old[..., :both]), 2, axis=-1)
        proposed = ops.tanh(new[..., both:] + reset * old[..., both:])
        memory = proposed + keep * (memory - proposed)
        return memory, memory

    def _hear(self, spectra: Any, state: State) -> tuple[Any, Any, Any]:
        """What the memory hears of each key, (batch, hops, 88, units), and the new past."""
        spectra = ops.concatenate([state.spectra, spectra], axis=1)
        semitones = self.semitone(_fire(self.attack(_widen(spectra, 2, 2)), self.bands))
        semitones = ops.concatenate([state.semitones, semitones], axis=1)
        change = _fire(self.change(_widen(semitones, 1, 1)), self.semitones)
        overall = ops.concatenate([ops.mean(change, axis=2), ops.max(change, axis=2)], axis=-1)
        heard = _each(self.harmonics, _partials(_each(self.squeeze, change), SEMITONES))
        heard = heard + _each(self.surroundings, overall)[:, :, None]
        past = 1 - _SPAN
        return _fire(heard, self.keys), spectra[:, past:], semitones[:, past:]

    def _believe(self, memory: Any) -> Any:
        mentioned = _partials(_each(self.mention, memory), PITCHES)
        together = _each(self.neighbours, ops.concatenate([mentioned, memory], axis=-1))
        beliefs = _each(self.beliefs, together) + self.touch
        return ops.reshape(beliefs, (*ops.shape(beliefs)[:3], len(self.delays), len(BELIEFS)))


def _fire(heard: Any, places: tuple[Any, Any]) -> Any:
    """What passes at each place, by its gain and bias."""
    gain, bias = places
    return ops.relu(heard * gain + bias)


def _each(layer: layers.Dense, inputs: Any) -> Any:
    """A dense layer at every place, as one product of two matrices.

    TensorFlow 2.21 crashes in the batched product that it would make of a window of one hop.
    """
    flat = layer(ops.reshape(inputs, (-1, inputs.shape[-1])))
    return ops.reshape(flat, (*ops.shape(inputs)[:-1], layer.units))


def _widen(places: Any, below: int, above: int) -> Any:
    """Add places beyond the lowest and the highest."""
    return ops.pad(places, ((0, 0), (0, 0), (below, above), (0, 0)))


def _partials(places: Any, count: int) -> Any:
    """For each key, side by side what is at its partials, of `count` places a semitone apart."""
    below = -min(PARTIALS)
    wide = _widen(places, below, max(PARTIALS) + PITCHES - count)
    return ops.concatenate(
        [wide[:, :, below + shift : below + shift + PITCHES] for shift in PARTIALS], axis=-1
    )
