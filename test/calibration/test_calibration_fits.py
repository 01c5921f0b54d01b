# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The fits of a calibration, on numbers of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from improv_ros.calibration.curve_fitting import isotonic, monotone_curve
from improv_ros.calibration.hop_outputs import HopOutputs
from improv_ros.calibration.latency_fit import first_lag, fit_latency, fit_onset_bias
from improv_ros.calibration.note_matching import figures, loop_lag, match
from improv_ros.calibration.note_program import SentNote
from improv_ros.calibration.refusal import NotFittedError
from improv_ros.calibration.threshold_fit import Take, fit_thresholds
from improv_ros.calibration.tuning_fit import fit_tuning
from improv_ros.calibration.velocity_fit import fit_velocity
from improv_ros.listening.transcription.velocity_estimation import WEIGHTS
from improv_ros.listening.transcription.velocity_scale import VelocityScale
from improv_ros.playing.note_schedule import strike_latency

RATE = 16000


def notes(*rows: tuple[float, int, int]) -> list[SentNote]:
    return [SentNote(onset, onset + 0.2, pitch, velocity) for onset, pitch, velocity in rows]


def test_each_note_is_matched_once_with_the_closest_one() -> None:
    sent = notes((1.0, 60, 64), (1.06, 60, 64), (2.0, 62, 64))
    heard = notes((1.03, 60, 64), (1.07, 60, 64), (2.0, 63, 64))
    assert match(sent, heard) == [(0, 0), (1, 1)]
    assert figures(sent, heard).f1 == pytest.approx(2 / 3)


def test_the_lag_of_the_loop_is_where_most_notes_are() -> None:
    sent = notes(*((float(n), 40 + n % 30, 64) for n in range(40)))
    heard = notes(*((n + 0.2 + 0.01 * (n % 3), 40 + n % 30, 64) for n in range(40)))
    assert loop_lag(sent, heard, 1.0) == pytest.approx(0.21, abs=0.011)
    assert loop_lag(sent, notes((5.0, 90, 64)), 1.0) is None
    with pytest.raises(NotFittedError, match='does not follow'):
        first_lag(sent, notes((5.0, 90, 64)))


def test_the_latency_of_a_player_piano_is_found_with_gross_errors_among_the_notes() -> None:
    generator = np.random.default_rng(1)
    truth = strike_latency('disklavier')
    velocities = generator.integers(10, 115, 250).astype(np.float64)
    lags = np.array([0.08 + truth(int(v)) / 1e9 for v in velocities])
    lags += generator.normal(0, 0.003, 250)
    lags[::20] += 0.05
    latency = fit_latency(velocities, lags)
    for velocity in range(12, 112):
        assert latency.at(velocity) == pytest.approx(0.08 + truth(velocity) / 1e9, abs=0.005)
    # It is written as the player reads it.
    again = strike_latency(latency.strike_text)
    assert again(30) / 1e9 + latency.fixed == pytest.approx(latency.at(30), abs=0.001)
    assert 0 < latency.error < 0.003


def test_a_latency_is_continued_to_the_softest_note_that_was_sent() -> None:
    generator = np.random.default_rng(5)
    truth = strike_latency('disklavier')
    velocities = generator.uniform(40, 112, 250).round()  # softer notes had no clear beginning
    lags = np.array([0.08 + truth(int(v)) / 1e9 for v in velocities])
    latency = fit_latency(velocities, lags + generator.normal(0, 0.003, 250), softest=16)
    for velocity in range(16, 112):
        assert latency.at(velocity) == pytest.approx(0.08 + truth(velocity) / 1e9, abs=0.005)


def test_an_instrument_that_is_equally_quick_at_all_velocities_has_no_curve() -> None:
    generator = np.random.default_rng(2)
    latency = fit_latency(generator.uniform(20, 110, 80), 0.05 + generator.normal(0, 0.002, 80))
    assert latency.strike == ()
    assert latency.fixed == pytest.approx(0.05, abs=0.002)


def test_a_latency_is_refused_where_the_data_do_not_bear_it() -> None:
    generator = np.random.default_rng(3)
    with pytest.raises(NotFittedError, match='only 5 notes'):
        fit_latency(np.arange(5.0), np.zeros(5))
    with pytest.raises(NotFittedError, match='differ by'):
        fit_latency(generator.uniform(20, 110, 80), generator.uniform(0, 0.3, 80))
    with pytest.raises(NotFittedError, match='before its note'):
        fit_latency(generator.uniform(20, 110, 80), -0.1 + generator.normal(0, 0.002, 80))


def test_an_onset_bias_has_an_uncertainty_and_needs_notes() -> None:
    errors = np.random.default_rng(4).normal(0.018, 0.008, 200)
    errors[:10] = 0.05
    bias = fit_onset_bias(errors)
    assert bias.seconds == pytest.approx(0.018, abs=3 * bias.error)
    with pytest.raises(NotFittedError, match='20 are needed'):
        fit_onset_bias(errors[:19])


def test_a_curve_never_falls_and_keeps_its_prior_where_there_are_no_points() -> None:
    assert isotonic(np.array([1.0, 3.0, 2.0, 4.0]), np.ones(4)).tolist() == [1, 2.5, 2.5, 4]
    knots = np.linspace(0, 10, 6)
    x = np.linspace(0, 6, 50)
    curve = monotone_curve(x, x**2, knots, True, 5 * knots, 1.0)
    assert (np.diff(curve.y) >= 0).all()
    assert curve(10.0) == pytest.approx(50)
    assert curve(4.0) == pytest.approx(16, abs=2)


def piano_features(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return features, keys, struck and heard velocities of a piano that the shipped scale gets
    wrong: it is loud in the treble, and one key is voiced harder."""
    generator = np.random.default_rng(5)
    keys = generator.integers(0, 88, count)
    struck = generator.uniform(20, 110, count)
    height = (keys + 21 - 60) / 20
    level = -60 + 0.35 * struck + 6 * height + 5 * (keys == 40) + generator.normal(0, 0.7, count)
    found = np.column_stack((level, level + 5, np.zeros(count), height, height**2))
    loudness = found @ np.array(WEIGHTS)
    return found, keys, struck, 64 + loudness - loudness.mean()


def test_velocities_get_a_scale_that_serves_other_notes_of_the_same_piano() -> None:
    found, keys, struck, heard = piano_features(400)
    fit = fit_velocity(found[:200], keys[:200], struck[:200], heard[:200])
    assert fit.after < fit.before
    new = fit.scale.of(found[200:] @ fit.scale.weights, keys[200:])
    assert np.sqrt(np.mean((new - struck[200:]) ** 2)) < 5
    again = VelocityScale.from_dict(fit.scale.as_dict())
    assert again(found[:88].T) == pytest.approx(fit.scale(found[:88].T), abs=0.1)


def test_velocities_are_refused_where_there_is_nothing_to_learn() -> None:
    found, keys, struck, heard = piano_features(100)
    with pytest.raises(NotFittedError, match='60 are needed'):
        fit_velocity(found[:50], keys[:50], struck[:50], heard[:50])
    with pytest.raises(NotFittedError, match='equally loud'):
        fit_velocity(found, keys, np.full(100, 64.0), heard)
    with pytest.raises(NotFittedError, match='without'):
        fit_velocity(np.zeros((100, 5)), keys, struck, struck)


def test_a_scale_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match='88 rows'):
        VelocityScale(WEIGHTS, [0, 1], np.zeros((87, 2)))
    with pytest.raises(ValueError, match='must not fall'):
        VelocityScale(WEIGHTS, [0, 1], np.tile([2.0, 1.0], (88, 1)))


def test_the_tuning_of_a_piano_is_measured() -> None:
    generator = np.random.default_rng(6)
    sound = 1e-4 * generator.standard_normal(RATE * 30).astype(np.float32)
    struck = []
    for number, pitch in enumerate(range(42, 86)):
        cents = -8 + 3 * (pitch - 60) / 12
        frequency = 440 * 2 ** ((pitch - 69) / 12 + cents / 1200)
        time = np.arange(round(0.4 * RATE)) / RATE
        tone = sum(np.sin(2 * np.pi * n * frequency * time) / n for n in (1, 2, 3))
        begin = round(0.6 * number * RATE)
        sound[begin : begin + len(time)] += (0.1 * tone * np.exp(-4 * time)).astype(np.float32)
        struck.append((0.6 * number, pitch))
    tuning = fit_tuning(sound, RATE, struck)
    assert tuning.cents == pytest.approx(-8, abs=0.5)
    assert tuning.stretch == pytest.approx(3, abs=0.5)
    with pytest.raises(NotFittedError, match='clear enough'):
        fit_tuning(np.zeros_like(sound), RATE, struck)


def outputs_with_ghosts(seconds: int, ghost: float) -> tuple[HopOutputs, list[SentNote]]:
    """Return outputs in which every second note has a ghost an octave above, and the notes."""
    curves = np.zeros((2, 100 * seconds, 88), np.float16)
    sent = []
    for number in range(4 * seconds):
        hop, key = 25 * number + 10, 10 + 7 * number % 50
        sent.append(SentNote(hop / 100, hop / 100 + 0.1, key + 21, 64))
        for its_key, height in ((key, 0.95), (key + 12, ghost * (number % 2))):
            curves[0, hop - 1 : hop + 2, its_key] = (height / 2, height, height / 2)
            curves[1, hop : hop + 10, its_key] = height
    onset, frame = curves
    nothing = np.zeros_like(onset)
    power = np.zeros((100 * seconds, 89), np.float16)
    return HopOutputs(onset, frame, nothing, nothing, power, nothing, 0.01, 0), sent


def test_thresholds_move_where_that_is_surely_better_and_only_there() -> None:
    decoding = {'onset_threshold': 0.58, 'frame_weight': 0.8, 'rise': 0.1}
    take = Take(*outputs_with_ghosts(40, ghost=0.62), lambda _: 0.0)
    fit = fit_thresholds([take], decoding)
    assert fit.before == pytest.approx(0.8, abs=0.02)
    assert fit.after == pytest.approx(1.0, abs=0.02)
    assert fit.decoding['onset_threshold'] == pytest.approx(0.63)
    with pytest.raises(NotFittedError, match='surely better'):
        fit_thresholds([Take(*outputs_with_ghosts(40, ghost=0.1), lambda _: 0.0)], decoding)
    with pytest.raises(NotFittedError, match='100 are needed'):
        fit_thresholds([Take(*outputs_with_ghosts(10, ghost=0.62), lambda _: 0.0)], decoding)
