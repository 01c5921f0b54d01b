# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_pianos import tiny_bank

from improv_ros.training.synthesis.bank import LEAD, SAMPLE_RATE, load_bank, onset_of
from improv_ros.training.synthesis.procedural import build_procedural
from improv_ros.training.synthesis.sample_folder_bank import build_sample_bank
from improv_ros.training.synthesis.soundfont_bank import build_soundfont_bank
from improv_ros.training.synthesis.synthesis_error import SynthesisError


def frequency_of(sample: np.ndarray) -> float:
    size = 2**18
    spectrum = np.abs(np.fft.rfft(sample * np.hanning(len(sample)), size))
    return float(spectrum.argmax()) * SAMPLE_RATE / size


def test_silence_before_the_onset_is_cut_off():
    bank = tiny_bank(silence=0.123)
    for key in (0, 40, 87):
        assert abs(onset_of(bank.sample(1, key).astype(float)) - LEAD) <= 2


def test_layers_are_normalised_and_keys_keep_their_balance():
    bank = tiny_bank()
    peaks = [np.abs(bank.sample(layer, 40)).max() * bank.gains[layer, 40] for layer in range(2)]
    assert peaks == pytest.approx([1, 1], abs=0.01)


def test_a_saved_bank_comes_back(tmp_path: Path):
    bank = tiny_bank()
    bank.save(tmp_path / 'piano')
    again = load_bank(tmp_path / 'piano')
    assert np.array_equal(again.sample(1, 50), bank.sample(1, 50))
    assert np.array_equal(again.gains, bank.gains)
    assert not list(tmp_path.glob('*part*'))


@pytest.mark.parametrize('body', ['grand', 'upright'])
def test_a_procedural_piano_is_in_tune_and_dies_away(body: str):
    bank = build_procedural(body, 1, [64])
    for key in (39, 51, 63):
        sample = bank.sample(0, key).astype(float)
        f0 = 440 * 2 ** ((key - 48) / 12)
        harmonic = frequency_of(sample) / f0
        assert harmonic == pytest.approx(round(harmonic), rel=0.02)
        half = len(sample) // 2
        assert (sample[half:] ** 2).sum() < 0.2 * (sample[:half] ** 2).sum()
    assert bank.lengths[0, 0] > 2 * bank.lengths[0, 87]


def test_a_procedural_piano_has_a_known_body():
    with pytest.raises(SynthesisError, match='grand, upright'):
        build_procedural('square', 1)


def test_samples_are_transposed_to_keys_between(tmp_path: Path):
    rate = 44100
    t = np.arange(rate // 4) / rate
    for octave in range(9):
        for step, semitone in (('C', 0), ('D#', 3), ('F#', 6), ('A', 9)):
            f0 = 440 * 2 ** ((12 * (octave + 1) + semitone - 69) / 12)
            sound = 0.5 * np.sin(2 * np.pi * f0 * t) * np.exp(-t / 0.1)
            soundfile.write(tmp_path / f'{step}{octave}v1.flac', sound, rate)
    bank = build_sample_bank(tmp_path)
    for pitch in (60, 61, 62, 71):
        expected = 440 * 2 ** ((pitch - 69) / 12)
        assert frequency_of(bank.sample(0, pitch - 21)) == pytest.approx(expected, rel=0.005)


def test_a_folder_without_samples_is_refused(tmp_path: Path):
    with pytest.raises(SynthesisError, match='no sample file with a name like A0v1'):
        build_sample_bank(tmp_path)


def test_a_gap_among_samples_is_named(tmp_path: Path):
    soundfile.write(tmp_path / 'C4v1.wav', np.ones(100), 16000)
    with pytest.raises(SynthesisError, match='within 4 semitones of pitch 21'):
        build_sample_bank(tmp_path)


def test_what_is_no_soundfont_is_refused(tmp_path: Path):
    with pytest.raises(SynthesisError, match='there is no soundfont'):
        build_soundfont_bank(tmp_path / 'missing.sf2')
    (tmp_path / 'text.sf2').write_text('no soundfont')
    with pytest.raises(SynthesisError, match='not a soundfont'):
        build_soundfont_bank(tmp_path / 'text.sf2')
