"""The transcriber to measure, from the name of an estimator or a model file and settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from improv_ros.listening.estimator import Estimator
from improv_ros.listening.spectral import SpectralEstimator
from improv_ros.listening.transcription import StreamingTranscriber, decoder_for

from .recordings import RecordingError

SPECTRAL = 'spectral'
BIAS = 'onset_bias'  # a setting beside the decoder's: see Estimator


@lru_cache(maxsize=1)
def load_estimator(model: str) -> Estimator:
    """Return the estimator without a network, that of a model file, or, of '', the package's.

    Raises RecordingError.
    """
    if model == SPECTRAL:
        return SpectralEstimator()
    from improv_ros.inference.errors import ModelError
    from improv_ros.listening import runtime

    try:
        return runtime.load_estimator(model)
    except ModelError as error:
        raise RecordingError(str(error)) from error


def transcriber(estimator: Estimator, settings: Mapping[str, float]) -> StreamingTranscriber:
    """Return a transcriber with these settings: arguments of Decoder, and BIAS."""
    estimator.onset_bias = settings.get(BIAS, estimator.onset_bias)
    deciding = {name: value for name, value in settings.items() if name != BIAS}
    return StreamingTranscriber(estimator, decoder_for(estimator, **deciding))
