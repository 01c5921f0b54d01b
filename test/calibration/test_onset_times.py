# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""When a note begins to sound, measured in the sound of a synthesised piano."""

from __future__ import annotations

import numpy as np
import pytest

from improv_ros.calibration.onset_times import onset_time
from improv_ros.event_text import SECOND, note_off, note_on
from improv_ros.playing.synth.rendering import render

RATE = 44100


def piano(*struck: tuple[float, int, int]) -> np.ndarray:
    events = []
    for onset, pitch, velocity in struck:
        events.append(note_on(round(onset * SECOND), pitch, velocity))
        events.append(note_off(round((onset + 0.3) * SECOND), pitch))
    samples = render(sorted(events, key=lambda event: event.time), sample_rate=RATE, start=0)
    noise = np.random.default_rng(1).standard_normal(len(samples)) * 3e-4
    return (samples.mean(axis=1) / 32768 + noise).astype(np.float32)


@pytest.mark.parametrize('pitch', [40, 60, 84])
@pytest.mark.parametrize('velocity', [50, 100])
def test_the_beginning_is_found_however_roughly_it_is_known(pitch: int, velocity: int) -> None:
    sound = piano((0.5, pitch - 12, 90), (1.0, pitch, velocity))
    found = [onset_time(sound, RATE, pitch, 1.0 + off) for off in (-0.03, 0.0, 0.03)]
    assert found == pytest.approx([1.0] * 3, abs=0.008)
    assert np.ptp(found) < 0.001


def test_no_beginning_is_found_where_nothing_begins() -> None:
    sound = piano((0.5, 60, 90))
    assert onset_time(sound, RATE, 60, 1.5) is None
    assert onset_time(sound, RATE, 60, 0.01) is None  # too close to the edge
