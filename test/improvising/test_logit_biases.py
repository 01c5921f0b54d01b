# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from simulated_dialogue import simulate
from stand_in_runtimes import ScriptedRuntime

from improv_ros.event_text import SECOND, is_note_on
from improv_ros.improvising.dialogue.logit_biases import (
    CONTEXT,
    DEFAULT_TARGET,
    MAX_BIAS,
    MAX_NOTES,
    MAX_PACE_BIAS,
    MAX_PENALTY,
    RepetitionPenalty,
    StyleBias,
    StyleTarget,
    default_target,
    phrase_target,
)
from improv_ros.improvising.dialogue.phrase import PhraseStatistics
from improv_ros.improvising.network.improviser_runtime import NO_MOTIFS
from improv_ros.improvising.network.vocabulary import KEYS, LOWEST_PITCH, PRESS

LOOP = (60, 62, 64, 65)
PHRASE = phrase_target(PhraseStatistics(4.0, 60.0, 5.0, 64.0, 10.0, 0))


def style_bias(
    target: StyleTarget, density: float, pitch: int = 60, velocity: int = 64
) -> StyleBias:
    """Return the style bias after ten seconds of `density` notes per second."""
    played = StyleBias(target, 0)
    for time in np.arange(0, 10, 1 / density):
        played.add_note(int(time * SECOND), pitch, velocity)
    return played


def test_too_dense_makes_waits_longer_and_too_sparse_shorter():
    for density, sign in ((20, 1), (0.5, -1)):
        bias = style_bias(PHRASE, density).bias(10 * SECOND, 1.0)
        assert (sign * np.diff(bias.time) >= 0).all()
        assert sign * (bias.time[-1] - bias.time[0]) > 1
        assert sign * bias.event_type[60 - LOWEST_PITCH] < 0
        assert not bias.event_type[KEYS:].any()


def test_no_bias_within_the_target():
    assert np.abs(style_bias(DEFAULT_TARGET, 6).bias(10 * SECOND, 1.0).time).max() == 0
    assert not style_bias(DEFAULT_TARGET, 6).bias(10 * SECOND, 1.0).event_type.any()
    assert not np.any(style_bias(PHRASE, 20).bias(10 * SECOND, 0.0).time)


def test_the_pitch_is_biased_beyond_the_target_if_it_was_missed():
    true = style_bias(PHRASE, 4).bias(10 * SECOND, 1.0)
    low = style_bias(PHRASE, 4, pitch=55).bias(10 * SECOND, 1.0)
    assert true.event_type[:KEYS].argmax() == 60 - LOWEST_PITCH
    assert low.event_type[:KEYS].argmax() == 65 - LOWEST_PITCH


def test_the_velocity_is_biased_towards_the_target_without_narrowing_its_spread():
    assert not style_bias(PHRASE, 4).bias(10 * SECOND, 1.0).velocity.any()
    for velocity, sign in ((50, 1), (80, -1)):
        bias = style_bias(PHRASE, 4, velocity=velocity).bias(10 * SECOND, 1.0).velocity
        assert (sign * np.diff(bias) > 0.1).all()
        values = np.arange(2, 128, 4)
        logits = -0.5 * ((values - 60) / 8) ** 2
        (before, spread), (after, biased) = moments(values, logits), moments(values, logits + bias)
        assert sign * (after - before) > 4
        assert biased == pytest.approx(spread, rel=0.02)


def moments(values: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    """Return the mean and the standard deviation of values with these logits."""
    weights = np.exp(logits - logits.max())
    mean = float(np.average(values, weights=weights))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))


def test_music_that_gets_softer_is_biased_to_the_heard_loudness():
    assert default_target(None) == DEFAULT_TARGET
    loud = default_target(PhraseStatistics(4.0, 60.0, 5.0, 90.0, 3.0, 0))
    assert loud.density == DEFAULT_TARGET.density and loud.pitch is None
    for target, velocity in ((DEFAULT_TARGET, 60), (loud, 90)):
        faded = style_bias(target, 6, velocity=velocity - 30).bias(10 * SECOND, 1.0).velocity
        kept = style_bias(target, 6, velocity=velocity).bias(10 * SECOND, 1.0).velocity
        assert (np.diff(faded) > 0.1).all() and not kept.any()


@settings(max_examples=50)
@given(
    st.floats(0.1, 50),
    st.floats(0.1, 30),
    st.integers(21, 108),
    st.integers(1, 127),
    st.floats(0.01, 1),
)
def test_the_bias_is_bounded(density, played, pitch, velocity, strength):
    target = phrase_target(PhraseStatistics(density, 60.0, 0.0, 64.0, 0.0, 0))
    bias = style_bias(target, played, pitch, velocity).bias(10 * SECOND, strength)
    for nats in (bias.time, bias.velocity, bias.event_type[:KEYS]):
        assert np.isfinite(nats).all()
        assert np.ptp(nats) <= MAX_BIAS * strength + 1e-9
    assert np.abs(bias.event_type).max() <= (MAX_BIAS + MAX_PACE_BIAS) * strength + 1e-9
    assert not bias.event_type[KEYS:].any()


def bias_after(
    penalty: RepetitionPenalty, pitches, strength: float = 1.0, motif: np.ndarray = NO_MOTIFS
) -> np.ndarray:
    for pitch in pitches:
        penalty.add_note(pitch)
    return penalty.bias(strength, motif)


def test_the_first_repetition_is_free_and_each_further_one_is_penalised():
    penalty = RepetitionPenalty()
    assert not bias_after(penalty, LOOP).any()
    assert not bias_after(penalty, LOOP[:CONTEXT]).any()
    for times in (1, 2, 3):
        penalty.add_note(LOOP[CONTEXT])
        bias = bias_after(penalty, LOOP[:CONTEXT])
        assert bias[LOOP[CONTEXT] - LOWEST_PITCH] == -times
        assert np.count_nonzero(bias) == 1


def test_the_penalty_is_bounded_and_forgets_old_notes():
    penalty = RepetitionPenalty()
    bias_after(penalty, LOOP * 50)
    assert bias_after(penalty, LOOP[:CONTEXT]).min() == -MAX_PENALTY
    assert not penalty.bias(0.0, NO_MOTIFS).any()
    bias_after(penalty, np.random.default_rng(1).integers(70, 100, MAX_NOTES).tolist())
    assert not bias_after(penalty, LOOP[:CONTEXT]).any()


def test_more_repetitions_are_free_in_a_motif_of_the_person():
    penalty, motif = RepetitionPenalty(), NO_MOTIFS.copy()
    motif[PRESS + LOOP[CONTEXT] - LOWEST_PITCH] = True
    for times, expected in ((3, 0), (1, -1)):
        bias_after(penalty, LOOP[: CONTEXT + 1] * times)
        bias = bias_after(penalty, LOOP[:CONTEXT], motif=motif)
        assert bias[LOOP[CONTEXT] - LOWEST_PITCH] == expected


def test_one_key_repeated_is_penalised():
    assert bias_after(RepetitionPenalty(), [60] * 6)[60 - LOWEST_PITCH] < 0


@pytest.mark.parametrize(('strength', 'least', 'most'), [(0.0, 0.0, 0.2), (1.0, 0.4, 1.0)])
def test_the_repetition_penalty_ends_a_loop(strength, least, most):
    loop = [(pitch - LOWEST_PITCH, 15) for pitch in LOOP]
    here = simulate(3, ScriptedRuntime(loop, 9.0), mode='solo', repetition_penalty=strength)
    pitches = [event.values[0] for event in here.wait(120 * SECOND) if is_note_on(event)]
    fours = list(zip(*(pitches[shift:] for shift in range(4)), strict=False))
    assert len(fours) > 100
    assert least <= len(set(fours)) / len(fours) <= most
