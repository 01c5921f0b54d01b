# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from improv_ros.event_text import control_change, note_off, note_on
from improv_ros.improvising.network.improviser_runtime import RUNTIMES_BY_RECURRENCE
from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    FIRST_STEP,
    KEYS,
    PEDAL_DOWN,
    PEDAL_UP,
    RELEASE,
    TIME_BINS,
    VELOCITY_BINS,
    Step,
    encode,
)

MS = 1_000_000
STEPS = np.concatenate(
    [
        [FIRST_STEP],
        encode(
            [
                note_on(0, 60, 64),
                note_on(200 * MS, 64, 70),
                control_change(250 * MS, 64, 127),
                note_off(500 * MS, 60),
                note_on(900 * MS, 60, 40),
                control_change(950 * MS, 64, 0),
                note_off(1000 * MS, 64),
            ]
        ),
    ]
).astype(np.int32)


@pytest.fixture(scope='module', params=RUNTIMES_BY_RECURRENCE)
def network(request):
    from improv_ros.improvising.network.note_network import NETWORKS

    network = NETWORKS[request.param](units=24, depth=2)
    network.build()
    return network


def runtime_of(network):
    """Return a runtime that calls the functions of a network directly."""
    return RUNTIMES_BY_RECURRENCE[network.recurrence](
        network.functions(), network.depth, network.units
    )


def test_unrolling_a_window_equals_advancing_step_by_step(network):
    context, keys, last = network.unroll(STEPS[None], network.start())
    expected = [
        np.asarray(logits)[0]
        for logits in (
            network.time_logits(context),
            network.event_type_logits(context, keys, np.full((1, len(STEPS)), 5)),
            network.velocity_logits(context, *np.full((2, 1, len(STEPS)), 40)),
        )
    ]
    runtime = runtime_of(network)
    state = runtime.start()
    for number, step in enumerate(STEPS):
        state = runtime.advance(state, Step(*step))
        for whole, logits in zip(
            expected,
            (
                runtime.time_logits(state),
                runtime.event_type_logits(state, 5),
                runtime.velocity_logits(state, 40, 40),
            ),
            strict=True,
        ):
            np.testing.assert_allclose(whole[number], logits, atol=1e-5)
        np.testing.assert_array_equal(keys[0, number], state.keys[0])
    for name, value in last._asdict().items():
        np.testing.assert_allclose(value, getattr(state, name), atol=1e-5)
    assert np.flatnonzero(state.keys[0]).tolist() == [60 - 21]


def test_a_call_returns_the_logits_of_every_next_step(network):
    logits = network(STEPS[None])
    context, keys, _ = network.unroll(STEPS[None, :-1], network.start())
    assert {name: value.shape for name, value in logits.items()} == {
        'time': (1, len(STEPS) - 1, TIME_BINS),
        'event_type': (1, len(STEPS) - 1, EVENT_TYPES),
        'velocity': (1, len(STEPS) - 1, VELOCITY_BINS),
    }
    np.testing.assert_allclose(
        logits['event_type'],
        network.event_type_logits(context, keys, STEPS[None, 1:, 0]),
        atol=1e-5,
    )


def test_the_summary_lists_the_layers(network):
    lines = []
    network.summary(print_fn=lambda line, **_: lines.append(line))
    text = '\n'.join(lines)
    assert 'LSTM' in text and f'{network.count_params():,}' in text


@pytest.mark.parametrize('cut', range(1, len(STEPS) - 1))
def test_two_windows_in_a_row_equal_one(network, cut):
    whole, _ = network.negative_log_likelihood(STEPS[None], network.start())
    first, state = network.negative_log_likelihood(STEPS[None, : cut + 1], network.start())
    second, _ = network.negative_log_likelihood(STEPS[None, cut:], state)
    np.testing.assert_allclose(whole, np.concatenate([first, second], axis=1), atol=1e-5)


def test_performances_side_by_side_do_not_mix(network):
    other = STEPS.copy()
    other[[2, 5]] = Step(10, PEDAL_DOWN, 0)  # fewer presses than the first
    together, _, state = network.unroll(np.stack([STEPS, other]), network.start(2))
    for row, steps in enumerate((STEPS, other)):
        alone, _, last = network.unroll(steps[None], network.start())
        np.testing.assert_allclose(together[row], alone[0], atol=1e-5)
        np.testing.assert_allclose(state.h[row], last.h[0], atol=1e-5)


@pytest.mark.parametrize('network', ['per_note'], indirect=True)
def test_only_presses_are_steps_of_the_recurrence_per_note(network):
    runtime = runtime_of(network)
    state, since = runtime.start(), []
    for step in STEPS:
        before, state = state, runtime.advance(state, Step(*step))
        assert (state.h is before.h) == (step[1] >= RELEASE)
        assert state.last_event[0, 1] == step[1]
        since.append(int(state.last_event[0, 0]))
    assert since == [0, 0, 20, 5, 30, 70, 5, 10]  # ticks of 10 ms from the press before


def test_impossible_events_have_probability_zero(network):
    context, keys, _ = network.unroll(STEPS[None, :4], network.start())  # C, E and pedal down
    logits = np.asarray(network.event_type_logits(context, keys, STEPS[None, :4, 0]))[0, -1]
    probabilities = np.exp(logits - logits.max())
    down = {60 - 21, 64 - 21}
    possible = [key for key in range(KEYS) if key not in down]
    possible += [RELEASE + key for key in sorted(down)] + [PEDAL_UP]
    assert probabilities[PEDAL_DOWN] == 0
    np.testing.assert_array_equal(np.flatnonzero(probabilities), possible)


def test_an_untrained_network_is_near_the_uniform_distribution(network):
    nats = np.asarray(network.negative_log_likelihood(STEPS[None], network.start())[0])[0]
    assert nats.shape == (len(STEPS) - 1, 3)
    assert abs(nats[:, 0].mean() - np.log(TIME_BINS)) < 0.5
    assert abs(nats[:, 1].mean() - np.log(EVENT_TYPES / 2)) < 0.5
    pressed = STEPS[1:, 2] > 0
    assert abs(nats[pressed, 2].mean() - np.log(VELOCITY_BINS)) < 0.5
    assert not nats[~pressed, 2].any()
