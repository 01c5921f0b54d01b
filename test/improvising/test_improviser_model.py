# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from stand_in_runtimes import UniformRuntime

from improv_ros.event_text import control_change, is_note_on, note_off, note_on
from improv_ros.improvising.network.improviser_model import (
    Bias,
    Model,
    bounds_of_bin,
    sample,
)
from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    FIRST_STEP,
    KEYS,
    LOWEST_PITCH,
    RELEASE,
    TICKS_OF_BIN,
    TIME_BINS,
    VELOCITY_BINS,
    Step,
    encode,
    velocity_value,
)

MS = 1_000_000
LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05]))


class RecordingRuntime(UniformRuntime):
    """Records the steps."""

    def __init__(self):
        self.steps = []

    def advance(self, state, step):
        self.steps.append(step)
        return super().advance(state, step)


EVENTS = [
    note_on(1000 * MS, 60, 64),
    note_on(1043 * MS, 64, 80),
    control_change(1100 * MS, 64, 100),
    note_on(1507 * MS, 60, 30),
    note_off(4000 * MS, 60),
    note_off(20_000 * MS, 64),
]


def test_observes_the_same_steps_as_encode():
    runtime = RecordingRuntime()
    model = Model(runtime)
    steps = [model.observe(event) for event in EVENTS]
    assert steps == [1, 1, 1, 2, 1, 1]
    assert runtime.steps[0] == FIRST_STEP
    assert runtime.steps[1:] == [Step(*step) for step in encode(EVENTS).tolist()]
    assert model.clock == 20_000 * MS


def test_an_event_from_the_past_counts_as_simultaneous():
    runtime = RecordingRuntime()
    model = Model(runtime)
    model.observe(note_on(1000 * MS, 60, 64))
    model.observe(note_on(900 * MS, 62, 64))
    assert runtime.steps[-1].time == 0
    assert model.clock == 1000 * MS


def test_samples_between_the_bounds_and_only_allowed_events():
    model = Model(UniformRuntime())
    random = np.random.default_rng(1)
    model.observe(note_on(1000 * MS, 60, 64))
    for allowed, is_right in (
        (np.arange(EVENT_TYPES) < KEYS, lambda event: is_note_on(event) and event.values[0] != 60),
        (
            np.arange(EVENT_TYPES) >= RELEASE,
            lambda event: event.kind == 'cc' or event.values[0] == 60,
        ),
    ):
        for _ in range(50):
            event = model.sample_event(
                random, 1100 * MS, 1300 * MS, lambda _, allowed=allowed: allowed
            )
            assert 1100 * MS <= event.time <= 1300 * MS
            assert is_right(event)
    assert (
        model.sample_event(random, 1100 * MS, 1300 * MS, lambda _: np.zeros(EVENT_TYPES, bool))
        is None
    )
    late = model.sample_event(
        random, 60_000 * MS, 60_001 * MS, lambda _: np.ones(EVENT_TYPES, bool)
    )
    assert late.time == 60_000 * MS


@pytest.mark.parametrize('bin_', [0, 7, 100])
def test_times_within_a_bin_are_uniform_and_no_grid(bin_):
    clock = 1_003 * MS
    bias, every = np.full(TIME_BINS, -1e9), np.ones(EVENT_TYPES, bool)
    bias[bin_] = 0
    random = np.random.default_rng(1)
    times = []
    for _ in range(400):
        runtime = RecordingRuntime()
        model = Model(runtime)
        model.observe(note_on(clock, 60, 64))
        event = model.sample_event(random, 0, 60_000 * MS, lambda _: every, bias=Bias(time=bias))
        times.append(event.time)
        model.observe(event)
        assert runtime.steps[-1].time == bin_
    low, high = max(clock, bounds_of_bin(clock, bin_)[0]), bounds_of_bin(clock, bin_)[1]
    assert min(times) >= low and max(times) < high
    counts, _ = np.histogram(times, np.linspace(low, high, 5))
    assert (counts > 60).all()  # of 100


def test_unlikely_keys_are_cut_and_unlikely_velocities_are_not():
    model, random = Model(UniformRuntime()), np.random.default_rng(1)
    keys, velocities = np.zeros(EVENT_TYPES), np.zeros(VELOCITY_BINS)
    keys[40] = velocities[10] = 8
    presses = np.arange(EVENT_TYPES) < KEYS
    events = [
        model.sample_event(
            random, 0, 500 * MS, lambda _: presses, 1.0, 0.5, Bias(0.0, keys, velocities / 2)
        )
        for _ in range(200)
    ]
    assert {event.values[0] for event in events} == {LOWEST_PITCH + 40}
    loud = [event.values[1] for event in events]
    assert 80 < sum(velocity == velocity_value(11) for velocity in loud) < 160
    assert len(set(loud)) > 10


def test_restores_a_snapshot():
    model = Model(UniformRuntime())
    model.observe(EVENTS[0])
    snapshot = model.snapshot()
    for event in EVENTS[1:]:
        model.observe(event)
    model.restore(snapshot)
    assert model.clock == EVENTS[0].time
    assert model.keyboard.down == {39} and not model.keyboard.pedal
    model.observe(note_on(2000 * MS, 70, 64))
    model.restore(snapshot)  # a snapshot can be gone back to more than once
    assert model.keyboard.down == {39}


def draws(**options):
    random = np.random.default_rng(3)
    return [sample(LOGITS, random, **options) for _ in range(4000)]


def test_draws_with_the_right_frequencies():
    shares = np.bincount(draws(), minlength=4) / 4000
    np.testing.assert_allclose(shares, np.exp(LOGITS), atol=0.03)


def test_a_low_temperature_is_less_random_and_a_high_one_more_random():
    cold = np.bincount(draws(temperature=0.1), minlength=4) / 4000
    hot = np.bincount(draws(temperature=3.0), minlength=4) / 4000
    assert cold[0] > 0.97
    assert hot[3] > 0.1


def test_top_p_excludes_the_tail():
    assert set(draws(top_p=0.75)) == {0, 1}
    assert set(draws(top_p=0.01)) == {0}


def test_only_what_is_allowed_and_possible_is_drawn():
    allowed = np.array([False, True, False, True])
    assert set(draws(allowed=allowed)) == {1, 3}
    assert sample(LOGITS, np.random.default_rng(0), allowed=np.zeros(4, bool)) is None
    assert sample(np.full(4, -1e9), np.random.default_rng(0)) is None


def test_the_same_seed_draws_the_same():
    assert draws() == draws()


def test_the_probability_of_an_onset_is_that_of_the_times_to_come():
    model = Model(UniformRuntime())
    assert model.onset_probability(5000 * MS, 1500 * MS) > 0
    model.observe(note_on(1000 * MS, 60, 64))
    weights = np.exp(UniformRuntime().time_logits(None).astype(float))
    seconds = TICKS_OF_BIN / 100
    for silence in (0.0, 0.105, 0.5, 2.0):
        later = seconds > silence
        soon = later & (seconds <= silence + 1.5)
        probability = model.onset_probability(round((1 + silence) * 1e9), 1500 * MS)
        np.testing.assert_allclose(probability, weights[soon].sum() / weights[later].sum())
    assert model.onset_probability(60_000 * MS, 1500 * MS) == 0
