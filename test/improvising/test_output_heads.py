# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
from partner_music import motif, notes, shipped
import pytest

from improv_ros.improvising.network.improviser_runtime import DEFAULT_MODEL, load_runtime
from improv_ros.improvising.network.vocabulary import FIRST_STEP, PRESS
from improv_ros.improvising.partner.heads_files import heads_path, load_heads, read_heads
from improv_ros.improvising.partner.output_heads import (
    Heads,
    gradient,
    log_probabilities,
    log_softmax,
)
from improv_ros.inference.model_error import ModelError

STEPS = notes(motif(30) * 3)


def followed():
    """Return the inputs of the heads at the steps, and the states before each."""
    runtime, heads = shipped()
    state, states = runtime.advance(runtime.start(), FIRST_STEP), []
    for step in STEPS:
        states.append(state)
        state = runtime.advance(state, step)
    return heads.inputs(states, np.array(STEPS)), states


def total_nats(heads, inputs):
    """Return the nats of all steps together."""
    time, event_type, velocity = log_probabilities(heads, inputs)
    every = np.arange(len(inputs.steps))
    pressed = inputs.steps[:, 2] > 0
    return -float(
        time[every, inputs.steps[:, 0]].sum()
        + event_type[every, inputs.steps[:, 1]].sum()
        + velocity[pressed, inputs.steps[pressed, 2] - 1].sum()
    )


def test_logits_are_those_of_the_runtime():
    runtime, heads = shipped()
    _, states = followed()
    for state, step in zip(states, STEPS, strict=True):
        for ours, theirs in (
            (heads.time_logits(heads.heads, state), runtime.time_logits(state)),
            (
                heads.event_type_logits(heads.heads, state, step.time),
                runtime.event_type_logits(state, step.time),
            ),
        ):
            one, other = np.exp(log_softmax(ours)), np.exp(log_softmax(theirs))
            np.testing.assert_allclose(one, other, atol=0.02)  # the runtime's have 8 bits


def test_batches_and_single_events_agree():
    _, heads = shipped()
    inputs, states = followed()
    batch = log_probabilities(heads.heads, inputs)
    number = 7
    one = heads.event_type_logits(heads.heads, states[number], STEPS[number].time)
    np.testing.assert_allclose(log_softmax(one), batch[1][number], rtol=1e-3, atol=1e-4)


def test_the_gradient_is_that_of_the_nats():
    _, heads = shipped()
    inputs, _ = followed()
    weights = [array.astype(np.float64) for array in heads.heads.arrays]
    slopes = gradient(Heads.of_arrays(weights), inputs)
    random = np.random.default_rng(1)
    for number, slope in enumerate(slopes):
        direction = random.normal(size=slope.shape)
        shifted = []
        for sign in (1, -1):
            moved = list(weights)
            moved[number] = weights[number] + sign * 1e-6 * direction
            shifted.append(total_nats(Heads.of_arrays(moved), inputs))
        expected = (shifted[0] - shifted[1]) / 2e-6
        assert float((slope * direction).sum()) == pytest.approx(expected, rel=1e-2, abs=1e-2)


def test_heads_that_are_missing_damaged_or_of_another_network_are_refused(tmp_path):
    runtime = load_runtime()
    model = tmp_path / 'model.tflite'
    with pytest.raises(ModelError, match=r'no file .*model\.heads\.npz'):
        load_heads(model, runtime)
    data = heads_path('').read_bytes()
    heads_path(model).write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=r'model\.heads\.npz is damaged'):
        load_heads(model, runtime)
    with np.load(heads_path(DEFAULT_MODEL)) as file:
        arrays = [file[f'arr_{i}'] for i in range(26)]
    arrays[3] = arrays[3] + np.linspace(0, 9, len(arrays[3])).astype(np.float16)
    np.savez(heads_path(model), *arrays)
    assert read_heads(heads_path(model)).checksum != shipped()[1].checksum
    with pytest.raises(ModelError, match='not those of the network'):
        load_heads(model, runtime)


def test_what_is_down_cannot_be_pressed():
    runtime, heads = shipped()
    state = runtime.advance(runtime.advance(runtime.start(), FIRST_STEP), STEPS[0])
    logits = heads.event_type_logits(heads.heads, state, 5)
    assert logits[PRESS + motif(30)[0]] < -1e4 < logits[PRESS + motif(30)[1]]
