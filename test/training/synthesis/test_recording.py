# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_pianos import plain_regulation, tiny_bank

from improv_ros.training.synthesis.bank import SAMPLE_RATE
from improv_ros.training.synthesis.measured import (
    Measured,
    find_measured,
    measured_response,
    recorded_noise,
)
from improv_ros.training.synthesis.microphones import draw_microphone, filtered, record
from improv_ros.training.synthesis.noises import NOISES, make_noise
from improv_ros.training.synthesis.recording import make_recording
from improv_ros.training.synthesis.rooms import Room, draw_room, impulse_response
from improv_ros.training.synthesis.score import OFFSET, ONSET, PITCH, make_score
from improv_ros.training.synthesis.score_rendering import convolve, draw_regulation, render
from improv_ros.training.synthesis.synthesis_error import SynthesisError

BANK = tiny_bank()


def energy(sound: np.ndarray, begin: float, end: float) -> float:
    return float((sound[round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)] ** 2).sum())


def onset(sound: np.ndarray, near: float) -> float:
    """Return when a sound rises to 5 % of its peak, looking around a time."""
    begin = round((near - 0.05) * SAMPLE_RATE)
    level = np.abs(sound[begin : begin + SAMPLE_RATE // 10])
    return (begin + int((level > 0.05 * level.max()).argmax())) / SAMPLE_RATE


@pytest.mark.parametrize('cents', [0, 35])
def test_notes_begin_where_the_score_says(cents: float):
    times = 0.5 + 0.7 * np.arange(12)
    pitches = np.linspace(21, 108, 12).astype(int)
    score = make_score([(t, t + 0.2, p, 70) for t, p in zip(times, pitches, strict=True)], [])
    sound = render(score, BANK, plain_regulation(cents), np.random.default_rng(1), 10)
    errors = [onset(sound, note[ONSET]) - note[ONSET] for note in score.notes]
    assert np.abs(errors).max() < 0.002


def test_a_note_ends_with_its_key_or_its_pedal():
    def tail(pedal: list[tuple[float, float]]) -> float:
        score = make_score([(0.1, 0.2, 60, 80)], pedal)
        sound = render(score, BANK, plain_regulation(), np.random.default_rng(1), 1)
        return energy(sound, 0.35, 0.5) / energy(sound, 0.1, 0.2)

    assert tail([]) < 1e-4
    assert tail([(0, 0.6)]) > 0.05


def test_a_louder_note_is_louder_by_the_dynamics():
    score = make_score([(0.1, 0.3, 60, 127), (1.1, 1.3, 60, 40)], [])
    sound = render(score, BANK, plain_regulation(), np.random.default_rng(1), 2)
    ratio = 10 * np.log10(energy(sound, 0, 1) / energy(sound, 1, 2))
    assert ratio == pytest.approx(30 * np.log10(127 / 40), abs=0.5)


def test_the_pitch_is_as_much_out_of_tune_as_told():
    score = make_score([(0, 0.5, 69, 80)], [])
    sound = render(score, BANK, plain_regulation(50), np.random.default_rng(1), 0.5)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**18))
    heard = spectrum.argmax() * SAMPLE_RATE / 2**18
    assert heard == pytest.approx(440 * 2 ** (50 / 1200), rel=0.001)


def test_the_pedal_lets_other_strings_answer():
    regulation = plain_regulation()
    regulation.resonance = 0.1
    notes = [(0.5, 0.6, 60, 100)]
    without, with_pedal = (
        render(make_score(notes, pedal), BANK, regulation, np.random.default_rng(1), 3)
        for pedal in ([], [(0.2, 2.5)])
    )
    assert energy(without, 1.2, 2.0) == 0
    assert energy(with_pedal, 1.2, 2.0) > 0
    assert energy(with_pedal, 2.7, 3.0) < 1e-3 * energy(with_pedal, 1.2, 2.0)


def test_the_direct_sound_is_first_and_weaker_from_far():
    near, far = (
        impulse_response(Room(80, distance, 0.6, 1.2, 0.6), np.random.default_rng(3))
        for distance in (0.5, 4.0)
    )
    assert abs(near[0]) > 0.3
    shares = [(r[:80] ** 2).sum() / (r**2).sum() for r in (near, far)]
    assert shares[0] > 0.6 > 0.3 > shares[1]


def test_a_room_decays_in_its_reverberation_time():
    for time in (0.3, 1.2):
        response = impulse_response(Room(200, 3, time, 1, 1), np.random.default_rng(1))
        left = np.cumsum(response[::-1] ** 2)[::-1]
        decibels = 10 * np.log10(left / left[0])
        # From -5 to -25 dB, after Schroeder, times three.
        t20 = 3 * (int((decibels < -25).argmax()) - int((decibels < -5).argmax())) / SAMPLE_RATE
        assert t20 == pytest.approx(time, rel=0.25)


@pytest.mark.parametrize('name', sorted(NOISES))
@pytest.mark.parametrize('seed', range(3))
def test_every_noise_is_finite_and_sounds(name: str, seed: int):
    noise = make_noise([name], np.random.default_rng(seed), 20 * SAMPLE_RATE)
    assert noise.shape == (20 * SAMPLE_RATE,)
    assert np.isfinite(noise).all()
    assert np.sqrt((noise**2).mean()) == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize('seed', range(20))
def test_a_microphone_gives_the_level_it_was_set_to(seed: int):
    random = np.random.default_rng(seed)
    microphone = draw_microphone(random)
    t = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    sound = convolve(np.sin(2 * np.pi * 880 * t), filtered(np.ones(1), microphone))
    heard = record(sound[: len(t)].astype(np.float32), microphone, random)
    assert heard.dtype == np.int16
    peak = 20 * np.log10(np.abs(heard.astype(float)).max() / 32767)
    assert peak == pytest.approx(microphone.peak, abs=1.5)


def test_silence_stays_silence():
    random = np.random.default_rng(1)
    assert not record(np.zeros(1000, np.float32), draw_microphone(random), random).any()


def recording(seed: int):
    return make_recording(np.random.default_rng([seed, 1]), {'tiny': BANK}, {'tiny': 1.0}, [])


def test_a_recording_depends_on_its_seed_alone():
    first, again, other = recording(1), recording(1), recording(2)
    assert first.wav() == again.wav()
    assert first.description == again.description
    assert np.array_equal(first.score.notes, again.score.notes)
    assert first.wav() != other.wav()


def test_labels_are_true_in_room_and_noise():
    """Of notes that nothing sounded before, energy at their pitch rises at the onset."""
    rises = []
    for seed in range(8):
        made = recording(seed)
        notes, sound = made.score.notes, made.sound.astype(float)
        for note in notes:
            begin = note[ONSET]
            quiet = ((notes[:, OFFSET] < begin - 0.5) | (notes[:, ONSET] >= begin)).all()
            if not (quiet and 48 <= note[PITCH] <= 96 and 0.1 < begin < 59.8):
                continue
            if (made.score.pedal[:, 0] < begin).any():
                continue
            place, length = round(begin * SAMPLE_RATE), SAMPLE_RATE // 20
            f0 = 440 * 2 ** ((note[PITCH] - 69) / 12) / SAMPLE_RATE
            tone = np.hanning(length) * np.exp(-2j * np.pi * f0 * np.arange(length))
            before, after = (
                abs(tone @ sound[start : start + length]) for start in (place - length, place)
            )
            rises.append(after / (before + 1e-9))
    assert len(rises) > 8
    assert np.mean(np.array(rises) > 2) > 0.85


def test_drawn_rooms_and_regulations_vary():
    random = np.random.default_rng(1)
    rooms = [draw_room(random) for _ in range(300)]
    real = [room for room in rooms if room]
    assert 0 < len(rooms) - len(real) < 60
    times = np.array([room.reverberation for room in real])
    assert times.min() < 0.25
    assert times.max() > 1.2
    regulations = [draw_regulation(random) for _ in range(300)]
    dynamics = np.array([regulation.dynamics for regulation in regulations])
    assert 20 <= dynamics.min() < 24 and 42 < dynamics.max() <= 46
    middle = np.array([regulation.cents[39] for regulation in regulations])
    assert 20 < np.abs(middle).max() < 70 and np.median(np.abs(middle)) < 15
    for loudness in ('resonance', 'knock'):
        values = np.array([getattr(regulation, loudness) for regulation in regulations])
        assert 0.2 < np.mean(values == 0) < 0.4 and values.max() > 4 * values[values > 0].min()
    release = np.array([regulation.release[39] for regulation in regulations])
    assert release.max() > 3 * release.min() > 0


@pytest.fixture
def measured(tmp_path: Path) -> Measured:
    """Provide a room that answers after 10 ms, one that answers too long, and a noise."""
    rooms, noises = tmp_path / 'rooms', tmp_path / 'noises'
    for folder in (rooms, noises):
        folder.mkdir()
    response = np.zeros(SAMPLE_RATE)
    response[[2, 162]] = 0.5, 0.25
    soundfile.write(rooms / 'hall.flac', response, SAMPLE_RATE)
    soundfile.write(rooms / 'cave.flac', np.resize(response, 4 * SAMPLE_RATE), SAMPLE_RATE)
    rain = np.random.default_rng(1).normal(0, 0.1, 5 * SAMPLE_RATE)
    soundfile.write(noises / 'rain.flac', rain, SAMPLE_RATE)
    return find_measured(rooms, [noises])


def test_measured_rooms_and_recorded_noise_are_used_and_named(measured: Measured):
    assert set(measured.rooms) == {'hall'}
    made = [
        make_recording(random, {'tiny': BANK}, {'tiny': 1.0}, [], False, measured)
        for random in map(np.random.default_rng, range(12))
    ]
    assert any(one.description['room'] == {'measured': 'hall'} for one in made)
    assert any(one.description.get('noise') == ['rain'] for one in made)
    assert any(one.description['room'] != {'measured': 'hall'} for one in made)


def test_a_measured_response_keeps_its_direct_sound(measured: Measured):
    random = np.random.default_rng(1)
    tails = []
    for _ in range(20):
        response = measured_response(measured.rooms['hall'], random)
        assert abs(response[2]) == pytest.approx(1, abs=1e-3)
        tails.append(abs(response[162]))
    assert min(tails) < 0.3
    assert max(tails) > 0.45


def test_noise_that_is_shorter_than_the_recording_is_repeated(measured: Measured):
    noise = recorded_noise(measured.noises['rain'], np.random.default_rng(1), 7 * SAMPLE_RATE)
    assert len(noise) == 7 * SAMPLE_RATE
    np.testing.assert_array_equal(noise[: 2 * SAMPLE_RATE], noise[5 * SAMPLE_RATE :])


def test_what_is_measured_at_another_rate_is_refused(tmp_path: Path):
    soundfile.write(tmp_path / 'hall.wav', np.zeros(100), 44100)
    with pytest.raises(SynthesisError, match=r'hall\.wav is not mono at 16000 Hz'):
        find_measured(tmp_path, [])
    with pytest.raises(SynthesisError, match='holds no'):
        find_measured(None, [tmp_path / 'nothing'])
