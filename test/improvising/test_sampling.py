import numpy as np

from improv_ros.improvising.sampling import choose

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05]))


def draws(**options):
    random = np.random.default_rng(3)
    return [choose(LOGITS, random, **options) for _ in range(4000)]


def test_draws_as_often_as_is_likely():
    shares = np.bincount(draws(), minlength=4) / 4000
    np.testing.assert_allclose(shares, np.exp(LOGITS), atol=0.03)


def test_a_low_temperature_keeps_to_the_likeliest_and_a_high_one_dares_more():
    cold = np.bincount(draws(temperature=0.1), minlength=4) / 4000
    hot = np.bincount(draws(temperature=3.0), minlength=4) / 4000
    assert cold[0] > 0.97
    assert hot[3] > 0.1


def test_top_p_leaves_out_the_tail():
    assert set(draws(top_p=0.75)) == {0, 1}
    assert set(draws(top_p=0.01)) == {0}


def test_only_what_is_allowed_and_possible_is_drawn():
    allowed = np.array([False, True, False, True])
    assert set(draws(allowed=allowed)) == {1, 3}
    assert choose(LOGITS, np.random.default_rng(0), allowed=np.zeros(4, bool)) is None
    assert choose(np.full(4, -1e9), np.random.default_rng(0)) is None


def test_the_same_seed_draws_the_same():
    assert draws() == draws()
