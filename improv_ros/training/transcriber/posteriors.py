# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Posteriors of whole recordings, stored so that thresholds can be tuned quickly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.listening.transcription.decoder import Decoder
from improv_ros.listening.transcription.estimator import (
    LOWEST_PITCH,
    OUTPUTS,
    PITCHES,
    Estimate,
    Estimator,
)
from improv_ros.listening.transcription.streaming_transcriber import (
    DCBlocker,
    StreamingTranscriber,
)
from improv_ros.training.transcriber.estimators import BIASES, load_estimator
from improv_ros.training.transcriber.recordings import Notes, Recording, RecordingError, sound_of

_WINDOW = 500  # hops that a network processes at once

Curves = npt.NDArray[np.floating]


class Posteriors(NamedTuple):
    """The posteriors of Estimate over a recording, (hops, 88), and the timing of Estimator."""

    onset: Curves
    frame: Curves
    velocity: Curves
    offset: Curves
    hop_seconds: float
    latency_hops: int
    onset_bias: float = 0.0
    offset_bias: float = 0.0
    decoding: Mapping[str, float] = MappingProxyType({})

    def save(self, path: Path) -> None:
        """Write an .npz file, the posteriors in half precision."""
        half: dict[str, Any] = {
            name: value.astype(np.float16) if isinstance(value, np.ndarray) else value
            for name, value in self._asdict().items()
        } | {'decoding': json.dumps(dict(self.decoding))}
        with path.open('wb') as file:
            np.savez_compressed(file, **half)

    @classmethod
    def load(cls, path: Path) -> Posteriors:
        """Read what `save` wrote. Raises RecordingError."""
        try:
            with np.load(path, allow_pickle=False) as file:
                stored = {name: file[name] for name in cls._fields}
        except (OSError, ValueError, KeyError) as error:
            raise RecordingError(f'{path} holds no posteriors: {error}') from error
        for name in Estimate._fields:
            if stored[name].ndim != 2 or stored[name].shape[1] != PITCHES:
                raise RecordingError(f'{path}: {name} has the shape {stored[name].shape}')
        plain = {name: value if value.ndim else value.item() for name, value in stored.items()}
        return cls(**{**plain, 'decoding': json.loads(plain['decoding'])})


class StoredPosteriors(NamedTuple):
    """A recording and the file of its posteriors."""

    recording: Recording
    path: Path

    @classmethod
    def at(cls, folder: Path, recording: Recording, latency_hops: int) -> StoredPosteriors:
        """Return the posteriors in a folder for one of the delays, in hops."""
        name = recording.name.replace('/', ' ')
        return cls(recording, folder / f'{name}.delay{latency_hops}.npz')

    def load(self) -> Posteriors:
        """Return the posteriors. Raises RecordingError."""
        return _load(self.path)


def store_posteriors(recording: Recording, folder: Path, model: str) -> str:
    """Store the posteriors of a model for a recording, for each delay; return its name.

    A `.keras` file processes many hops at once, any other model runs hop by hop.
    """
    if model.endswith('.keras'):
        all_posteriors = network_posteriors(Path(model), recording)
    else:
        all_posteriors = [estimator_posteriors(load_estimator(model), recording)]
    for posteriors in all_posteriors:
        path = StoredPosteriors.at(folder, recording, posteriors.latency_hops).path
        posteriors.save(path)
    return recording.name


def estimator_posteriors(estimator: Estimator, recording: Recording) -> Posteriors:
    """Return the posteriors of an estimator for a recording, run hop by hop."""
    estimator.reset()
    sound = _whole_hops(estimator, recording)
    estimates = [np.array(estimator.step(hop), np.float16) for hop in sound]
    return _posteriors(estimator, np.array(estimates), estimator.latency_hops)


def network_posteriors(model: Path, recording: Recording) -> list[Posteriors]:
    """Return the posteriors of the network of a `.keras` file, for each of its delays."""
    from improv_ros.listening.transcription.transcription_runtime import velocity_estimator_for
    from improv_ros.listening.transcription.velocity_estimation import powers

    spectra, outputs = network_outputs(model, recording)
    estimator, (network, _) = load_estimator(str(model)), _load_network(model)
    order = [OUTPUTS.index(name) for name in Estimate._fields]
    outputs = outputs[..., order].transpose(2, 0, 3, 1)  # (delays, hops, Estimate, 88)
    powers_of_hops = powers(spectra)
    for estimates, delay in zip(outputs, network.delays, strict=True):
        velocity_estimator = velocity_estimator_for(delay)
        for power, estimate in zip(powers_of_hops, map(Estimate._make, estimates), strict=True):
            estimate.velocity[:] = velocity_estimator.step_powers(
                power, estimate.onset, estimate.velocity
            )
    return [
        _posteriors(estimator, estimates, delay)
        for estimates, delay in zip(outputs, network.delays, strict=True)
    ]


def network_outputs(model: Path, recording: Recording) -> tuple[Curves, Curves]:
    """Return spectra, (hops, BANDS, windows), and the outputs of the network of a `.keras` file,
    probabilities, (hops, 88, delays, OUTPUTS)."""
    from improv_ros.listening.transcription.spectra import FrontEnd

    network, read = _load_network(model)
    spectra = FrontEnd().analyse(_whole_hops(load_estimator(str(model)), recording).ravel())
    beyond = np.zeros((-len(spectra) % _WINDOW, *spectra.shape[1:]), np.float32)
    windows = np.split(np.concatenate((spectra, beyond)), (len(spectra) + len(beyond)) // _WINDOW)
    state, logits = network.start(), []
    for window in windows:
        window_logits, state = read(window[np.newaxis], state)
        logits.append(np.asarray(window_logits[0], np.float32))
    return spectra, 1 / (1 + np.exp(-np.concatenate(logits)[: len(spectra)]))


def _posteriors(estimator: Estimator, estimates: Curves, latency_hops: int) -> Posteriors:
    curves = estimates.reshape(-1, len(Estimate._fields), PITCHES).transpose(1, 0, 2)
    onset, frame, velocity, offset = curves
    return Posteriors(
        onset,
        frame,
        velocity,
        offset,
        estimator.hop / estimator.sample_rate,
        latency_hops,
        estimator.onset_bias,
        estimator.offset_bias,
        estimator.decoding,
    )


def _whole_hops(estimator: Estimator, recording: Recording) -> npt.NDArray[np.float32]:
    """Return the audio, and silence of the latency after it, (hops, samples)."""
    sound = sound_of(recording, estimator.sample_rate)
    silence = round(StreamingTranscriber(estimator).latency * estimator.sample_rate)
    sound = np.concatenate((sound, np.zeros(silence, np.float32)))
    hops = sound[: len(sound) // estimator.hop * estimator.hop].reshape(-1, estimator.hop)
    dc_blocker = DCBlocker(estimator.hop / estimator.sample_rate)
    return np.array([dc_blocker.process(hop) for hop in hops])


@lru_cache(maxsize=1)
def _load_network(model: Path) -> tuple[Any, Callable[..., Any]]:
    """Return a network, and its `read` compiled."""
    from improv_ros.listening.transcription.transcription_runtime import load_network

    network = load_network(model)
    import tensorflow

    return network, tensorflow.function(network.read)


@lru_cache(maxsize=64)
def _load(path: Path) -> Posteriors:
    return Posteriors.load(path)


def decode_stored(stored: StoredPosteriors, settings: Mapping[str, float]) -> Notes:
    """Return the notes that the decoder finds in stored posteriors."""
    return decode(stored.load(), settings)


def decode(posteriors: Posteriors, settings: Mapping[str, float]) -> Notes:
    """Return the notes that the decoder finds in posteriors; settings as for `transcriber`."""
    named: dict[str, Any] = {**posteriors.decoding, **settings}
    onset_bias, offset_bias = (named.pop(name, getattr(posteriors, name)) for name in BIASES)
    decoder = Decoder(posteriors.hop_seconds, **named)
    notes = []
    sounding: dict[int, tuple[float, int]] = {}
    curves = (curve.astype(np.float32) for curve in posteriors[:4])
    decisions = [d for row in zip(*curves, strict=True) for d in decoder.step(Estimate(*row))]
    seconds = 0.0
    for hop, key, velocity in decisions + decoder.release():
        bias = onset_bias if velocity else offset_bias
        time = (hop - posteriors.latency_hops) * posteriors.hop_seconds - bias
        seconds = max(seconds, time)  # like StreamingTranscriber
        if velocity:
            sounding[key] = seconds, velocity
        else:
            onset, onset_velocity = sounding.pop(key)
            notes.append((onset, max(seconds, onset + 0.001), key + LOWEST_PITCH, onset_velocity))
    return np.array(sorted(notes)).reshape(-1, 4)
