# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""An excerpt of the hour of noise, in which hardly any notes are invented."""

from __future__ import annotations

from collections.abc import Callable
import shutil

import numpy as np
import pytest

from improv_ros.event_text import is_note_on
from improv_ros.listening.transcription.spectral_estimator import SpectralEstimator
from improv_ros.listening.transcription.streaming_transcriber import StreamingTranscriber

SECONDS = 10


@pytest.fixture
def noise() -> Callable[[str], np.ndarray]:
    """A function from the kind of noise to some seconds of it."""
    from benchmark.noise import KINDS, RATE

    def make(kind: str) -> np.ndarray:
        random = np.random.default_rng(list(KINDS).index(kind))
        return KINDS[kind](SECONDS * RATE, random).astype(np.float32)

    return make


@pytest.mark.parametrize('kind', ['room', 'hum', 'speech', 'footsteps', 'motors', 'applause'])
def test_every_noise_is_as_loud_as_in_a_room(
    noise: Callable[[str], np.ndarray], kind: str
) -> None:
    if kind == 'speech' and not shutil.which('espeak-ng'):
        pytest.skip('espeak-ng is not installed')
    sound = noise(kind)
    assert sound.shape == (SECONDS * StreamingTranscriber(SpectralEstimator()).sample_rate,)
    peak = 20 * np.log10(np.abs(sound).max())
    assert -50 < peak < 0
    again = noise(kind)
    assert np.array_equal(sound, again)


def test_nothing_is_heard_in_an_empty_room(noise: Callable[[str], np.ndarray]) -> None:
    transcriber = StreamingTranscriber(SpectralEstimator())
    events = transcriber.process(noise('room')) + transcriber.flush()
    assert [event for event in events if is_note_on(event)] == []


MOST_INVENTED = 4  # in a minute of all kinds; the hour has fewer than 60


def test_the_shipped_network_invents_hardly_any_notes(
    noise: Callable[[str], np.ndarray],
) -> None:
    runtime = pytest.importorskip('improv_ros.listening.transcription.transcription_runtime')
    if not runtime.DEFAULT_MODEL.is_file():
        pytest.skip('no network comes along')
    transcriber = StreamingTranscriber(runtime.load_estimator())
    invented = {}
    for kind in ('room', 'hum', 'speech', 'footsteps', 'motors', 'applause'):
        events = transcriber.process(noise(kind)) + transcriber.flush()
        invented[kind] = sum(is_note_on(event) for event in events)
    assert sum(invented.values()) <= MOST_INVENTED, invented
