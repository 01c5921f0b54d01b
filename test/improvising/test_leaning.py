from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from improv_ros.improvising.leaning import HUMAN, MOST, MOST_PACE, Aim, Leaning, aim_at, beside
from improv_ros.improvising.phrase import Character
from improv_ros.improvising.settings import SECOND
from improv_ros.improvising.vocabulary import KEYS, LOWEST_PITCH

PHRASE = aim_at(Character(4.0, 60.0, 5.0, 64.0, 10.0, 0))


def leaning(aim: Aim, density: float, pitch: int = 60, velocity: int = 64) -> Leaning:
    """Ten seconds of so many notes a second."""
    played = Leaning(aim, 0)
    for time in np.arange(0, 10, 1 / density):
        played.press(int(time * SECOND), pitch, velocity)
    return played


def test_too_dense_leans_to_longer_waits_and_too_sparse_to_shorter():
    for density, sign in ((20, 1), (0.5, -1)):
        bias = leaning(PHRASE, density).bias(10 * SECOND, 1.0)
        assert (sign * np.diff(bias.time) >= 0).all()
        assert sign * (bias.time[-1] - bias.time[0]) > 1
        assert sign * bias.what[60 - LOWEST_PITCH] < 0
        assert not bias.what[KEYS:].any()


def test_what_is_within_the_aim_is_left_alone():
    assert np.abs(leaning(HUMAN, 6).bias(10 * SECOND, 1.0).time).max() == 0
    assert not leaning(HUMAN, 6).bias(10 * SECOND, 1.0).what.any()
    assert not np.any(leaning(PHRASE, 20).bias(10 * SECOND, 0.0).time)


def test_leans_to_the_register_and_loudness_beyond_them_where_it_fell_short():
    true = leaning(PHRASE, 4).bias(10 * SECOND, 1.0)
    low = leaning(PHRASE, 4, pitch=55, velocity=50).bias(10 * SECOND, 1.0)
    assert true.what[:KEYS].argmax() == 60 - LOWEST_PITCH
    assert low.what[:KEYS].argmax() == 65 - LOWEST_PITCH
    assert true.velocity.argmax() == 15  # 62 of 1 to 127, in steps of 4
    assert low.velocity.argmax() > 17


def test_a_speech_that_fades_is_drawn_back_to_the_loudness_that_was_heard():
    assert beside(None) == HUMAN
    loud = beside(Character(4.0, 60.0, 5.0, 90.0, 3.0, 0))
    assert loud.density == HUMAN.density and loud.pitch is None
    for aim, velocity in ((HUMAN, 60), (loud, 90)):
        faded = leaning(aim, 6, velocity=velocity - 30).bias(10 * SECOND, 1.0).velocity
        kept = leaning(aim, 6, velocity=velocity).bias(10 * SECOND, 1.0).velocity
        assert faded.argmax() > kept.argmax() == pytest.approx(velocity / 4 - 0.5, abs=1)


@settings(max_examples=50)
@given(
    st.floats(0.1, 50),
    st.floats(0.1, 30),
    st.integers(21, 108),
    st.integers(1, 127),
    st.floats(0.01, 1),
)
def test_never_leans_further_than_the_bound(density, played, pitch, velocity, strength):
    aim = aim_at(Character(density, 60.0, 0.0, 64.0, 0.0, 0))
    bias = leaning(aim, played, pitch, velocity).bias(10 * SECOND, strength)
    for nats in (bias.time, bias.velocity, bias.what[:KEYS]):
        assert np.isfinite(nats).all()
        assert np.ptp(nats) <= MOST * strength + 1e-9
    assert np.abs(bias.what).max() <= (MOST + MOST_PACE) * strength + 1e-9
    assert not bias.what[KEYS:].any()
