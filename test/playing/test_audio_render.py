# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import time

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import soundfile

from improv_ros.event_text import SECOND, clear, control_change, note_off, note_on
from improv_ros.playing import PlayingError
from improv_ros.playing.synth import fluidsynth_synth
from improv_ros.playing.synth.fluidsynth_synth import find_soundfont
from improv_ros.playing.synth.rendering import render, write_wav

RATE = 44100


def chord(time, pitches, velocity, seconds=1.0):
    end = time + round(seconds * SECOND)
    return [note_on(time, pitch, velocity) for pitch in pitches] + [
        note_off(end, pitch) for pitch in pitches
    ]


def peak(samples):
    """In dBFS."""
    return 20 * np.log10(np.abs(samples.astype(float)).max() / 32768)


@pytest.mark.parametrize('velocity', [64, 80, 100])
def test_a_phrase_is_neither_quiet_nor_clipped(velocity):
    phrase = []
    for step, pitches in enumerate([(48, 64, 67), (53, 65, 69), (43, 62, 67, 71), (48, 64, 72)]):
        phrase += chord(step * SECOND // 2, pitches, velocity, 0.6)
    samples = render(phrase)
    assert samples.dtype == np.int16
    assert samples.shape[1] == 2
    assert -18 < peak(samples) < -1


def test_the_loudest_cluster_is_scaled_down_not_clipped():
    samples = render(chord(0, range(30, 100), 127))
    assert peak(samples) == pytest.approx(-1.0, abs=0.05)
    assert np.count_nonzero(np.abs(samples) == np.abs(samples).max()) < 4


def test_sound_begins_when_the_notes_do():
    samples = render(chord(3 * SECOND, [60], 100), start=2 * SECOND)
    loud = np.flatnonzero(np.abs(samples).max(axis=1) > 100)
    assert loud[0] / RATE == pytest.approx(1.0, abs=0.02)
    assert len(samples) / RATE == pytest.approx(1.0 + 1.0 + 2.0, abs=0.01)


def test_times_far_from_zero_render_correctly():
    now = time.time_ns()
    assert np.array_equal(render(chord(now, [60], 80)), render(chord(0, [60], 80)))


def test_a_clear_ends_the_note():
    whole = render([*chord(0, [60], 100, 3.0)])
    cut = render([control_change(0, 64, 127), *chord(0, [60], 100, 3.0), clear(SECOND)])
    late = slice(round(2.0 * RATE), round(2.5 * RATE))
    assert np.abs(cut[late].astype(float)).max() < 0.1 * np.abs(whole[late].astype(float)).max()


def test_a_note_without_end_ends_with_the_last_event():
    samples = render([note_on(0, 60, 100), note_on(SECOND, 61, 1)], tail=3.0)
    assert np.abs(samples[-RATE // 2 :]).max() < 50


def test_no_events_render_to_silence():
    assert not render([], tail=0.5).any()


def test_rendering_days_of_audio_is_refused():
    with pytest.raises(PlayingError, match='4 hours'):
        render([note_on(0, 60, 64), note_off(10**6 * SECOND, 60)])


@settings(max_examples=10)
@given(st.sampled_from([16000, 44100, 48000]), st.integers(0, SECOND))
def test_the_length_is_exact_at_any_rate(rate, duration):
    samples = render([note_on(0, 60, 64), note_off(duration, 60)], sample_rate=rate, tail=0.25)
    assert len(samples) == (duration + SECOND // 4) * rate // SECOND


def test_a_wav_file_contains_the_rendered_samples(tmp_path):
    samples = render(chord(0, [60, 64], 90))
    write_wav(tmp_path / 'phrase.wav', samples, RATE)
    read, rate = soundfile.read(tmp_path / 'phrase.wav', dtype='int16')
    assert rate == RATE
    assert np.array_equal(read, samples)


def test_an_installed_soundfont_is_found():
    assert find_soundfont().suffix == '.sf2'


def test_a_missing_soundfont_names_the_debian_package(monkeypatch, tmp_path):
    monkeypatch.setattr(fluidsynth_synth, 'SOUNDFONT_FOLDERS', (tmp_path,))
    with pytest.raises(PlayingError, match='apt install timgm6mb-soundfont'):
        find_soundfont()


def test_a_file_that_is_not_a_soundfont_is_refused(tmp_path):
    path = tmp_path / 'fake.sf2'
    path.write_text('no sound in here')
    with pytest.raises(PlayingError, match=r'fake\.sf2 is not a soundfont'):
        render(chord(0, [60], 64), soundfont=str(path))
