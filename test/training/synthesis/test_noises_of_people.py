# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Speech as noise: real voices that say made-up words."""

import shutil

import numpy as np
import pytest
from test_recording import BANK

from improv_ros.training.synthesis.noises import draw_noises
from improv_ros.training.synthesis.recording import make_recording
from improv_ros.training.synthesis.speech import make_speech
from improv_ros.training.synthesis.synthesis_error import SynthesisError


@pytest.mark.skipif(not shutil.which('espeak-ng'), reason='espeak-ng is not installed')
def test_voices_speak_and_pause_the_same_way_each_time():
    sound = make_speech(np.random.default_rng(3), 5 * 16000)
    level = np.abs(sound).reshape(-1, 800).max(axis=1)
    assert 0.2 < level.max() <= 1
    assert (level < 0.01).mean() > 0.02
    assert np.array_equal(sound, make_speech(np.random.default_rng(3), 5 * 16000))


def test_without_a_speaker_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, 'which', lambda name: None)
    with pytest.raises(SynthesisError, match='install the Debian package'):
        make_speech(np.random.default_rng(3), 16000)


def test_where_nobody_plays_there_is_no_note_but_something_to_hear(monkeypatch):
    monkeypatch.setattr(
        'improv_ros.training.synthesis.recording.draw_noises', lambda *_, **__: ['hum']
    )
    made = make_recording(
        np.random.default_rng(1), {'tiny': BANK}, {'tiny': 1.0}, [], nobody_plays=True
    )
    assert len(made.score.notes) == 0
    assert np.abs(made.sound).max() > 100
    assert made.description['music'] == 'none'


def test_speech_is_heard_only_where_nobody_plays():
    random = np.random.default_rng(1)
    assert not any('speech' in draw_noises(random) for _ in range(200))
    assert sum('speech' in draw_noises(random, spoken=True) for _ in range(200)) > 80
