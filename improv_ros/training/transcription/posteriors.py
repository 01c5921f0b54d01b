"""An estimator's beliefs over a whole recording, kept so that thresholds can be tried quickly."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.listening.estimator import LOWEST_PITCH, PITCHES, Estimate, Estimator
from improv_ros.listening.hearing import Hearing
from improv_ros.listening.transcription import StreamingTranscriber

from .estimators import decoder, load_estimator
from .recordings import Notes, Recording, RecordingError, chunks

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
    lookahead: int = 1

    def save(self, path: Path) -> None:
        """Write an .npz, curves in half precision."""
        half = {
            name: value.astype(np.float16) if isinstance(value, np.ndarray) else value
            for name, value in self._asdict().items()
        }
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
        return cls(*(value if value.ndim else value.item() for value in kept.values()))


class _Witness(Estimator):
    """Passes an estimator's beliefs on and keeps them."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        self.sample_rate, self.hop = estimator.sample_rate, estimator.hop
        self.latency_hops, self.lookahead = estimator.latency_hops, estimator.lookahead
        self.onset_bias = estimator.onset_bias
        self.seen: list[npt.NDArray[np.float16]] = []

    def reset(self) -> None:
        self.estimator.reset()

    def step(self, samples: npt.NDArray[np.float32]) -> Estimate:
        estimate = self.estimator.step(samples)
        self.seen.append(np.array(estimate, np.float16))
        return estimate


def believe(estimator: Estimator, recording: Recording) -> Posteriors:
    """Return what an estimator believes about a recording, heard as it would be live."""
    witness = _Witness(estimator)
    hearing = Hearing(StreamingTranscriber(witness))
    for chunk in chunks(recording):
        hearing.hear(chunk)
    hearing.flush()
    curves = np.array(witness.seen, np.float16).reshape(-1, 4, PITCHES).transpose(1, 0, 2)
    return Posteriors(
        *curves,
        estimator.hop / estimator.sample_rate,
        estimator.latency_hops,
        estimator.onset_bias,
        estimator.lookahead,
    )


class Kept(NamedTuple):
    """A recording and where the posteriors of it lie."""

    recording: Recording
    path: Path

    def load(self) -> Posteriors:
        """Return the posteriors. Raises RecordingError."""
        return _load(self.path)


def keep(kept: Kept, model: str) -> str:
    """Hear a recording and write the posteriors; return its name."""
    believe(load_estimator(model), kept.recording).save(kept.path)
    return kept.recording.name


@lru_cache(maxsize=64)
def _load(path: Path) -> Posteriors:
    return Posteriors.load(path)


def decode_kept(kept: Kept, settings: Mapping[str, float]) -> Notes:
    """Return the notes that the streaming decoder finds in what is kept."""
    return decode(kept.load(), settings)


def decode(posteriors: Posteriors, settings: Mapping[str, float]) -> Notes:
    """Return the notes that the streaming decoder finds. settings: arguments of Decoder."""
    deciding = decoder(posteriors.hop_seconds, posteriors.lookahead, settings)
    notes = []
    sounding: dict[int, tuple[float, int]] = {}
    curves = (curve.astype(np.float32) for curve in posteriors[:4])
    decisions = [d for row in zip(*curves, strict=True) for d in deciding.step(Estimate(*row))]
    for hop, key, velocity in decisions + deciding.release():
        seconds = (hop - posteriors.latency_hops) * posteriors.hop_seconds - posteriors.onset_bias
        seconds = max(0.0, seconds)
        if velocity:
            sounding[key] = seconds, velocity
        else:
            onset, struck = sounding.pop(key)
            notes.append((onset, max(seconds, onset + 0.001), key + LOWEST_PITCH, struck))
    return np.array(sorted(notes)).reshape(-1, 4)
