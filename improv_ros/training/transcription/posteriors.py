"""An estimator's beliefs over a whole recording, kept so that thresholds can be tried quickly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.listening.decoder import Decoder
from improv_ros.listening.estimator import (
    BELIEFS,
    LOWEST_PITCH,
    PITCHES,
    Estimate,
    Estimator,
)
from improv_ros.listening.offset_removal import OffsetRemoval
from improv_ros.listening.transcription import StreamingTranscriber

from .estimators import BIAS, load_estimator
from .recordings import Notes, Recording, RecordingError, sound_of

_WINDOW = 500  # hops that a network is asked about at once

Curves = npt.NDArray[np.floating]


class Posteriors(NamedTuple):
    """Curves of shape (hops, 88), as in Estimate, and what dates them, as in Estimator."""

    onset: Curves
    frame: Curves
    velocity: Curves
    offset: Curves
    hop_seconds: float
    latency_hops: int
    onset_bias: float = 0.0
    decoding: Mapping[str, float] = MappingProxyType({})

    def save(self, path: Path) -> None:
        """Write an .npz, curves in half precision."""
        half = {
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
                kept = {name: file[name] for name in cls._fields}
        except (OSError, ValueError, KeyError) as error:
            raise RecordingError(f'{path} holds no posteriors: {error}') from error
        for name in Estimate._fields:
            if kept[name].ndim != 2 or kept[name].shape[1] != PITCHES:
                raise RecordingError(f'{path}: {name} has the shape {kept[name].shape}')
        plain = {name: value if value.ndim else value.item() for name, value in kept.items()}
        return cls(**{**plain, 'decoding': json.loads(plain['decoding'])})


class Kept(NamedTuple):
    """A recording and where the posteriors of it lie."""

    recording: Recording
    path: Path

    @classmethod
    def at(cls, folder: Path, recording: Recording, latency_hops: int) -> Kept:
        """Name the file in a folder for one of the delays."""
        name = recording.name.replace('/', ' ')
        return cls(recording, folder / f'{name}.delay{latency_hops}.npz')

    def load(self) -> Posteriors:
        """Return the posteriors. Raises RecordingError."""
        return _load(self.path)


def keep(recording: Recording, folder: Path, model: str) -> str:
    """Write what a model believes about a recording, with each of its delays; return its name.

    A `.keras` file is asked about many hops at once, any other model hop by hop.
    """
    if model.endswith('.keras'):
        all_beliefs = believe_at_once(Path(model), recording)
    else:
        all_beliefs = [believe(load_estimator(model), recording)]
    for beliefs in all_beliefs:
        beliefs.save(Kept.at(folder, recording, beliefs.latency_hops).path)
    return recording.name


def believe(estimator: Estimator, recording: Recording) -> Posteriors:
    """Return what an estimator believes about a recording, heard hop by hop."""
    estimator.reset()
    sound = _whole_hops(estimator, recording)
    estimates = [np.array(estimator.step(hop), np.float16) for hop in sound]
    return _posteriors(estimator, np.array(estimates), estimator.latency_hops)


def believe_at_once(model: Path, recording: Recording) -> list[Posteriors]:
    """Return what the network of a `.keras` file believes, with each of its delays."""
    from improv_ros.listening.runtime import touch_for

    spectra, beliefs = beliefs_of(model, recording)
    estimator, (network, _) = load_estimator(str(model)), _load_network(model)
    order = [BELIEFS.index(name) for name in Estimate._fields]
    beliefs = beliefs[..., order].transpose(2, 0, 3, 1)  # (delays, hops, Estimate, 88)
    for estimates, delay in zip(beliefs, network.delays, strict=True):
        touch = touch_for(delay)
        for heard, estimate in zip(spectra, map(Estimate._make, estimates), strict=True):
            estimate.velocity[:] = touch.step(heard, estimate.onset, estimate.velocity)
    return [
        _posteriors(estimator, estimates, delay)
        for estimates, delay in zip(beliefs, network.delays, strict=True)
    ]


def beliefs_of(model: Path, recording: Recording) -> tuple[Curves, Curves]:
    """Return spectra, (hops, BANDS, windows), and what the network of a `.keras` file makes of
    them, (hops, 88, delays, BELIEFS)."""
    from improv_ros.listening.front_end import FrontEnd

    network, read = _load_network(model)
    spectra = FrontEnd().analyse(_whole_hops(load_estimator(str(model)), recording).ravel())
    beyond = np.zeros((-len(spectra) % _WINDOW, *spectra.shape[1:]), np.float32)
    windows = np.split(np.concatenate((spectra, beyond)), (len(spectra) + len(beyond)) // _WINDOW)
    state, logits = network.start(), []
    for window in windows:
        heard, state = read(window[np.newaxis], state)
        logits.append(np.asarray(heard[0], np.float32))
    return spectra, 1 / (1 + np.exp(-np.concatenate(logits)[: len(spectra)]))


def _posteriors(estimator: Estimator, estimates: Curves, latency_hops: int) -> Posteriors:
    return Posteriors(
        *estimates.reshape(-1, len(Estimate._fields), PITCHES).transpose(1, 0, 2),
        estimator.hop / estimator.sample_rate,
        latency_hops,
        estimator.onset_bias,
        estimator.decoding,
    )


def _whole_hops(estimator: Estimator, recording: Recording) -> npt.NDArray[np.float32]:
    """The sound and as much silence as is needed to hear its end, (hops, samples)."""
    sound = sound_of(recording, estimator.sample_rate)
    silence = round(StreamingTranscriber(estimator).latency * estimator.sample_rate)
    sound = np.concatenate((sound, np.zeros(silence, np.float32)))
    hops = sound[: len(sound) // estimator.hop * estimator.hop].reshape(-1, estimator.hop)
    offset = OffsetRemoval(estimator.hop / estimator.sample_rate)
    return np.array([offset.process(hop) for hop in hops])


@lru_cache(maxsize=1)
def _load_network(model: Path) -> tuple[Any, Callable[..., Any]]:
    """Return a network, and its `read` compiled."""
    from improv_ros.listening.runtime import load_network

    network = load_network(model)
    import tensorflow

    return network, tensorflow.function(network.read)


@lru_cache(maxsize=64)
def _load(path: Path) -> Posteriors:
    return Posteriors.load(path)


def decode_kept(kept: Kept, settings: Mapping[str, float]) -> Notes:
    """Return the notes that the streaming decoder finds in what is kept."""
    return decode(kept.load(), settings)


def decode(posteriors: Posteriors, settings: Mapping[str, float]) -> Notes:
    """Return the notes that the streaming decoder finds; settings as for `transcriber`."""
    named: dict[str, Any] = {**posteriors.decoding, **settings}
    bias = named.pop(BIAS, posteriors.onset_bias)
    deciding = Decoder(posteriors.hop_seconds, **named)
    notes = []
    sounding: dict[int, tuple[float, int]] = {}
    curves = (curve.astype(np.float32) for curve in posteriors[:4])
    decisions = [d for row in zip(*curves, strict=True) for d in deciding.step(Estimate(*row))]
    for hop, key, velocity in decisions + deciding.release():
        seconds = (hop - posteriors.latency_hops) * posteriors.hop_seconds - bias
        seconds = max(0.0, seconds)
        if velocity:
            sounding[key] = seconds, velocity
        else:
            onset, struck = sounding.pop(key)
            notes.append((onset, max(seconds, onset + 0.001), key + LOWEST_PITCH, struck))
    return np.array(sorted(notes)).reshape(-1, 4)
