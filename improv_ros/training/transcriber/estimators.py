# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Makes the transcriber to measure, from a model file or the name of an estimator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from improv_ros.listening.transcription.estimator import Estimator
from improv_ros.listening.transcription.spectral_estimator import SpectralEstimator
from improv_ros.listening.transcription.streaming_transcriber import (
    StreamingTranscriber,
    decoder_for,
)
from improv_ros.training.transcriber.recordings import RecordingError

SPECTRAL = 'spectral'
BIASES = ('onset_bias', 'offset_bias')  # settings of the estimator, beside those of the decoder


@lru_cache(maxsize=1)
def load_estimator(model: str) -> Estimator:
    """Return the estimator of a model file; '' is the shipped one, SPECTRAL has no network.

    Raises RecordingError.
    """
    if model == SPECTRAL:
        return SpectralEstimator()
    from improv_ros.inference.model_error import ModelError
    from improv_ros.listening.transcription import transcription_runtime

    try:
        return transcription_runtime.load_estimator(model)
    except ModelError as error:
        raise RecordingError(str(error)) from error


def transcriber(estimator: Estimator, settings: Mapping[str, float]) -> StreamingTranscriber:
    """Return a transcriber with these settings: arguments of Decoder, and BIASES."""
    for name in BIASES:
        setattr(estimator, name, settings.get(name, getattr(estimator, name)))
    decoding = {name: value for name, value in settings.items() if name not in BIASES}
    return StreamingTranscriber(estimator, decoder_for(estimator, **decoding))
